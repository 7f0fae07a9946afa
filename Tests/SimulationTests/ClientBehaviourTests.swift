// What clients, pages and endpoints do beside plain work, in whole runs.
import Balancer
import Primitives
import Testing

@testable import Simulation

/// Keeps what it is told, and picks in turn.
private final class Witness: CountingPolicy {
  private(set) var done: [(request: Int64, at: Nanoseconds)] = []
  private(set) var ended: [(request: Int64, at: Nanoseconds, outcome: AttemptOutcome)] = []
  private var turn = 0

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    turn += 1
    return usable[turn % usable.count]
  }

  override func endpointDone(_ request: SimulatedRequest, now: Nanoseconds) {
    done.append((request.arrivedAt.rawValue, now))
  }

  override func note(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    ended.append((request.arrivedAt.rawValue, now, outcome))
  }
}

@Suite struct ClientBehaviourTests {
  private static func run(_ scenario: Scenario, seed: UInt64 = 1) -> (Record, Witness?) {
    var witness: Witness?
    var simulator = Simulator(scenario, seed: seed) { _ in
      let made = Witness(count: scenario.endpoints.count, seed: seed)
      witness = made
      return made
    }
    return (simulator.run(), witness)
  }

  private static func scenario(_ groups: [EndpointGroup], rate: Double) -> Scenario {
    var scenario = Scenario(name: "clients", groups: groups)
    scenario.rates = [RateStep(at: 0, rate: rate)]
    scenario.work.mean = 0.1
    scenario.warmup = 0
    scenario.measured = 60
    return scenario
  }

