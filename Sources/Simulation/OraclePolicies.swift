// Yardsticks: policies that know what no balancer can, every queue, speed and fault at once.
import Primitives

/// Knows all and picks the least of a cost, never an endpoint that is dead, hangs or answers errors
/// while there is another. A cost counts in requests' work on an endpoint of speed 1.
final class OraclePolicy: CountingPolicy {
  enum Rule {
    /// Joins the shortest expected delay: the request's own alone counts.
    case shortestDelay
    /// Adds μ times the delay that the request causes to those that are there: with m requests that
    /// take S(m) each it is (m − 1)(S(m) − S(m − 1)).
    case marginal
  }
  private let rule: Rule
  private var world: [EndpointTruth] = []
  private var weight = 1.0

  init(_ rule: Rule, count: Int, seed: UInt64) {
    self.rule = rule
    super.init(count: count, seed: seed)
  }

  override var isOracle: Bool { true }

  override func reveal(_ world: [EndpointTruth]) {
    self.world = world
    weight = Self.weight(world)
  }

  /// μ: 1, and up to 2 while slots fill from 80 to 100 %, where what waits is all that counts.
  static func weight(_ world: [EndpointTruth]) -> Double {
    var (requests, slots) = (0, 0)
    for truth in world where truth.group.service == .batch && !truth.isFaulty {
      requests += truth.requests
      slots += truth.group.slots
    }
    guard slots > 0 else { return 1 }
    return 1 + min(max((Double(requests) / Double(slots) - 0.8) / 0.2, 0), 1)
  }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    let good = usable.filter { !world[$0].isFaulty }
    let known = good.isEmpty ? usable : good
    return least(known) { cost(world[$0]) }
  }

  private func cost(_ truth: EndpointTruth) -> Double {
    let mates = truth.requests
    let own = Self.delay(truth, requests: mates + 1)
    guard rule == .marginal, mates > 0 else { return own }
    return own + weight * Double(mates) * (own - Self.delay(truth, requests: mates))
  }

  /// How long a request takes with so many there, itself among them.
  static func delay(_ truth: EndpointTruth, requests: Int) -> Double {
    let speed = max(truth.speed, 1e-9)
    switch truth.group.service {
    case .batch: return max(1, Double(requests) / Double(truth.group.slots)) / speed
    case .sharing: return Double(requests) / speed
    }
  }
}
