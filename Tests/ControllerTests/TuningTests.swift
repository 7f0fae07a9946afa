import Fleet
import Primitives
import Testing

@testable import Controller

@Suite struct TuningTests {
  private static let address = SocketAddress(bytes: [10, 0, 0, 1], port: 8000)

  private static func order(
    _ bench: inout Bench, _ action: TuningAction, endpoint: SocketAddress? = address,
    lasts: Nanoseconds? = nil, deadline: Nanoseconds? = nil
  ) throws(TuningError) {
    try bench.controller.tune(
      TuningRequest(pool: "text", endpoint: endpoint, action, lasts: lasts, deadline: deadline),
      now: bench.now)
  }

  @Test func aPinBeatsTheLawAndEndsWithItsTime() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 5) { _ in .usage(20) }
    try Self.order(&bench, .pin(0.25), lasts: .seconds(4))
    bench.run(seconds: 2) { _ in .usage(20) }
    #expect(bench.effective(0) == 0.25)
    #expect(bench.target(0) == 2)
    #expect(bench.kind(0) == .pinned)
    bench.run(seconds: 3) { _ in .usage(20) }
    #expect(bench.effective(0) == 2)
    let log = bench.controller.tuningChanges
    #expect(log.map(\.action) == ["pin 0.25", "pin 0.25"])
    #expect(log.map(\.hasExpired) == [false, true])
  }

  @Test func aFactorMultipliesTheLaw() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 5) { _ in .usage(20) }
    try Self.order(&bench, .scale(0.5))
    bench.run(seconds: 1) { _ in .usage(20) }
    #expect(bench.effective(0) == 1)
    #expect(bench.kind(0) == .scaled)
    try Self.order(&bench, .reset)
    bench.run(seconds: 1) { _ in .usage(20) }
    #expect(bench.effective(0) == 2)
  }

  @Test func healthBeatsDrainAndDrainBeatsWeight() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    var bench = Bench(makeFleet(bases: [1, 1], scrapes: [try .json], health: policy))
    bench.run(seconds: 5) { $0.kind == .health ? .page(200, "") : .usage(20) }
    try Self.order(&bench, .drain)
    try Self.order(&bench, .pin(9))
    bench.run(seconds: 1) { $0.kind == .health ? .page(200, "") : .usage(20) }
    #expect(bench.rows[0]?.eligibility == .draining)
    #expect(bench.rows[1]?.eligibility == .ready)
    bench.run(seconds: 5) { $0.kind == .health ? .page(503, "") : .usage(20) }
    #expect(bench.rows[0]?.eligibility == .unhealthy)
    bench.run(seconds: 5) { $0.kind == .health ? .page(200, "") : .usage(20) }
    #expect(bench.rows[0]?.eligibility == .draining)
  }

  @Test func aDrainKeepsSessionsUntilItsDeadlineAndEndsWithItsTime() throws {
    var bench = Bench(makeFleet(bases: [1, 1], scrapes: [try .json]))
    bench.run(seconds: 2) { _ in .usage(20) }
    func eligibility() -> Eligibility? { bench.rows[0]?.eligibility }
    try Self.order(&bench, .drain, lasts: .seconds(9), deadline: .seconds(3))
    bench.run(seconds: 2) { _ in .usage(20) }
    #expect(eligibility() == .draining)
    #expect(eligibility()?.takesSessions == true && eligibility()?.takesNewExchanges == false)
    bench.run(seconds: 2) { _ in .usage(20) }
    #expect(eligibility() == .drained)
    #expect(eligibility()?.takesSessions == false)
    // A reload keeps it; another drain without a deadline takes sessions again.
    bench.controller.apply(fleet: bench.controller.fleet, now: bench.now)
    bench.run(seconds: 1) { _ in .usage(20) }
    #expect(eligibility() == .drained)
    try Self.order(&bench, .drain, lasts: .seconds(4))
    bench.run(seconds: 1) { _ in .usage(20) }
    #expect(eligibility() == .draining)
    bench.run(seconds: 5) { _ in .usage(20) }
    #expect(eligibility() == .ready)
  }

  @Test func aFrozenPoolKeepsItsWeightsWhateverTheLawSays() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 5) { $0.id.endpointIndex == 0 ? .usage(77.5) : .usage(20) }
    let before = bench.effective(0)
    try Self.order(&bench, .freeze, endpoint: nil, lasts: .seconds(10))
    bench.run(seconds: 8) { _ in .usage(20) }
    #expect(bench.effective(0) == before)
    #expect(bench.target(0) == 2)
    #expect(bench.kind(0) == .frozen)
    bench.run(seconds: 5) { _ in .usage(20) }
    #expect(bench.effective(0) == 2)
  }

  @Test func parametersChangeWhileItRunsAndSurviveAReload() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 5) { _ in .usage(100) }
    #expect(near(bench.effective(0), 0.1))
    try Self.order(&bench, .set(.floor(0.5)), endpoint: nil)
    bench.run(seconds: 5) { _ in .usage(100) }
    #expect(near(bench.effective(0), 1))
    bench.controller.apply(fleet: bench.controller.fleet, now: bench.now)
    bench.run(seconds: 5) { _ in .usage(100) }
    #expect(near(bench.effective(0), 1))
    try Self.order(&bench, .set(.law(.static)), endpoint: nil, lasts: .seconds(3))
    bench.run(seconds: 1) { _ in .usage(100) }
    #expect(bench.effective(0) == 2)
    bench.run(seconds: 10) { _ in .usage(100) }
    #expect(near(bench.effective(0), 1))
    try Self.order(&bench, .reset, endpoint: nil)
    bench.run(seconds: 10) { _ in .usage(100) }
    #expect(near(bench.effective(0), 0.1))
  }

  @Test func anOrderThatCannotBeFollowedChangesNothing() throws {
    var bench = Bench(makeFleet(bases: [1], law: .static))
    let stranger = SocketAddress.loopback(port: 1)
    #expect(throws: TuningError.noEndpoint("127.0.0.1:1", pool: "text")) {
      try Self.order(&bench, .drain, endpoint: stranger)
    }
    #expect(throws: TuningError.needsEndpoint("drain")) {
      try Self.order(&bench, .drain, endpoint: nil)
    }
    #expect(throws: TuningError.needsPool("freeze")) { try Self.order(&bench, .freeze) }
    #expect(throws: TuningError.needsSignals(.headroom)) {
      try Self.order(&bench, .set(.law(.headroom)), endpoint: nil)
    }
    #expect(throws: TuningError.noPool("b")) {
      try bench.controller.tune(TuningRequest(pool: "b", .freeze), now: bench.now)
    }
    #expect(bench.controller.journal.count(.tuning) == 0)
    #expect(bench.controller.tuning == [PoolTuning()])
  }

  @Test func theExplanationNamesEveryStepOfTheWay() throws {
    var bench = Bench(makeFleet(bases: [2, 2], law: .headroom, scrapes: [try .json]))
    bench.run(seconds: 10) { $0.id.endpointIndex == 0 ? .usage(77.5) : .failure(.refused) }
    try Self.order(&bench, .scale(0.5), lasts: .seconds(100))
    bench.run(seconds: 0.2) { $0.id.endpointIndex == 0 ? .usage(77.5) : .failure(.refused) }
    let explanation = try #require(
      PoolExplanation(pool: "text", of: bench.controller, now: bench.now))
    #expect(PoolExplanation(pool: "nix", of: bench.controller, now: bench.now) == nil)
    let first = explanation.endpoints[0]
    #expect(near(first.targetWeight, 1.05) && first.state == "ready" && !first.changes.isEmpty)
    #expect(
      first.reasonText == "scaled by an operator to 0.26 × its configured weight; the law says "
        + "0.52 × its configured weight: cpu 0.775, between normal 0.7 and alarm 0.85")
    #expect(abs(first.effectiveWeight - 0.525) < 1e-9 && abs((first.factor ?? 0) - 0.2625) < 1e-9)
    #expect(first.orders == [.init(name: "scale", value: "0.5", remainingSeconds: 99.8)])
    let cpu = try #require(first.pages[0].signals.first { $0.name == "cpu" })
    #expect(cpu.value == 0.775 && cpu.normal == 0.7 && cpu.alarm == 0.85)
    #expect(cpu.freshness == "fresh" && abs((cpu.load ?? 0) - 0.5) < 1e-9)
    let second = explanation.endpoints[1]
    #expect(second.pages[0].failure == "refused" && second.pages[0].signals[0].value == nil)
  }
}