  @Test func aLateReaderIsInFlightLongAfterTheEndpointIsDone() throws {
    var scenario = Self.scenario([group(2)], rate: 20)
    let (plain, _) = Self.run(scenario)
    scenario.lateReaders.share = 1
    let (late, witness) = Self.run(scenario)
    let seen = try #require(witness)
    // Latency is the endpoint's: reading is no part of it.
    let (slow, quick) = (try #require(late.mean), try #require(plain.mean))
    #expect(abs(slow / quick - 1) < 0.2)
    var waits: [Double] = []
    for end in seen.ended where end.outcome == .completed {
      let done = try #require(seen.done.first { $0.request == end.request })
      waits.append((end.at - done.at).seconds)
    }
    // Twenty times the mean work, exponentially distributed.
    #expect(waits.count > 900)
    #expect(abs(waits.reduce(0, +) / Double(waits.count) - 2) < 0.3)
  }

  @Test func withoutLateReadersDoneAndEndedAreOne() throws {
    let (record, witness) = Self.run(Self.scenario([group(2)], rate: 20))
    let seen = try #require(witness)
    let ended = seen.ended.filter { $0.outcome == .completed }
    #expect(ended.map(\.at) == seen.done.map(\.at))
    #expect(ended.count == record.completed)
  }

  @Test func whatNeedsNoSlotIsAnsweredByAFullEndpoint() throws {
    var scenario = Self.scenario([group(1, slots: 1)], rate: 20)
    var (quick, slow) = (RequestKind(), RequestKind())
    (quick.share, quick.takesSlot, quick.work.mean) = (0.9, false, 0.002)
    (slow.share, slow.work.mean) = (0.1, 4)
    scenario.kinds = [quick, slow]
    // Two slots' worth of work for one slot.
    #expect(abs(scenario.meanWork - 0.4) < 1e-9)
    #expect(abs(scenario.capacity - 2.5) < 1e-9)
    let (record, _) = Self.run(scenario)
    let median = try #require(record.latency(quantile: 0.5))
    #expect((0.0005...0.003).contains(median))
    #expect(try #require(record.latency(quantile: 0.99)) > 4)
    // Nothing moves in one that hangs, nor then.
    scenario.faults = [Fault(at: 0, endpoints: [0], kind: .hang)]
    #expect(Self.run(scenario).0.completed == 0)
    scenario.faults = [Fault(at: 30, endpoints: [0], kind: .dead(coldSeconds: 0))]
    #expect(Self.run(scenario).0.goodputCount < record.goodputCount)
  }

  @Test func idlePhasesHaveNoRequests() {
    var scenario = Self.scenario([group(2)], rate: 1)
    scenario.rates = [
      RateStep(at: 0, rate: 0), RateStep(at: 10, rate: 30), RateStep(at: 20, rate: 0),
      RateStep(at: 50, rate: 30), RateStep(at: 55, rate: 0),
    ]
    let (record, _) = Self.run(scenario)
    let sends = record.sends.map { $0.reduce(0, +) }
    #expect(sends[..<10].allSatisfy { $0 == 0 })
    #expect(abs(sends[10..<20].reduce(0, +) - 300) < 70)
    #expect(sends[20..<50].allSatisfy { $0 == 0 })
    #expect(abs(sends[50..<55].reduce(0, +) - 150) < 50)
    #expect(sends[55...].allSatisfy { $0 == 0 })
  }

  @Test func aFaultComesAgainAndAgain() {
    var scenario = Self.scenario([group(1)], rate: 20)
    scenario.faults = [
      Fault(at: 5, until: 7, every: 20, endpoints: [0], kind: .reject(1, status: 404, after: 0.5))
    ]
    #expect(scenario.faults[0].shifts(until: 60) == [0, 20, 40])
    let (record, witness) = Self.run(scenario)
    let rejected = witness?.ended.filter { $0.outcome == .rejected } ?? []
    #expect(rejected.count == record.failed)
    #expect(abs(record.failed - 120) < 45)
    for end in rejected {
      let second = Double(end.request) / 1e9
      #expect((5.0...7.0).contains(second.truncatingRemainder(dividingBy: 20)))
      #expect(abs((end.at - Nanoseconds(end.request)).seconds - 0.5) < 1e-6)
    }
  }

  @Test(arguments: [nil, 3.0])
  func aFullEndpointSaysWhenToComeAgain(_ retryAfter: Double?) {
    var full = group(1, slots: 1)
    full.queueMax = 1
    full.retryAfter = retryAfter
    let (record, witness) = Self.run(Self.scenario([full], rate: 30))
    let expected = AttemptOutcome.overloaded(.seconds(retryAfter ?? 0))
    let refused = witness?.ended.count { $0.outcome == expected } ?? 0
    #expect(refused == record.failed)
    #expect(refused > 600)
  }

  @Test func impatientClientsGoAway() throws {
    var scenario = Self.scenario([group(1, slots: 1)], rate: 12)
    scenario.patience = 0.5
    let (record, witness) = Self.run(scenario)
    #expect(record.timedOut > 100)
    #expect(witness?.ended.contains { $0.outcome == .failed(.timeout) } == false)
    #expect(try #require(record.latency(quantile: 0.5)) < 0.5)
  }

  @Test func pagesLieAsTheyAreTold() throws {
    var pages = WorkerPages(count: 2, mean: 0.5)
    var random = RandomSource(seed: 1)
    let before = [pages.next(), pages.next()]
    for _ in 0..<100 { pages.count(.seconds(2), &random) }
    let after = [pages.next(), pages.next()]
    // In turn, each with its own past.
    #expect(before.map { $0?.completed } == [1_400, 900])
    #expect(before.map { $0?.seconds } == [700, 450])
    let counts = after.compactMap { $0?.completed }
    #expect(counts.reduce(0, +) == 2_400)
    #expect(counts[0] > 1_400 && counts[1] > 900)
    #expect(after.compactMap { $0?.seconds }.reduce(0, +) == 1_350)
    var one = WorkerPages(count: 1, mean: 1)
    let none = one.next()
    #expect(none == nil)

    var odd = group(1, slots: 1)
    odd.pageCounts = 3
    var scenario = Self.scenario([odd], rate: 5)
    scenario.faults = [Fault(at: 10, endpoints: [0], kind: .metricsQueue(10_000))]
    var simulator = Simulator(scenario, seed: 1) { _ in Witness(count: 1, seed: 1) }
    let record = simulator.run()
    let sample = simulator.sample(0, .seconds(60))
    #expect(sample.completed == Double(3 * record.completed))
    #expect(try #require(sample.waiting) >= 10_000)
  }
}
