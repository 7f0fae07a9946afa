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

/// How an endpoint serves what it has.
package enum Service: String, Sendable, CaseIterable {
  /// `slots` requests at a time, each at full speed; the rest waits first come, first served.
  case batch
  /// All at once, sharing the speed.
  case sharing
}

/// Like endpoints.
package struct EndpointGroup: Sendable, Equatable {
  package var count = 1
  package var speed = 1.0
  package var service = Service.batch
  /// Of `batch`: requests at a time. Of `sharing`: multiplies the speed.
  package var slots = 8
  /// Requests that may wait; one more is answered 503 at once.
  package var queueMax = 100_000
  /// The operator's weight, where a policy uses true ones; nil: speed × slots.
  package var weight: Double?
  package init() {}

  /// Work in seconds that it does in a second.
  package var capacity: Double { speed * Double(slots) }
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
  /// Answers that share of the requests 404 at once.
  case reject(Double)
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
}

package struct Fault: Sendable, Equatable {
  /// Seconds from the beginning of the run.
  package var at: Double
  /// nil: to the end.
  package var until: Double?
  /// Indices of endpoints.
  package var endpoints: [Int]
  package var kind: FaultKind
  package init(at: Double, until: Double? = nil, endpoints: [Int], kind: FaultKind) {
    self.at = at
    self.until = until
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
  /// Ascending; the first at 0.
  package var loads = [LoadStep(at: 0, load: 0.8)]
  /// Ascending, the first at 0; where there are any, `loads` does not count.
  package var rates: [RateStep] = []
  package var balancers = 1
  /// Seconds before anything is measured.
  package var warmup = 20.0
  /// Seconds that are measured.
  package var measured = 120.0
  /// Seconds after which a client gives up.
  package var timeout = 30.0
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
  package var capacity: Double { endpoints.reduce(0) { $0 + $1.capacity } / work.mean }

  /// Requests a second at that time.
  package func rate(at seconds: Double) -> Double {
    if let first = rates.first {
      return rates.last { $0.at <= seconds }?.rate ?? first.rate
    }
    return capacity * (loads.last { $0.at <= seconds }?.load ?? loads[0].load)
  }
}
