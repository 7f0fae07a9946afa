// A world in which policies are compared: endpoints, traffic, faults, and what scrapes show of it.
// Plain data; each default stands here, once.

/// The distribution of the requests' work: seconds on an endpoint of speed 1.
package struct WorkDistribution: Sendable, Equatable {
  package enum Shape: String, Sendable, CaseIterable {
    case constant, exponential
    /// With σ = 1: long tails, as prompts have.
    case lognormal
    /// Nine of ten requests are small, one is ten times as large.
    case bimodal
  }
  package var shape = Shape.exponential
  /// Seconds.
  package var mean = 1.0
  package init() {}
}

/// Requests of the same kind.
package struct RequestKind: Sendable, Equatable {
  /// The share of all requests; the shares of all kinds add up to 1.
  package var share = 1.0
  package var work = WorkDistribution()
  /// Whether it takes a slot, or its share of the speed. A request that takes none is answered
  /// after the time of its work, however busy the endpoint is: a list of models, for example.
  package var takesSlot = true
  package init() {}
}

/// Clients that read their answers slowly: the endpoint has finished long before they have.
package struct LateReaders: Sendable, Equatable {
  /// The share of all requests.
  package var share = 0.0
  /// Reading takes exponentially distributed time, on average this many times the mean work.
  package var factor = 20.0
  package init() {}
}

/// How an endpoint serves its requests.
package enum Service: String, Sendable, CaseIterable {
  /// `slots` requests at a time, each at full speed; others wait, first come, first served.
  case batch
  /// All requests at once, sharing the speed.
  case sharing
  /// A language model engine: continuous batching, step by step.
  case engine
}

/// Endpoints of the same kind.
package struct EndpointGroup: Sendable, Equatable {
  package var count = 1
  package var speed = 1.0
  package var service = Service.batch
  /// For `batch`: requests at a time. For `sharing`: multiplies the speed. Unused for `engine`.
  package var slots = 8
  /// Requests that may wait; a further one is answered `fullStatus` at once.
  package var queueMax = 100_000
  /// 503 or 429.
  package var fullStatus = 503
  /// The Retry-After of that answer, seconds; nil: none.
  package var retryAfter: Double?
  /// For `engine`: the size of its KV cache in tokens; nil: 180,000 for each unit of speed.
  package var cacheTokens: Int?
  /// The processes behind its metrics page. They answer in turn, each with its own counters and
  /// without gauges.
  package var pageWorkers = 1
  /// How many times the page counts each request.
  package var pageCounts = 1
  /// The operator's weight, for policies with true weights; nil: speed × slots.
  package var weight: Double?
  package init() {}

  /// The size of its KV cache in tokens.
  var cacheSize: Int {
    cacheTokens ?? max(1_000, Int((Double(EngineBatch.cacheTokens) * speed).rounded()))
  }

  /// The work in seconds that it does per second; for an engine only its speed.
  package var capacity: Double { service == .engine ? speed : speed * Double(slots) }
}

/// A kind of fault of an endpoint.
package enum FaultKind: Sendable, Equatable {
  /// Slower by this factor.
  case slow(Double)
  /// Slower by factors (of speed) drawn from the range, on and off.
  case antagonist(ClosedRange<Double>)
  /// Accepts requests and answers none; metrics and health continue.
  case hang
  /// Answers this share of the requests with 500 at once.
  case fail(Double)
  /// Answers this share of the requests with a 4xx status, after so many seconds.
  case reject(Double, status: Int = 404, after: Double = 0.002)
  /// Refuses connections and cuts running requests. Comes back cold: with a tenth of its speed,
  /// which rises to full speed over this many seconds.
  case dead(coldSeconds: Double)
  /// The counters are reset.
  case metricsReset
  /// Load gauges and counters are NaN.
  case metricsNaN
  /// Load gauges and counters are missing from the page.
  case metricsMissing
  /// The load gauges show this many times the load.
  case metricsLie(Double)
  /// The gauge of waiting requests shows this many more.
  case metricsQueue(Int)
}

package struct Fault: Sendable, Equatable {
  /// The beginning, in seconds of the run.
  package var at: Double
  /// The end; nil: the end of the run.
  package var until: Double?
  /// The seconds after which it begins again; nil: it happens once.
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

/// From `at` seconds on: traffic as a share of the fleet's capacity.
package struct LoadStep: Sendable, Equatable {
  package var at: Double
  /// The share of the capacity of the healthy fleet.
  package var load: Double
  package init(at: Double, load: Double) {
    self.at = at
    self.load = load
  }
}

/// From `at` seconds on: requests per second.
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
  /// Kinds of requests; if there are any, `work` is unused.
  package var kinds: [RequestKind] = []
  /// The tokens of requests to engines.
  package var tokens = TokenDistribution()
  /// Whether requests to engines declare the length of their content.
  package var hasContentLength = true
  package var lateReaders = LateReaders()
  /// Ascending; the first at 0.
  package var loads = [LoadStep(at: 0, load: 0.8)]
  /// Ascending, the first at 0; if there are any, `loads` is unused.
  package var rates: [RateStep] = []
  package var balancers = 1
  /// Seconds before the measured time.
  package var warmup = 20.0
  /// Seconds that are measured.
  package var measured = 120.0
  /// Seconds after which the balancer gives up a request.
  package var timeout = 30.0
  /// The mean of the exponentially distributed seconds after which a client goes away; nil: never.
  package var patience: Double?
  /// Whether requests may be sent again after an endpoint failed during a request.
  package var isReplayable = false
  package var faults: [Fault] = []
  /// Seconds between two scrapes of an endpoint.
  package var scrapeInterval = 1.0
  /// The share of scrapes that fail.
  package var scrapeLoss = 0.0
  /// Whether pages show how many requests run and wait.
  package var hasGauges = true
  /// Whether the operator has configured the endpoints' true weights: those of
  /// `EndpointGroup.weight`.
  package var hasTrueWeights = false

  package init(name: String, groups: [EndpointGroup]) {
    self.name = name
    self.groups = groups
  }

  /// The endpoints of all groups, one by one.
  package var endpoints: [EndpointGroup] {
    groups.flatMap { group in (0..<group.count).map { _ in group } }
  }

  /// Requests per second that the healthy fleet can serve.
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

  /// The mean work of a request for an endpoint's slots, in seconds.
  package var meanWork: Double {
    guard !kinds.isEmpty else { return work.mean }
    return kinds.filter(\.takesSlot).reduce(0) { $0 + $1.share * $1.work.mean }
  }

  package var hasEngines: Bool { groups.contains { $0.service == .engine } }

  /// Requests per second at that time.
  package func rate(at seconds: Double) -> Double {
    if let first = rates.first {
      return rates.last { $0.at <= seconds }?.rate ?? first.rate
    }
    return capacity * (loads.last { $0.at <= seconds }?.load ?? loads[0].load)
  }
}
