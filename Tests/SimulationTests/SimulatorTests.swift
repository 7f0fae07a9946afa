// Laws of whole runs: nothing is lost, the same seed gives the same run, queueing theory holds, no
// policy breaks under any fault, and ours does what it is for.
import Primitives
import Testing

@testable import Simulation

@Suite struct SimulatorTests {
  /// Every kind of fault, with a shape of its own.
  private static let kinds: [FaultKind] = [
    .slow(5), .antagonist(0.2...0.6), .hang, .fail(0.5), .fail(1), .reject(1, status: 429),
    .reject(0.5),
    .dead(coldSeconds: 3),
    .metricsReset, .metricsNaN, .metricsMissing, .metricsLie(1_000), .metricsQueue(10_000),
  ]

  private static func scenario(_ random: inout RandomSource, _ kind: FaultKind) -> Scenario {
    var scenario = Scenario(
      name: "random",
      groups: (0...random.index(below: 2)).map { _ in
        var group = group(
          1 + random.index(below: 3), speed: random.between(0.3, 4),
          random.one(of: [.batch, .sharing, .engine]), slots: 1 + random.index(below: 4))
        group.cacheTokens = 1_000
        group.fullStatus = random.one(of: [429, 503])
        group.pageWorkers = 1 + random.index(below: 2)
        if random.index(below: 3) == 0 { group.queueMax = random.index(below: 5) }
        return group
      })
    // Short ones: what an engine does in twelve seconds is enough to break.
    scenario.tokens.promptMean = 100
    scenario.tokens.outputMean = 100
    scenario.work.shape = random.one(of: WorkDistribution.Shape.allCases)
    scenario.work.mean = random.between(0.05, 0.3)
    scenario.loads = [
      LoadStep(at: 0, load: random.between(0.2, 1)),
      LoadStep(at: 6, load: random.between(0.2, 1.4)),
    ]
    scenario.balancers = 1 + random.index(below: 3)
    scenario.warmup = 0
    scenario.measured = 12
    scenario.timeout = random.between(0.5, 5)
    scenario.patience = random.index(below: 3) == 0 ? 2 : nil
    scenario.lateReaders.share = random.index(below: 3) == 0 ? 0.2 : 0
    if random.index(below: 3) == 0 {
      scenario.kinds = [0.7, 0.3].map { share in
        var kind = RequestKind()
        kind.share = share
        kind.work = scenario.work
        kind.takesSlot = share > 0.5
        return kind
      }
    }
    scenario.isReplayable = random.index(below: 2) == 0
    scenario.scrapeInterval = random.between(0.1, 2)
    scenario.scrapeLoss = random.index(below: 3) == 0 ? 0.5 : 0
    let count = scenario.endpoints.count
    let hit = (0..<count).filter { _ in random.index(below: 2) == 0 }
    scenario.faults = [
      Fault(at: 2, until: random.index(below: 2) == 0 ? 8 : nil, endpoints: hit, kind: kind),
      Fault(
        at: random.between(0, 11), until: 11.5, endpoints: [random.index(below: count)],
        kind: random.one(of: kinds)),
    ]
    return scenario
  }

  private static func expectConserved(_ record: Record, _ name: String) {
    // Latencies are those of completed, timed-out and unfinished ones.
    let unfinished = record.latencies.count - record.completed - record.timedOut
    #expect(unfinished >= 0, "\(name)")
    let ended = record.completed + record.failed + record.timedOut
    #expect(record.arrivals == ended + unfinished, "\(name)")
    #expect(record.latencies.allSatisfy { $0.isFinite && $0 >= 0 }, "\(name)")
  }

  @Test(arguments: PolicyName.allCases)
  func noPolicyBreaksUnderAnyFault(_ policy: PolicyName) {
    for (index, kind) in Self.kinds.enumerated() {
      let seed = UInt64(1_000 + index)
      var random = RandomSource(seed: seed)
      let scenario = Self.scenario(&random, kind)
      let run = Run(scenario, policy, seed: seed)
      let name = "\(policy), seed \(seed), \(kind)"
      Self.expectConserved(run.record, name)
      #expect(run.shares.count == scenario.endpoints.count, "\(name)")
      #expect(run.shares.allSatisfy { $0.isFinite && $0 >= 0 }, "\(name): \(run.shares)")
      #expect(run.record.shareMoved.isFinite, "\(name)")
      #expect(run.record.arrivals > 0, "\(name)")
    }
  }

