// Whole runs with endpoints that refuse requests: full ones work at their capacity, one that answers
// 404 at once is left alone.
import Primitives
import Testing

@testable import Simulation

@Suite struct RefusalScenarioTests {
  /// Four slots of 0.4 s each, room for four more, then 503 at once.
  private static func full(_ count: Int, load: Double) -> Scenario {
    var group = group(count, slots: 4)
    group.queueMax = 4
    var scenario = Scenario(name: "full", groups: [group])
    scenario.work.mean = 0.4
    scenario.work.shape = .constant
    scenario.loads = [LoadStep(at: 0, load: load)]
    scenario.warmup = 5
    // What a few requests are worth is less in a pool of many.
    scenario.measured = count == 2 ? 60 : 30
    return scenario
  }

  @Test(arguments: [2, 4, 8], [1.1, 1.4, 2.0])
  func fullEndpointsWorkAtTheirCapacity(_ count: Int, _ load: Double) {
    for isReplayable in [false, true] {
      var scenario = Self.full(count, load: load)
      scenario.isReplayable = isReplayable
      let ours = Simulation.run(scenario, .steelyard, seed: 101).goodput
      let theirs = Simulation.run(scenario, .leastRequest, seed: 101).goodput
      #expect(ours >= 0.97 * scenario.capacity, "\(ours) of \(scenario.capacity), \(isReplayable)")
      #expect(ours >= 0.99 * theirs, "\(ours) against \(theirs), \(isReplayable)")
    }
  }

  @Test func unequalFullEndpointsDoToo() {
    var scenario = Self.full(2, load: 1.4)
    var fast = group(2, speed: 3, slots: 4)
    fast.queueMax = 4
    scenario.groups.append(fast)
    let ours = Simulation.run(scenario, .steelyard, seed: 101).goodput
    #expect(ours >= 0.97 * scenario.capacity, "\(ours) of \(scenario.capacity)")
  }

  @Test(arguments: [1.0, 0.7], [101, 102, 103])
  func anEndpointThatAnswers404AtOnceIsLeftAlone(_ ratio: Double, _ seed: UInt64) {
    var scenario = Scenario(name: "missing", groups: [group(3, slots: 50)])
    scenario.work.mean = 0.5
    scenario.work.shape = .constant
    scenario.rates = [RateStep(at: 0, rate: 10)]
    scenario.warmup = 5
    scenario.measured = 60
    scenario.faults = [Fault(at: 0, endpoints: [1], kind: .reject(ratio))]
    let record = Simulation.run(scenario, .steelyard, seed: seed)
    let share = Double(record.failures) / Double(record.arrivals)
    #expect(share <= (ratio == 1 ? 0.05 : 0.15), "\(record.failures) of \(record.arrivals)")
    // What the clients do wrong everywhere is no endpoint's fault, and keeps none from its share.
    scenario.faults[0].endpoints = [0, 1, 2]
    let spread = Simulation.run(scenario, .steelyard, seed: seed)
    for endpoint in 0..<3 {
      #expect(abs(spread.share(of: endpoint, from: 5, until: 65) - 1.0 / 3) < 0.08)
    }
  }
}
