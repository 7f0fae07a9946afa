// A world to try policies in: endpoints, traffic, faults, what scrapes see of it. Plain data; every
// default stands here, once.

/// How much work requests bring: seconds on an endpoint of speed 1.
package struct WorkDistribution: Sendable, Equatable {
  package enum Shape: String, Sendable, CaseIterable {
    case constant, exponential
    /// Of σ = 1: long tails, as prompts have them.
    case lognormal
    /// Nine of ten small, one ten times as large.
    case bimodal
  }
  package var shape = Shape.exponential
  /// Seconds.
  package var mean = 1.0
  package init() {}
}

/// Like requests among others.
package struct RequestKind: Sendable, Equatable {
  /// Of all requests; the kinds' shares sum up to 1.
  package var share = 1.0
  package var work = WorkDistribution()
  /// It takes a slot, or its share of the speed. What takes none is answered after its work's time,
  /// however busy the endpoint is: a list of models, say.
  package var takesSlot = true
  package init() {}
}

/// Clients that read an answer slowly: the endpoint is done with them long before they are.
package struct LateReaders: Sendable, Equatable {
  /// Of all requests.
  package var share = 0.0
  /// Their reading takes exponentially distributed time, so many times the mean work on average.
  package var factor = 20.0
  package init() {}
}

/// How an endpoint serves what it has.
package enum Service: String, Sendable, CaseIterable {
  /// `slots` requests at a time, each at full speed; the rest waits first come, first served.
  case batch
  /// All at once, sharing the speed.
  case sharing
  /// An engine of language models: continuous batching, step by step.
  case engine
}

/// Like endpoints.
package struct EndpointGroup: Sendable, Equatable {
  package var count = 1
  package var speed = 1.0
  package var service = Service.batch
  /// Of `batch`: requests at a time. Of `sharing`: multiplies the speed. Not of `engine`.
  package var slots = 8
  /// Requests that may wait; one more is answered `fullStatus` at once.
  package var queueMax = 100_000
  /// 503 or 429.
  package var fullStatus = 503
  /// Its Retry-After, seconds; nil: it has none.
  package var retryAfter: Double?
  /// Of `engine`: tokens that its KV cache has room for; nil: 180,000 for each unit of speed.
  package var cacheTokens: Int?
  /// Processes behind its metrics page, which answer in turn, each with counters of its own and
  /// without gauges.
  package var pageWorkers = 1
  /// The page counts each request so many times.
  package var pageCounts = 1
  /// The operator's weight, where a policy uses true ones; nil: speed × slots.
  package var weight: Double?
  package init() {}

  /// Tokens that its KV cache has room for.
  var cacheSize: Int {
    cacheTokens ?? max(1_000, Int((Double(EngineBatch.cacheTokens) * speed).rounded()))
  }

  /// Work in seconds that it does in a second; of an engine only its speed.
  package var capacity: Double { service == .engine ? speed : speed * Double(slots) }
}

/// What happens to an endpoint.
package enum FaultKind: Sendable, Equatable {
  /// So many times slower.
  case slow(Double)
  /// Slower by factors drawn from the range (of speed), on and off.
  case antagonist(ClosedRange<Double>)
  /// Takes requests and answers none; metrics and health go on.
  case hang
  /// Answers that share of the requests 500 at once.
  case fail(Double)
  /// Answers that share of the requests with a status of the 400s, after so many seconds.
  case reject(Double, status: Int = 404, after: Double = 0.002)
  /// Refuses connections and cuts what runs. Comes back cold: a tenth of its speed, rising to all
  /// of it over so many seconds.
  case dead(coldSeconds: Double)
  /// The counters begin anew.
  case metricsReset
  /// Load gauges and counters are NaN.
  case metricsNaN
  /// Load gauges and counters are gone from the page.
  case metricsMissing
  /// The load gauges say so many times as much.
  case metricsLie(Double)
  /// The gauge of what waits says so many more.
  case metricsQueue(Int)
}