  @Test(arguments: [PolicyName.steelyard, .leastRequestOutlier, .grpcWeighted])
  func theSameSeedGivesTheSameRun(_ policy: PolicyName) {
    var random = RandomSource(seed: 5)
    let scenario = Self.scenario(&random, .slow(3))
    let (a, b) = (Run(scenario, policy, seed: 9), Run(scenario, policy, seed: 9))
    #expect(a.record.latencies == b.record.latencies)
    #expect(a.record.sends == b.record.sends)
    #expect(a.shares == b.shares)
    let other = Run(scenario, policy, seed: 10)
    #expect(a.record.latencies != other.record.latencies)
  }

  @Test func everyPolicyGetsTheSameArrivals() {
    var random = RandomSource(seed: 6)
    var scenario = Self.scenario(&random, .hang)
    scenario.faults = []
    let arrivals = PolicyName.allCases.map { Run(scenario, $0, seed: 3).record.arrivals }
    #expect(Set(arrivals).count == 1)
  }

  /// M/M/1 and M/M/1-PS have the same mean response time, 1/(μ − λ); that of M/M/1 is exponential.
  @Test(arguments: [Service.batch, .sharing], [0.3, 0.6])
  func oneEndpointIsAsQueueingTheoryHasIt(_ service: Service, _ load: Double) throws {
    var scenario = Scenario(name: "M/M/1", groups: [group(1, service, slots: 1)])
    scenario.work.mean = 0.1
    scenario.loads = [LoadStep(at: 0, load: load)]
    scenario.warmup = 20
    scenario.measured = 4_000
    scenario.timeout = 10_000
    let record = Simulation.run(scenario, .leastRequestOutlier, seed: 17)
    let mean = 1 / (10 - 10 * load)
    let measured = try #require(record.mean)
    #expect(abs(measured / mean - 1) < 0.06, "\(measured) against \(mean)")
    guard service == .batch else { return }
    for (quantile, factor) in [(0.5, 0.6931), (0.9, 2.3026), (0.99, 4.6052)] {
      let latency = try #require(record.latency(quantile: quantile))
      #expect(abs(latency / (mean * factor) - 1) < 0.12, "quantile \(quantile): \(latency)")
    }
  }

  @Test func ratesFollowTheirSteps() {
    var scenario = Scenario(name: "steps", groups: [group(2)])
    scenario.rates = [RateStep(at: 0, rate: 5), RateStep(at: 50, rate: 40)]
    scenario.warmup = 0
    scenario.measured = 100
    let record = Simulation.run(scenario, .leastRequestOutlier, seed: 2)
    let early = record.sends[..<50].joined().reduce(0, +)
    let late = record.sends[50..<100].joined().reduce(0, +)
    #expect(abs(early - 250) < 80)
    #expect(abs(late - 2_000) < 230)
  }

  @Test func aDeadEndpointGetsNothingThatIsNotATrial() {
    var scenario = Scenario(name: "dead", groups: [group(4, slots: 4)])
    scenario.work.mean = 0.2
    scenario.loads = [LoadStep(at: 0, load: 0.5)]
    scenario.warmup = 5
    scenario.measured = 30
    scenario.isReplayable = true
    scenario.faults = [Fault(at: 10, endpoints: [1], kind: .dead(coldSeconds: 0))]
    let record = Simulation.run(scenario, .steelyard, seed: 4)
    #expect(record.failures == 0)
    // Two trials in a second of about 40 requests.
    #expect(record.share(of: 1, from: 12, until: 35) < 0.06)
    #expect(record.share(of: 0, from: 12, until: 35) > 0.2)
  }

  /// The wide margin of one cheap run; control-bench measures it.
  @Test func theCapacityLawBeatsLeastRequestOnUnequalEndpoints() throws {
    var scenario = Scenario(
      name: "h4", groups: [group(3), group(3, speed: 2), group(2, speed: 4)])
    scenario.warmup = 20
    scenario.measured = 60
    let ours = try #require(
      Simulation.run(scenario, .steelyard, seed: 101).latency(quantile: 0.99))
    let theirs = try #require(
      Simulation.run(scenario, .leastRequest, seed: 101).latency(quantile: 0.99))
    #expect(ours < 0.9 * theirs, "\(ours) against \(theirs)")
  }
}
