// The goals of the control law: a scenario, one of its figures, and a bound, absolute or relative
// to another policy.
import Simulation

/// A figure of one run.
enum Figure: Hashable, Sendable {
  case p50, mean, p99, p999, failures, goodput
  /// Time to the first token, for engines.
  case firstTokenP50, firstTokenP99
  /// Requests per ten thousand that failed or ran into the client's time-out.
  case failuresPer10000
  /// Σ|Δshare| per minute.
  case restlessness
  /// An endpoint's share in a time window ÷ its fair share (by capacity); times in seconds of the
  /// run.
  case fairShare(endpoint: Int, from: Int, until: Int)
  /// An endpoint's share of all requests.
  case share(endpoint: Int, from: Int, until: Int)
  /// Seconds from the end of a fault until the endpoint's share, over two seconds, is half of its
  /// share in the twenty seconds before the fault.
  case halfShareAgain(endpoint: Int, from: Int, until: Int)
  /// Among endpoints of the same true speed: the requests of the least used one ÷ the mean, in the
  /// last minute; the lowest value over all speeds in use. Slower speeds may be idle.
  case evenness

  var title: String {
    switch self {
    case .p50: "p50"
    case .mean: "mean"
    case .p99: "p99"
    case .p999: "p99.9"
    case .failures: "failed"
    case .firstTokenP50: "TTFT p50"
    case .firstTokenP99: "TTFT p99"
    case .goodput: "goodput"
    case .restlessness: "Σ|Δshare|/min"
    case .failuresPer10000: "failed of 10,000"
    case .fairShare(let endpoint, let from, let until):
      "share of #\(endpoint), \(from)–\(until) s"
    case .share(let endpoint, let from, let until):
      "share of all, #\(endpoint), \(from)–\(until) s"
    case .halfShareAgain(let endpoint, _, let until):
      "s after \(until) to half the share of #\(endpoint)"
    case .evenness: "least used ÷ mean of equals"
    }
  }

  func value(_ record: Record, _ scenario: Scenario) -> Double {
    switch self {
    case .p50: return record.latency(quantile: 0.5) ?? .infinity
    case .mean: return record.mean ?? .infinity
    case .p99: return record.latency(quantile: 0.99) ?? .infinity
    case .p999: return record.latency(quantile: 0.999) ?? .infinity
    case .failures: return Double(record.failures)
    case .firstTokenP50: return record.firstToken(quantile: 0.5) ?? .infinity
    case .firstTokenP99: return record.firstToken(quantile: 0.99) ?? .infinity
    case .goodput: return record.goodput
    case .failuresPer10000:
      return 10_000 * Double(record.failures) / Double(max(1, record.arrivals))
    case .restlessness: return record.shareMovedPerMinute
    case .fairShare(let endpoint, let from, let until):
      let endpoints = scenario.endpoints
      let fair = endpoints[endpoint].capacity / endpoints.reduce(0) { $0 + $1.capacity }
      return record.share(of: endpoint, from: from, until: until) / fair
    case .share(let endpoint, let from, let until):
      return record.share(of: endpoint, from: from, until: until)
    case .halfShareAgain(let endpoint, let from, let until):
      let before = record.share(of: endpoint, from: from - 20, until: from)
      let end = Int(scenario.warmup + scenario.measured)
      for second in until..<max(until, end - 1)
      where record.share(of: endpoint, from: second, until: second + 2) >= before / 2 {
        return Double(second - until)
      }
      return .infinity
    case .evenness: return Self.evenness(record, scenario)
    }
  }

  private static func evenness(_ record: Record, _ scenario: Scenario) -> Double {
    let end = Int(scenario.warmup + scenario.measured)
    let endpoints = scenario.endpoints
    var counts = [Double](repeating: 0, count: endpoints.count)
    for second in end - 60..<end {
      for (index, sent) in record.sends[second].enumerated() { counts[index] += Double(sent) }
    }
    let all = counts.reduce(0, +)
    let capacity = endpoints.reduce(0) { $0 + $1.capacity }
    var least = Double.infinity
    for speed in Set(endpoints.map(\.capacity)) {
      let others = endpoints.indices.filter { endpoints[$0].capacity == speed }
      let own = others.map { counts[$0] }
      let mean = own.reduce(0, +) / Double(own.count)
      // A tenth of its fair share, and enough requests to distinguish chance from neglect.
      let isUsed = mean >= max(0.1 * all * speed / capacity, 40)
      let isFastest = speed == endpoints.map(\.capacity).max()
      if isUsed || isFastest { least = min(least, (own.min() ?? 0) / max(mean, 1e-9)) }
    }
    return least
  }
}

/// One line of the table.
struct Goal: Sendable {
  enum Bound: Sendable {
    /// Ours ÷ the policy's is at most this.
    case ratio(PolicyName, atMost: Double)
    /// Ours is at most, or at least, this.
    case atMost(Double)
    case atLeast(Double)
    /// Ours in this scenario ÷ ours in the other scenario is at most this.
    case ratioToOwn(String, atMost: Double)
    /// Ours is at least this share of the scenario's capacity.
    case shareOfCapacity(atLeast: Double)
    /// Ours ÷ the policy's is at least this.
    case ratioAtLeast(PolicyName, Double)

    /// The policy that the goal is relative to.
    var peer: PolicyName? {
      switch self {
      case .ratio(let policy, _), .ratioAtLeast(let policy, _): policy
      case .atMost, .atLeast, .ratioToOwn, .shareOfCapacity: nil
      }
    }
  }
  let scenario: String
  let figure: Figure
  let bound: Bound
}