package struct Fault: Sendable, Equatable {
  /// Seconds from the beginning of the run.
  package var at: Double
  /// nil: to the end.
  package var until: Double?
  /// Seconds after which it begins anew; nil: it comes once.
  package var every: Double?
  /// Indices of endpoints.
  package var endpoints: [Int]
  package var kind: FaultKind
  package init(
    at: Double, until: Double? = nil, every: Double? = nil, endpoints: [Int], kind: FaultKind
  ) {
    self.at = at
    self.until = until
    self.every = every
    self.endpoints = endpoints
    self.kind = kind
  }
}

/// From `at` seconds on: so much traffic, as a share of what the fleet can do.
package struct LoadStep: Sendable, Equatable {
  package var at: Double
  /// Share of the fleet's healthy capacity.
  package var load: Double
  package init(at: Double, load: Double) {
    self.at = at
    self.load = load
  }
}

/// From `at` seconds on: so many requests a second.
package struct RateStep: Sendable, Equatable {
  package var at: Double
  package var rate: Double
  package init(at: Double, rate: Double) {
    self.at = at
    self.rate = rate
  }
}

package struct Scenario: Sendable, Equatable {
  package var name: String
  package var groups: [EndpointGroup]
  package var work = WorkDistribution()
  /// Kinds of requests; where there are any, `work` does not count.
  package var kinds: [RequestKind] = []
  /// What engines get.
  package var tokens = TokenDistribution()
  /// Requests to engines say how long their content is.
  package var hasContentLength = true
  package var lateReaders = LateReaders()
  /// Ascending; the first at 0.
  package var loads = [LoadStep(at: 0, load: 0.8)]
  /// Ascending, the first at 0; where there are any, `loads` does not count.
  package var rates: [RateStep] = []
  package var balancers = 1
  /// Seconds before anything is measured.
  package var warmup = 20.0
  /// Seconds that are measured.
  package var measured = 120.0
  /// Seconds after which the balancer gives a request up.
  package var timeout = 30.0
  /// Mean of the seconds, exponentially distributed, after which a client goes away; nil: never.
  package var patience: Double?
  /// Requests may be sent again when an endpoint fails in mid-request.
  package var isReplayable = false
  package var faults: [Fault] = []
  /// Seconds between two scrapes of an endpoint.
  package var scrapeInterval = 1.0
  /// Share of the scrapes that fail.
  package var scrapeLoss = 0.0
  /// Pages say how many requests run and wait.
  package var hasGauges = true
  /// The operator wrote the endpoints' true weights down: those of `EndpointGroup.weight`.
  package var hasTrueWeights = false

  package init(name: String, groups: [EndpointGroup]) {
    self.name = name
    self.groups = groups
  }

  /// The groups' endpoints, one by one.
  package var endpoints: [EndpointGroup] {
    groups.flatMap { group in (0..<group.count).map { _ in group } }
  }

  /// Requests a second that the healthy fleet can do.
  package var capacity: Double {
    var (work, engines) = (0.0, 0.0)
    for group in groups {
      if group.service == .engine {
        engines +=
          Double(group.count) * group.speed * tokens.engineCapacity(cacheTokens: group.cacheSize)
      } else {
        work += Double(group.count) * group.capacity
      }
    }
    let slotted = work > 0 ? work / meanWork : 0
    let share = kinds.isEmpty ? 1 : kinds.filter(\.takesSlot).reduce(0) { $0 + $1.share }
    return slotted + engines / max(share, 1e-9)
  }

  /// Seconds of work that a request brings to an endpoint's slots, on average.
  package var meanWork: Double {
    guard !kinds.isEmpty else { return work.mean }
    return kinds.filter(\.takesSlot).reduce(0) { $0 + $1.share * $1.work.mean }
  }

  package var hasEngines: Bool { groups.contains { $0.service == .engine } }

  /// Requests a second at that time.
  package func rate(at seconds: Double) -> Double {
    if let first = rates.first {
      return rates.last { $0.at <= seconds }?.rate ?? first.rate
    }
    return capacity * (loads.last { $0.at <= seconds }?.load ?? loads[0].load)
  }
}
