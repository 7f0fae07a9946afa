// The watchdog in the controller: pages, checks and the balancer's cells become eligibility, half of
// the pool stays whatever happens, and probes are brought forward where something is wrong.
import Fleet
import Primitives
import Testing

@testable import Controller

/// A pool of vLLM-like endpoints with traffic of ours; the ones in `hung` do nothing.
private struct Rig {
  var bench: Bench
  var hung: Set<Int> = []
  var frozen: Set<Int> = []
  private let block: CellBlock
  private var tokens: [Double]
  private let count: Int

  init(_ count: Int, health: HealthPolicy? = HealthPolicy(), watchdog: WatchdogPolicy = .init())
    throws
  {
    var fleet = makeFleet(
      bases: [Double](repeating: 1, count: count), law: .capacity,
      scrapes: [try ScrapeSource("vllm")], health: health)
    fleet.pools[0].watchdog = watchdog
    bench = Bench(fleet)
    block = bench.evidence.block(ofWorker: 0)
    tokens = [Double](repeating: 100, count: count)
    self.count = count
    for endpointIndex in 0..<count {
      block.store(2, at: bench.evidence.index(.inFlight, endpointIndex))
    }
  }

  private static func page(_ tokens: Double) -> String {
    """
    vllm:num_requests_running{engine="0"} 2.0
    vllm:num_requests_waiting{engine="0"} 0.0
    vllm:iteration_tokens_total_count{engine="0"} \(tokens)

    """
  }

  mutating func run(seconds: Double) {
    for _ in 0..<Int((seconds * 10).rounded()) {
      for endpointIndex in 0..<count
      where !hung.contains(endpointIndex) && !frozen.contains(endpointIndex) {
        tokens[endpointIndex] += 3
        block.add(1, at: bench.evidence.index(.pieces, endpointIndex))
      }
      let (tokens, frozen) = (tokens, frozen)
      bench.run(
        seconds: 0.1,
        answer: { request in
          if frozen.contains(request.id.endpointIndex) { return .hang }
          return request.kind == .health
            ? .page(200, "") : .page(200, Self.page(tokens[request.id.endpointIndex]))
        })
    }
  }

  func clear(_ endpointIndex: Int) {
    block.store(0, at: bench.evidence.index(.inFlight, endpointIndex))
  }

  func send(_ endpointIndex: Int) {
    block.store(1, at: bench.evidence.index(.inFlight, endpointIndex))
    block.add(1, at: bench.evidence.index(.started, endpointIndex))
  }

  func eligibilities() -> [Eligibility] {
    bench.rows.prefix(count).map { $0?.eligibility ?? .ejected }
  }

  func row(_ endpointIndex: Int) -> WeightRow { bench.rows[endpointIndex]! }

  mutating func secondsUntilPhase(
    _ endpointIndex: Int, _ wanted: Watchdog.Phase, max: Double = 60
  ) -> Double {
    let start = bench.now
    while bench.controller.endpoints[endpointIndex]?.watchdog.phase != wanted,
      (bench.now - start).seconds < max
    { run(seconds: 0.1) }
    return (bench.now - start).seconds
  }

  mutating func secondsUntil(_ endpointIndex: Int, _ wanted: Eligibility, max: Double = 60)
    -> Double
  {
    let start = bench.now
    while eligibilities()[endpointIndex] != wanted, (bench.now - start).seconds < max {
      run(seconds: 0.1)
    }
    return (bench.now - start).seconds
  }
}

