// What the control law has to reach: a scenario, a figure of it, and a bound relative to another
// policy or an absolute one.
import Simulation

/// A figure of one run.
enum Figure {
  case p50, mean, p99, p999, failures, goodput
  /// Σ|Δshare| a minute.
  case restlessness
  /// Share of an endpoint in a time window ÷ its fair share (by capacity), seconds of the run.
  case fairShare(endpoint: Int, from: Int, until: Int)

  var title: String {
    switch self {
    case .p50: "p50"
    case .mean: "mean"
    case .p99: "p99"
    case .p999: "p99.9"
    case .failures: "failed"
    case .goodput: "goodput"
    case .restlessness: "Σ|Δshare|/min"
    case .fairShare(let endpoint, let from, let until): "share of #\(endpoint), \(from)–\(until) s"
    }
  }

  func value(_ record: Record, _ scenario: Scenario) -> Double {
    switch self {
    case .p50: return record.latency(quantile: 0.5) ?? .infinity
    case .mean: return record.mean ?? .infinity
    case .p99: return record.latency(quantile: 0.99) ?? .infinity
    case .p999: return record.latency(quantile: 0.999) ?? .infinity
    case .failures: return Double(record.failures)
    case .goodput: return record.goodput
    case .restlessness: return record.shareMovedPerMinute
    case .fairShare(let endpoint, let from, let until):
      let endpoints = scenario.endpoints
      let fair = endpoints[endpoint].capacity / endpoints.reduce(0) { $0 + $1.capacity }
      return record.share(of: endpoint, from: from, until: until) / fair
    }
  }
}

/// One line of the table.
struct Goal {
  enum Bound {
    /// Ours ÷ the policy's is at most this.
    case ratio(PolicyName, atMost: Double)
    /// Ours is at most, or at least, this.
    case atMost(Double)
    case atLeast(Double)
    /// Ours in this scenario ÷ ours in the other one is at most this.
    case ratioToOwn(String, atMost: Double)
    /// At least this share of the scenario's capacity.
    case shareOfCapacity(atLeast: Double)
    /// Ours ÷ the policy's is at least this.
    case ratioAtLeast(PolicyName, Double)
  }
  let scenario: String
  let figure: Figure
  let bound: Bound
}
