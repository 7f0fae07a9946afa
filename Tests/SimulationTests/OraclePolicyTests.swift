// The yardsticks on cases that can be worked out by hand, and in whole runs.
import Balancer
import Primitives
import Testing

@testable import Simulation

@Suite struct OraclePolicyTests {
  private static func truth(
    _ group: EndpointGroup, requests: Int, isFaulty: Bool = false
  ) -> EndpointTruth {
    let speed = group.service == .batch ? group.speed : group.capacity
    return EndpointTruth(group: group, requests: requests, speed: speed, isFaulty: isFaulty)
  }

  /// The endpoint that the rule picks in that world.
  private static func pick(_ rule: OraclePolicy.Rule, _ world: [EndpointTruth]) -> Int? {
    let policy = OraclePolicy(rule, TokenDistribution(), count: world.count, seed: 1)
    policy.reveal(world)
    return policy.pick(SimulatedRequest(arrivedAt: .zero, work: 1, balancer: 0), now: .zero)
  }

  @Test func theShortestExpectedDelayKnowsSlots() {
    let slow = group(1, speed: 1, slots: 2)
    let fast = group(1, speed: 2, slots: 2)
    // With four there a fifth takes 5/2 ÷ 2 = 1.25 s on the fast one, 1 s on the slow one.
    let full = [Self.truth(slow, requests: 1), Self.truth(fast, requests: 4)]
    #expect(Self.pick(.shortestDelay, full) == 0)
    // A queue of one on the fast one: 3/2 ÷ 2 = 0.75 s.
    let some = [Self.truth(slow, requests: 1), Self.truth(fast, requests: 2)]
    #expect(Self.pick(.shortestDelay, some) == 1)
    // Sharing: 4 ÷ 2 = 2 s against 3 ÷ 1.
    let shared = [group(1, speed: 1, .sharing, slots: 1), group(1, speed: 2, .sharing, slots: 1)]
    let world = [Self.truth(shared[0], requests: 2), Self.truth(shared[1], requests: 3)]
    #expect(Self.pick(.shortestDelay, world) == 1)
  }

  @Test func theMarginalRuleCountsTheDelayOfOthers() {
    let slow = group(1, speed: 1, slots: 2)
    let fast = group(1, speed: 2, slots: 2)
    // 0.75 s for itself, and 2 × (0.75 − 0.5) s for those that are there, against 1 s.
    let world = [Self.truth(slow, requests: 0), Self.truth(fast, requests: 2)]
    #expect(Self.pick(.shortestDelay, world) == 1)
    #expect(Self.pick(.marginal, world) == 0)
  }

  @Test func othersCountTwiceWhereSlotsAreFull() {
    func weight(_ requests: Int) -> Double {
      OraclePolicy.weight([
        Self.truth(group(1, slots: 10), requests: requests),
        Self.truth(group(1, slots: 10), requests: 100, isFaulty: true),
      ])
    }
    for (requests, expected) in [(0, 1.0), (8, 1), (9, 1.5), (10, 2), (50, 2)] {
      #expect(abs(weight(requests) - expected) < 1e-9, "\(requests)")
    }
  }

  @Test(arguments: [OraclePolicy.Rule.shortestDelay, .marginal])
  func whatIsFaultyIsNeverPickedWhileThereIsAnother(_ rule: OraclePolicy.Rule) {
    let endpoint = group(1)
    let world = [
      Self.truth(endpoint, requests: 0, isFaulty: true), Self.truth(endpoint, requests: 80),
    ]
    #expect(Self.pick(rule, world) == 1)
    #expect(Self.pick(rule, [world[0], world[0]]) != nil)
  }

  /// Two slots each, speeds 1 and 3: of all splits of six requests that come at once the marginal
  /// rule's has the least sum of delays.
  @Test func theMarginalRuleIsTheBestOfAllSplitsOfABurst() throws {
    let groups = [group(1, speed: 1, slots: 2), group(1, speed: 3, slots: 2)]
    func sum(_ counts: [Int]) -> Double {
      zip(groups, counts).map { group, count in
        Double(count) * OraclePolicy.delay(Self.truth(group, requests: 0), requests: count)
      }.reduce(0, +)
    }
    // As in a pool with room: μ = 1.
    let idle = group(1, slots: 1_000)
    let policy = OraclePolicy(.marginal, TokenDistribution(), count: 3, seed: 1)
    var counts = [0, 0]
    for _ in 0..<6 {
      var world = zip(groups, counts).map { Self.truth($0, requests: $1) }
      world.append(Self.truth(idle, requests: 0))
      let request = SimulatedRequest(arrivedAt: .zero, work: 1, balancer: 0)
      request.tried.insert(2)
      policy.reveal(world)
      counts[try #require(policy.pick(request, now: .zero))] += 1
    }
    let best = (0...6).map { sum([$0, 6 - $0]) }.min()
    #expect(abs(sum(counts) - (try #require(best))) < 1e-9, "\(counts)")
  }

  @Test func inWholeRunsTheyFailNobodyAndBeatLeastRequest() throws {
    var scenario = Scenario(
      name: "h4", groups: [group(3), group(3, speed: 2), group(2, speed: 4)])
    scenario.loads = [LoadStep(at: 0, load: 0.7)]
    scenario.warmup = 10
    scenario.measured = 60
    scenario.faults = [Fault(at: 20, until: 40, endpoints: [6], kind: .fail(1))]
    let theirs = Simulation.run(scenario, .leastRequest, seed: 3)
    #expect(theirs.failures > 0)
    for policy in [PolicyName.sed, .marginal] {
      let record = Simulation.run(scenario, policy, seed: 3)
      #expect(record.failures == 0)
      #expect(record.share(of: 6, from: 20, until: 40) == 0)
      let (ours, peers) = (record.latency(quantile: 0.99), theirs.latency(quantile: 0.99))
      #expect(try #require(ours) < 0.9 * (try #require(peers)))
    }
    let marginal = Simulation.run(scenario, .marginal, seed: 3)
    let sed = Simulation.run(scenario, .sed, seed: 3)
    #expect(try #require(marginal.mean) < 0.85 * (try #require(sed.mean)))
  }

  @Test func nginxLeavesWhatRefusesAloneForTenSeconds() {
    var scenario = Scenario(name: "dead", groups: [group(3, slots: 4)])
    scenario.work.mean = 0.2
    scenario.loads = [LoadStep(at: 0, load: 0.5)]
    scenario.warmup = 5
    scenario.measured = 30
    scenario.faults = [Fault(at: 10, until: 15, endpoints: [1], kind: .dead(coldSeconds: 0))]
    let record = Simulation.run(scenario, .nginx, seed: 4)
    // What was cut when it died; what is refused goes on to another one.
    #expect(record.failures <= 4)
    #expect(record.share(of: 1, from: 11, until: 19) == 0)
    #expect(record.share(of: 1, from: 22, until: 35) > 0.2)
  }
}
