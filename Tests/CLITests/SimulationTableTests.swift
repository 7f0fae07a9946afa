// The table of `steelyard simulate`.
import Testing

@testable import CLI
@testable import Simulation

@Suite struct SimulationTableTests {
  private static func run(
    _ policy: PolicyName, _ seed: UInt64, p99: Double?, failed: Int = 0
  ) -> RunResult {
    var run = RunResult(policy, seed: seed)
    run.requests = 1_000
    run.completed = 1_000 - failed
    run.failed = failed
    (run.p50, run.p99, run.p999, run.mean) = (p99.map { $0 / 4 }, p99, p99, p99.map { $0 / 3 })
    run.goodput = 25
    return run
  }

  private static func table(
    _ runs: [RunResult], _ policies: [PolicyName], seeds: [UInt64]
  ) -> [String] {
    var plan = SimulationPlan(Scenario(name: "a", groups: []))
    plan.policies = policies
    plan.seeds = seeds
    return SimulationTable.lines(SimulationResults(plan, runs))
  }

  @Test func theTableIsAligned() {
    let runs = [
      Self.run(.leastRequest, 1, p99: 2), Self.run(.leastRequest, 2, p99: 4, failed: 3),
      Self.run(.steelyard, 1, p99: 1), Self.run(.steelyard, 2, p99: 1),
      Self.run(.sed, 1, p99: nil), Self.run(.sed, 2, p99: nil),
    ]
    #expect(
      Self.table(runs, [.leastRequest, .steelyard, .sed], seeds: [1, 2]).dropFirst(1) == [
        "",
        "policy         requests  failed     p50     p99   p99.9    mean  goodput  p99 ÷ first",
        "least_request      1000     1.5  750 ms  3.00 s  3.00 s  1.00 s     25/s         1.00",
        "steelyard          1000       0  250 ms  1.00 s  1.00 s  333 ms     25/s         0.38",
        "sed                1000       0       –       –       –       –     25/s            –",
      ])
  }

  @Test func aRunWithoutAnyRequestHasALineToo() {
    #expect(Self.table([RunResult(.steelyard, seed: 1)], [.steelyard], seeds: [1]).count == 4)
  }
}
