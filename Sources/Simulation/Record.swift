// The results of one run for the clients: latencies, failures, goodput; and for the policy: each
// endpoint's share of the requests, and how much the weights moved.
import Primitives

package struct Record: Sendable {
  package enum Outcome: Sendable { case completed, failed, timedOut }

  /// Requests sent to each endpoint in each second.
  package private(set) var sends: [[Int]]
  /// Requests that arrived within the measured time.
  package private(set) var arrivals = 0
  package private(set) var completed = 0
  package private(set) var failed = 0
  package private(set) var timedOut = 0
  /// Requests that ended well within the measured time, whenever they arrived.
  package private(set) var goodputCount = 0
  /// Latencies in seconds, of completed and timed-out requests; sorted by `finish`.
  package private(set) var latencies: [Double] = []
  /// Seconds to the first token, of requests to engines; sorted by `finish`.
  package private(set) var firstTokens: [Double] = []
  /// Sum over time of |Δ share| / 2 over all endpoints, for the shares that the policy intends.
  package private(set) var shareMoved = 0.0
  private let from: Nanoseconds
  private let measured: Double
  private var now = Nanoseconds.zero
  private var lastShares: [Double] = []
  private var lastSharesAt = Nanoseconds.zero

  init(_ scenario: Scenario) {
    from = .seconds(scenario.warmup)
    measured = scenario.measured
    let seconds = Int(scenario.warmup + scenario.measured) + 2
    sends = [[Int]](
      repeating: [Int](repeating: 0, count: scenario.endpoints.count), count: seconds)
  }

  mutating func advance(to now: Nanoseconds) { self.now = now }

  mutating func arrived() { if now >= from { arrivals += 1 } }

  mutating func sent(_ endpoint: Int, _ now: Nanoseconds) {
    let second = Int(now.seconds)
    if sends.indices.contains(second) { sends[second][endpoint] += 1 }
  }

  mutating func firstToken(_ request: SimulatedRequest, _ now: Nanoseconds) {
    guard request.arrivedAt >= from else { return }
    firstTokens.append((now - request.arrivedAt).seconds)
  }

  mutating func ended(_ request: SimulatedRequest, _ outcome: Outcome, _ now: Nanoseconds) {
    if outcome == .completed, now >= from { goodputCount += 1 }
    guard request.arrivedAt >= from else { return }
    switch outcome {
    case .completed: completed += 1
    case .failed: failed += 1
    case .timedOut: timedOut += 1
    }
    if outcome != .failed { latencies.append((now - request.arrivedAt).seconds) }
  }

  /// Records the intended shares of the first balancer. Call once a second.
  mutating func noteShares(_ policies: [any SimulatedPolicy], _ now: Nanoseconds) {
    guard now - lastSharesAt >= .seconds(1) else { return }
    lastSharesAt = now
    let shares = policies[0].shares
    if now > from, lastShares.count == shares.count {
      for index in shares.indices { shareMoved += abs(shares[index] - lastShares[index]) }
    }
    lastShares = shares
  }

  /// Ends the record. Requests that are unfinished at the end count with the time they have waited
  /// so far.
  mutating func finish(_ end: Nanoseconds, unfinished: [SimulatedRequest]) {
    for request in unfinished where request.arrivedAt >= from {
      latencies.append((end - request.arrivedAt).seconds)
    }
    latencies.sort()
    firstTokens.sort()
  }

  // MARK: Results

  /// In seconds; nil: nothing was measured.
  package func latency(quantile: Double) -> Double? { Self.quantile(quantile, of: latencies) }

  /// Seconds to the first token; nil: there was none.
  package func firstToken(quantile: Double) -> Double? {
    Self.quantile(quantile, of: firstTokens)
  }

  private static func quantile(_ quantile: Double, of sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let rank = Int((quantile * Double(sorted.count)).rounded(.up)) - 1
    return sorted[min(max(rank, 0), sorted.count - 1)]
  }

  package var mean: Double? {
    latencies.isEmpty ? nil : latencies.reduce(0, +) / Double(latencies.count)
  }

  /// Requests per second that ended well.
  package var goodput: Double { Double(goodputCount) / measured }

  package var failures: Int { failed + timedOut }

  /// Σ|Δshare| per minute.
  package var shareMovedPerMinute: Double { shareMoved / measured * 60 }

  /// The endpoint's share of all requests sent from second `from` until `until`.
  package func share(of endpoint: Int, from: Int, until: Int) -> Double {
    var (own, all) = (0, 0)
    for second in max(0, from)..<max(max(0, from), min(until, sends.count)) {
      own += sends[second][endpoint]
      all += sends[second].reduce(0, +)
    }
    return all == 0 ? 0 : Double(own) / Double(all)
  }
}