@Suite struct WatchdogControllerTests {
  @Test func aHungEngineLeavesAlthoughItsHealthPageSaysYesAndComesBackByItself() throws {
    var rig = try Rig(3)
    rig.run(seconds: 30)
    #expect(rig.eligibilities() == [.ready, .ready, .ready])
    rig.hung = [1]
    let out = rig.secondsUntil(1, .stalled)
    #expect(out < 7.5, "out after \(out) s")
    #expect(rig.eligibilities() == [.ready, .stalled, .ready])
    #expect(rig.bench.rows.prefix(3).map { $0?.isDown } == [false, true, false])
    let change = try #require(rig.bench.controller.verdicts.last)
    #expect(change.old == .ready && change.new == .stalled && change.cause == .noProgress)
    #expect(change.failure == nil)
    let watch = try #require(
      PoolExplanation(pool: "text", of: rig.bench.controller, now: rig.bench.now)
    ).endpoints[1].watchdog
    #expect(watch.state == "stalled" && watch.cause == "no_progress" && watch.stillSeconds > 0)
    rig.hung = []
    let back = rig.secondsUntil(1, .ready)
    #expect(back <= 1.5, "back after \(back) s")
    #expect(rig.bench.controller.verdicts.last?.new == .ready)
    // What the balancer saw of it during the stall says nothing of its capacity.
    let known = rig.bench.controller.endpoints.prefix(2).map { $0?.capacity.sums.elapsed ?? -1 }
    #expect(known[0] > 2 && (0..<1).contains(known[1]))
  }

  @Test func withoutRequestsItIsTriedAndNewsGoesToTheWorkers() throws {
    var rig = try Rig(3)
    rig.run(seconds: 30)
    rig.hung = [0]
    _ = rig.secondsUntil(0, .stalled)
    #expect(rig.row(0).isDown && !rig.row(0).takesNewExchanges)
    rig.clear(0)
    let pause = rig.secondsUntilPhase(0, .trial)
    #expect(pause <= 2.2)
    #expect(rig.bench.controller.pickBoard.count(.stalled, 0) == 1)
    // It takes requests, whose answers are waited for; but it is not back.
    #expect(rig.eligibilities() == [.stalled, .ready, .ready])
    #expect(rig.row(0).takesNewExchanges && !rig.row(0).isDown)
    rig.run(seconds: 30)
    #expect(rig.eligibilities()[0] == .stalled && rig.row(0).isOnTrial)
    // A trial that shows nothing.
    rig.send(0)
    #expect(rig.secondsUntilPhase(0, .stalled(.noProgress)) < 30)
    #expect(!rig.row(0).takesNewExchanges)
    rig.clear(0)
    #expect(rig.secondsUntilPhase(0, .trial) > 3.5)
    rig.hung = []
    rig.send(0)
    rig.run(seconds: 2)
    #expect(rig.bench.controller.endpoints[0]?.watchdog.phase == .fine)
    #expect(rig.eligibilities()[0] == .ready && !rig.row(0).isOnTrial)
    #expect(rig.bench.controller.verdicts.map(\.new).suffix(2) == [.stalled, .ready])
  }

  @Test func oneOnTrialCountsAsOut() throws {
    var rig = try Rig(4)
    rig.run(seconds: 30)
    rig.hung = [0, 1]
    _ = rig.secondsUntil(0, .stalled)
    _ = rig.secondsUntil(1, .stalled)
    rig.clear(0)
    rig.clear(1)
    _ = rig.secondsUntilPhase(0, .trial)
    rig.hung = [0, 1, 2]
    rig.run(seconds: 30)
    #expect(rig.eligibilities() == [.stalled, .stalled, .ready, .ready])
    #expect(rig.bench.controller.pools[0].isHeld)
  }

  @Test func aDrainedOneIsNotTried() throws {
    var rig = try Rig(3)
    rig.run(seconds: 30)
    rig.hung = [0]
    _ = rig.secondsUntil(0, .stalled)
    rig.clear(0)
    _ = rig.secondsUntilPhase(0, .trial)
    try rig.bench.controller.tune(
      TuningRequest(
        pool: "text", endpoint: SocketAddress(bytes: [10, 0, 0, 1], port: 8000), .drain),
      now: rig.bench.now)
    rig.run(seconds: 1)
    #expect(!rig.row(0).takesNewExchanges)
  }

  @Test func theContentOfRequestsInFlightIsReadFromTheBoard() throws {
    var rig = try Rig(4)
    rig.run(seconds: 30)
    let block = rig.bench.evidence.block(ofWorker: 0)
    for column in [EvidenceBoard.Column.startedBytes, .outstandingBytes] {
      block.add(6_000, at: rig.bench.evidence.index(column, 1))
    }
    rig.hung = [0, 1]
    rig.run(seconds: 15)
    #expect(rig.eligibilities() == [.stalled, .ready, .ready, .ready])
    #expect(rig.secondsUntil(1, .stalled) < 40)
  }

  @Test func aFrozenProcessLeavesInThreeSeconds() throws {
    var rig = try Rig(3)
    rig.run(seconds: 30.05)
    rig.frozen = [2]
    let out = rig.secondsUntil(2, .stalled)
    #expect(out <= 3.5, "out after \(out) s")
    #expect(rig.bench.controller.verdicts.last?.cause == .noAnswer)
    // Its check was brought forward, once.
    let checks = rig.bench.requests.filter {
      $0.request.id.endpointIndex == 2 && $0.request.kind == .health && $0.at > .seconds(30)
    }
    #expect((1...2).contains(checks.count))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8]) func halfOfThePoolStays(count: Int) throws {
    var rig = try Rig(count)
    rig.run(seconds: 30)
    rig.hung = Set(0..<count)
    rig.run(seconds: 60)
    let stalled = rig.eligibilities().count { $0 == .stalled }
    #expect(stalled == count / 2)
    #expect(rig.bench.controller.pools[0].isHeld)
    #expect(rig.bench.kind(count - 1) == .frozen)
    rig.hung = []
    rig.run(seconds: 3)
    #expect(rig.eligibilities() == [Eligibility](repeating: .ready, count: count))
    #expect(!rig.bench.controller.pools[0].isHeld)
  }

  @Test func theLastOneThatHealthLeftIsNotTaken() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    var fleet = makeFleet(
      bases: [1, 1], law: .capacity, scrapes: [try ScrapeSource("vllm")], health: policy)
    fleet.pools[0].watchdog.timeout = .seconds(2)
    var bench = Bench(fleet)
    let block = bench.evidence.block(ofWorker: 0)
    block.store(1, at: bench.evidence.index(.inFlight, 1))
    bench.run(seconds: 60) { request in
      if request.kind == .health { return .page(request.id.endpointIndex == 0 ? 503 : 200, "") }
      return .page(
        200, "vllm:num_requests_running 1\nvllm:iteration_tokens_total_count 5\n")
    }
    #expect(bench.rows.prefix(2).map { $0?.eligibility } == [.unhealthy, .ready])
    #expect(bench.controller.pools[0].isHeld)
  }

  @Test func healthBeatsTheWatchdogAndTheWatchdogBeatsDrain() throws {
    var rig = try Rig(4)
    rig.run(seconds: 30)
    rig.hung = [0]
    _ = rig.secondsUntil(0, .stalled)
    try rig.bench.controller.tune(
      TuningRequest(
        pool: "text", endpoint: SocketAddress(bytes: [10, 0, 0, 1], port: 8000), .drain),
      now: rig.bench.now)
    rig.run(seconds: 1)
    #expect(rig.eligibilities()[0] == .stalled)
    rig.frozen = [0]
    #expect(rig.secondsUntil(0, .unhealthy) < 30)
  }

  @Test func switchedOffNothingHappens() throws {
    var policy = WatchdogPolicy()
    policy.isOn = false
    var rig = try Rig(3, watchdog: policy)
    rig.run(seconds: 20)
    rig.hung = [1]
    rig.run(seconds: 60)
    #expect(rig.eligibilities() == [.ready, .ready, .ready])
  }

  @Test func aReloadKeepsWhatItKnows() throws {
    var rig = try Rig(3)
    rig.run(seconds: 30)
    rig.hung = [1]
    _ = rig.secondsUntil(1, .stalled)
    let fleet = rig.bench.controller.fleet
    rig.bench.controller.apply(fleet: fleet, now: rig.bench.now)
    rig.run(seconds: 1)
    #expect(rig.eligibilities()[1] == .stalled)
    rig.hung = []
    #expect(rig.secondsUntil(1, .ready) <= 1.5)
  }
}

@Suite struct HealthControllerTests {
  private static func status(_ state: String) -> String {
    "{\"model_version_status\":[{\"version\":\"2\",\"state\":\"\(state)\",\"status\":{}}]}"
  }

  @Test func aModelIsWaitedForFromTheFirstTableOn() throws {
    var policy = HealthPolicy()
    policy.model = .init(name: "bert", version: 2)
    policy.port = 8501
    let fleet = makeFleet(bases: [1, 1], law: .static, health: policy)
    #expect(WeightBoard(fleet: fleet, endpointLimit: 64).table.rows[0]?.eligibility == .unhealthy)
    var bench = Bench(fleet)
    #expect(bench.rows[0]?.eligibility == .unhealthy)
    bench.run(seconds: 0.3) { request in
      #expect(request.path == "/v1/models/bert")
      #expect(request.address.port == 8501)
      return .page(200, Self.status(request.id.endpointIndex == 0 ? "AVAILABLE" : "LOADING"))
    }
    #expect(bench.rows.prefix(2).map { $0?.eligibility } == [.ready, .unhealthy])
    bench.run(seconds: 12) { _ in .page(200, Self.status("AVAILABLE")) }
    #expect(bench.rows[1]?.eligibility == .ready)
    // One answer that says so is enough to leave; answers that are late are not.
    bench.run(seconds: 8) {
      $0.id.endpointIndex == 0 ? .hang : .page(200, Self.status("UNLOADING"))
    }
    #expect(bench.rows.prefix(2).map { $0?.eligibility } == [.ready, .unhealthy])
    let failure = bench.controller.endpoints[1]?.health?.statistics.failure
    #expect(failure == PollFailure(.notReady, "model `bert` version 2 is UNLOADING"))
  }

  @Test func aRestartOpensTheStartPeriodAgain() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    policy.startPeriod = .seconds(20)
    var bench = Bench(
      makeFleet(bases: [1], scrapes: [ScrapeSource(signals: [])], health: policy))
    func page(_ start: Int) -> Answer { .page(200, "process_start_time_seconds \(start)\n") }
    bench.run(seconds: 10) { $0.kind == .health ? .page(503, "") : page(1) }
    #expect(bench.rows[0]?.eligibility == .starting)
    bench.run(seconds: 5) { $0.kind == .health ? .page(200, "") : page(1) }
    bench.run(seconds: 15) { $0.kind == .health ? .page(503, "") : page(2) }
    #expect(bench.rows[0]?.eligibility == .ready)
    bench.run(seconds: 15) { $0.kind == .health ? .page(503, "") : page(2) }
    #expect(bench.rows[0]?.eligibility == .unhealthy)
  }

  @Test func aTCPCheckAsksForAConnectionOnly() throws {
    var policy = HealthPolicy()
    policy.kind = .tcp
    var bench = Bench(makeFleet(bases: [1], law: .static, health: policy))
    bench.run(seconds: 6) { request in
      #expect(request.kind == .tcp)
      return .failure(.refused)
    }
    #expect(bench.controller.endpoints[0]?.health?.statistics.failures(.refused) == 1)
  }
}
