// The operator's own request: when it is sent, what is good, and what follows from it.
import Fleet
import Primitives
import Testing

@testable import Controller

@Suite struct CanaryTests {
  private static let timeout = Nanoseconds.seconds(10)
  private static var nothing: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: nil, count: 0)
  }

  private var random = RandomSource(seed: 1)
  private var serial: UInt64 = 0

  /// Sends one at `now` that is answered after `seconds`.
  private mutating func send(
    _ canary: inout Canary, at now: Nanoseconds = .seconds(100), after seconds: Double = 0.2,
    _ outcome: PollOutcome = .answered(status: 200, content: nothing), poolUsual: Double = 0
  ) throws -> CanaryResult {
    serial += 1
    _ = canary.begin(
      serial: serial, timeout: Self.timeout, poolUsual: poolUsual, now: now, &random)
    let ended = canary.end(serial: serial)
    let attempt = try #require(ended)
    return canary.take(
      outcome, of: attempt, poolUsual: poolUsual, timeout: Self.timeout,
      now: now + .seconds(seconds), wall: now
    ).result
  }

  private mutating func canary() -> Canary { Canary(now: .zero, &random) }

  @Test mutating func twoGoodOnesInARowAreNeeded() throws {
    var canary = self.canary()
    #expect(!canary.isClear(now: .seconds(100)))
    #expect(try send(&canary) == .good)
    #expect(!canary.isClear(now: .seconds(100.3)))
    #expect(try send(&canary, .answered(status: 500, content: Self.nothing)) == .failed(.status))
    #expect(try send(&canary) == .good)
    #expect(!canary.isClear(now: .seconds(100.3)))
    #expect(try send(&canary) == .good)
    #expect(canary.isClear(now: .seconds(100.3)))
    // A word that is old is none, and while the next one is under way it is waited for.
    #expect(!canary.isClear(now: .seconds(106)))
    _ = canary.begin(
      serial: 99, timeout: Self.timeout, poolUsual: 0, now: .seconds(101), &random)
    #expect(!canary.isClear(now: .seconds(101)))
    #expect(canary.count(.good) == 3 && canary.count(.failed(.status)) == 1)
  }

  @Test(arguments: [
    (200, true), (204, true), (299, true), (300, false), (404, false), (429, false), (500, false),
    (503, false),
  ])
  mutating func goodIsWhatHasAStatusOfSuccess(_ status: Int, _ isGood: Bool) throws {
    var canary = self.canary()
    let result = try send(&canary, .answered(status: status, content: Self.nothing))
    #expect(result == (isGood ? .good : .failed(.status)))
    #expect(canary.last?.status == status)
    #expect(canary.last?.isDefinite == (status >= 500))
  }

  @Test(arguments: PollFailure.Kind.allCases)
  mutating func whatFailsOnOurSideSaysNothing(_ kind: PollFailure.Kind) throws {
    var canary = self.canary()
    _ = try send(&canary)
    #expect(try send(&canary, .failed(PollFailure(kind))) == .failed(kind))
    #expect(canary.goodInRow == (kind == .local ? 1 : 0))
    #expect(canary.count(.failed(kind)) == 1)
    if kind == .local || kind == .tooLarge { #expect(canary.last?.isDefinite == false) }
    if kind == .refused || kind == .timeout { #expect(canary.last?.isDefinite == true) }
  }

  @Test mutating func whatTakesSixTimesAsLongIsLate() throws {
    var canary = self.canary()
    // The first one may take all its time.
    #expect(canary.limit(poolUsual: 0) == nil)
    #expect(try send(&canary, after: 0.5) == .good)
    #expect(canary.usualSeconds == 0.5)
    #expect(try send(&canary, after: 2.9) == .good)
    #expect(try send(&canary, after: 6 * canary.usualSeconds + 0.01) == .late)
    #expect(canary.goodInRow == 0 && canary.count(.late) == 1 && canary.last?.isDefinite == true)
    // What is usual in the pool counts where nothing is known of the endpoint.
    var other = self.canary()
    #expect(try send(&other, after: 0.61, poolUsual: 0.1) == .late)
    // And what is quick is never late.
    var quick = self.canary()
    for _ in 0..<3 { #expect(try send(&quick, after: 0.002) == .good) }
    #expect(try send(&quick, after: 0.09) == .good)
  }

  @Test mutating func whatTheFirstOneTookIsSoonForgottenWhereItWasSlow() throws {
    var canary = self.canary()
    _ = try send(&canary, after: 6)
    for _ in 0..<4 { #expect(try send(&canary, after: 0.2) == .good) }
    #expect(try send(&canary, after: 6) == .late)
    var pool = CapacityPool()
    for seconds in [6, 0.2, 0.2, 0.2, 0.2] { pool.noteCanary(seconds) }
    #expect(pool.usualCanary < 0.6)
    pool.noteCanary(1.6)
    #expect(pool.usualCanary < 0.9)
  }

  @Test mutating func whatIsSlowerForGoodBecomesUsual() throws {
    var canary = self.canary()
    _ = try send(&canary, after: 0.1)
    var count = 0
    while try send(&canary, after: 2) == .late { count += 1 }
    #expect((30...90).contains(count), "\(count)")
    // Without an end it never becomes usual that none comes.
    for _ in 0..<1_000 { _ = try send(&canary, after: 10, .failed(PollFailure(.timeout))) }
    #expect(canary.limit(poolUsual: 0) == 10)
  }

  @Test mutating func itIsGivenUpWhenItIsLateButNotSoonerThanAfterTwoSeconds() {
    let canary = self.canary()
    func given(_ poolUsual: Double) -> Double {
      var (copy, chance) = (canary, random)
      return copy.begin(
        serial: 1, timeout: Self.timeout, poolUsual: poolUsual, now: .zero, &chance
      ).seconds
    }
    #expect(given(0) == 10 && given(0.01) == 2 && given(0.5) == 3 && given(5) == 10)
  }

  @Test mutating func itIsSentAtOnceAndThenEachSecond() throws {
    var canary = self.canary()
    #expect(canary.scheduled == nil)
    let begins = canary.look(isOut: true, isAsked: true)
    #expect(begins)
    #expect(canary.look(isOut: true, isAsked: true) == false)
    var sent: [Double] = []
    var now = Nanoseconds.seconds(50)
    while now < .seconds(60) {
      if canary.scheduled?.isDue(now) == true {
        sent.append(now.seconds)
        _ = try send(&canary, at: now)
      }
      now = now + .milliseconds(10)
    }
    #expect(sent.first == 50 && (9...12).contains(sent.count))
    for (one, next) in zip(sent, sent.dropFirst()) { #expect(abs(next - one - 1) < 0.12) }
    // Busy for a moment: no more of them for that.
    _ = canary.look(isOut: true, isAsked: false)
    #expect(canary.scheduled == nil && canary.goodInRow > 0)
    _ = canary.look(isOut: true, isAsked: true)
    #expect(canary.scheduled?.isDue(.seconds((sent.last ?? 0) + 0.5)) == false)
    // Well: what was good before says nothing of the next time.
    _ = canary.look(isOut: false, isAsked: false)
    #expect(canary.goodInRow == 0)
    #expect(canary.look(isOut: true, isAsked: true) == true)
    #expect(canary.scheduled?.isDue(.seconds(200)) == true)
  }

  // MARK: The controller

  /// Two endpoints with a canary each, of which slot 0 is ejected where the test says so.
  private struct Stand {
    var bench: Bench
    /// Of the last run: when canaries were sent.
    var sent: [Nanoseconds] { bench.requests.filter { $0.request.kind == .canary }.map(\.at) }

    init(_ change: (inout Pool) -> Void = { _ in }) {
      var fleet = makeFleet(bases: [1, 1], law: .capacity)
      var canary = CanaryPolicy()
      canary.method = .post
      canary.path = "/one?a"
      canary.host = "h"
      canary.content = "{}"
      canary.fields = [HealthPolicy.Field(name: "A", value: "b")]
      fleet.pools[0].canary = canary
      fleet.pools[0].proxyProtocol = .v1
      change(&fleet.pools[0])
      bench = Bench(fleet)
    }

    func set(_ column: EvidenceBoard.Column, _ value: UInt64, endpointIndex: Int = 0) {
      let cells = bench.evidence.block(ofWorker: 0)
      cells.store(value, at: bench.evidence.index(column, endpointIndex))
      // As a worker does.
      cells.add(1, at: bench.evidence.ejectionRevisionIndex)
    }

    func eject() { set(.ejectedSince, 1) }
    func readmit() { set(.readmittedAt, 2) }
    var notices: UInt64 { bench.controller.pickBoard.count(.canary, 0) }
    var isGood: Bool { bench.controller.pickBoard.isCanaryGood(0) }
    var canary: Canary? { bench.controller.endpoints[0]?.canary }

    /// The endpoint of slot 0 becomes sick, and the pool has requests.
    mutating func fall() {
      bench.controller.endpoints[0]?.capacity.probation.fall()
      bench.controller.pools[0].requestRate = 1_000
    }
  }

  @Test func anEjectedOneIsTriedUntilItIsBack() throws {
    var stand = Stand()
    stand.bench.run(seconds: 5) { _ in .page(200, "") }
    #expect(stand.sent.isEmpty)
    stand.eject()
    stand.bench.run(seconds: 3.6) { _ in .page(500, "no") }
    #expect(stand.sent.count == 4 && stand.notices == 4 && !stand.isGood)
    #expect(stand.sent[0] <= .seconds(5.2))
    let request = try #require(stand.bench.requests.first?.request)
    #expect(request.address == SocketAddress("10.0.0.1:8000") && request.path == "/one?a")
    #expect(request.method == .post && request.host == "h" && request.content == Array("{}".utf8))
    #expect(request.fields == [HealthPolicy.Field(name: "A", value: "b")])
    #expect(request.proxyHeader == .v1 && request.timeout == .seconds(10))
    // One good one says nothing yet.
    stand.bench.run(seconds: 1) { _ in .page(200, "") }
    #expect(stand.notices == 4 && stand.canary?.goodInRow == 1)
    stand.bench.run(seconds: 1.2) { _ in .page(200, "") }
    #expect(stand.notices >= 5 && stand.isGood)
    stand.readmit()
    let count = stand.sent.count
    stand.bench.run(seconds: 5) { _ in .page(200, "") }
    #expect(stand.sent.count <= count + 1)
    #expect(stand.bench.controller.journal.count(.canaries) == stand.sent.count)
  }

  @Test(arguments: [(404, UInt64(0)), (302, 0), (503, 3)])
  func anAnswerThatMayBeTheRequestsFaultProlongsNoRest(status: Int, notices: UInt64) {
    var stand = Stand()
    stand.eject()
    stand.bench.run(seconds: 2.5) { _ in .page(status, "") }
    #expect(stand.notices == notices)
    #expect(stand.canary?.count(.failed(.status)) == 3)
  }

  @Test func oneThatHangsHasOneInFlightAndIsGivenUp() {
    var stand = Stand()
    stand.eject()
    stand.bench.run(seconds: 25) { _ in .hang }
    // Each has its ten seconds: nothing is known of how long one takes.
    #expect(stand.sent.count == 3)
    #expect(stand.canary?.count(.failed(.timeout)) == 2 && stand.notices == 2)
    stand.bench.run(seconds: 5.2) { _ in .page(200, "") }
    #expect(stand.isGood == false && stand.canary?.count(.failed(.timeout)) == 3)
    stand.bench.run(seconds: 2.5) { _ in .page(200, "") }
    #expect(stand.isGood)
  }

  @Test func whatIsTakenOutOrGetsNothingIsNotTried() {
    for change in [
      { (pool: inout Pool) in pool.endpoints[0].baseWeight = 0 },
      {
        pool in
        pool.health = HealthPolicy()
        pool.health?.model = HealthPolicy.Model(name: "m")
      }, { pool in pool.canary = nil },
    ] {
      var stand = Stand(change)
      stand.eject()
      stand.bench.run(seconds: 5) { $0.kind == .canary ? .page(200, "") : .failure(.refused) }
      #expect(stand.sent.isEmpty)
    }
  }

  @Test func aSickOneGetsNoClientsRequestBeforeTwoAreGood() {
    var stand = Stand()
    stand.bench.run(seconds: 1) { _ in .page(200, "") }
    stand.fall()
    func trials(_ stand: Stand) -> UInt64 { stand.bench.controller.pickBoard.trial(0) }
    stand.bench.run(seconds: 5) { _ in .page(500, "") }
    #expect(stand.sent.count >= 5 && trials(stand) == 0)
    stand.bench.run(seconds: 0.6) { _ in .page(200, "") }
    #expect(trials(stand) == 0)
    stand.bench.run(seconds: 1.7) { _ in .page(200, "") }
    #expect(trials(stand) >= 1)
    // No canary while its trial is under way.
    let count = stand.sent.count
    stand.set(.started, 1)
    stand.set(.inFlight, 1)
    stand.bench.run(seconds: 3) { _ in .page(200, "") }
    #expect(stand.sent.count <= count + 1)
    #expect(stand.notices == 0)
  }

  @Test func aSickOneWithoutACanaryIsTriedAsBefore() {
    var stand = Stand { $0.canary = nil }
    stand.bench.run(seconds: 1) { _ in .page(200, "") }
    stand.fall()
    stand.bench.run(seconds: 2) { _ in .page(200, "") }
    #expect(stand.bench.controller.pickBoard.trial(0) >= 1 && stand.bench.requests.isEmpty)
  }

  @Test func whereNoRequestWouldTryItAfterNoCanaryDoes() {
    var idle = Stand()
    idle.bench.run(seconds: 1) { _ in .page(200, "") }
    idle.bench.controller.endpoints[0]?.capacity.probation.fall()
    idle.bench.run(seconds: 5) { _ in .page(200, "") }
    #expect(idle.sent.isEmpty)
    for change in [
      { (pool: inout Pool) in pool.balance = .roundRobin },
      { pool in pool.endpoints[0].isBackup = true }, { pool in pool.weights.law = .static },
    ] {
      var stand = Stand(change)
      stand.bench.run(seconds: 1) { _ in .page(200, "") }
      stand.fall()
      stand.bench.run(seconds: 5) { _ in .page(200, "") }
      #expect(stand.sent.isEmpty)
    }
  }

  @Test func nothingThatTheLawReadsHasItInIt() {
    var stand = Stand()
    stand.eject()
    stand.bench.run(seconds: 10) { _ in .page(200, "") }
    let state = stand.bench.controller.endpoints[0]
    #expect((state?.canary?.count(.good) ?? 0) >= 9)
    #expect(state?.capacity.sums.short == CapacityMemory())
    #expect(state?.capacity.sums.long == CapacityMemory())
    #expect(stand.bench.evidence.sum(.started, 0) == 0)
  }

  @Test func onItsPageItIsNobodyElsesRequest() throws {
    let vllm = try ScrapeSource("vllm")
    var stand = Stand {
      $0.weights.scrapes = [vllm]
      $0.watchdog.isOn = false
    }
    stand.eject()
    var served = 0
    stand.bench.run(seconds: 60) { request in
      if request.kind == .canary {
        served += 1
        return .hang
      }
      return .page(
        200,
        """
        vllm:num_requests_running 1
        vllm:num_requests_waiting 0
        vllm:request_success_total \(served)
        """)
    }
    let state = stand.bench.controller.endpoints[0]
    #expect(served >= 5)
    #expect((state?.capacity.othersMean ?? 1) < 0.5, "\(state?.capacity.othersMean ?? -1)")
    // The other one's page says the same, and there it is somebody else's.
    #expect((stand.bench.controller.endpoints[1]?.capacity.othersMean ?? 0) > 0.5)
  }

  @Test func anotherRequestIsAnotherCanary() throws {
    var stand = Stand()
    stand.eject()
    stand.bench.run(seconds: 5) { _ in .page(200, "") }
    let good = try #require(stand.canary?.count(.good))
    // The same request, whatever else is new.
    var fleet = stand.bench.controller.fleet
    fleet.pools[0].slowStart = .seconds(9)
    stand.bench.controller.apply(fleet: fleet, now: stand.bench.now)
    #expect((stand.canary?.goodInRow ?? 0) >= 2)
    fleet.pools[0].canary?.path = "/two"
    stand.bench.controller.apply(fleet: fleet, now: stand.bench.now)
    #expect(stand.canary?.goodInRow == 0 && stand.canary?.usualSeconds == 0)
    #expect(stand.canary?.count(.good) == good)
    #expect(stand.bench.controller.pools[0].usualCanary == 0)
    var begun: PollID?
    stand.bench.run(seconds: 1.2) { request in
      begun = request.id
      return .hang
    }
    fleet.pools[0].canary = nil
    stand.bench.controller.apply(fleet: fleet, now: stand.bench.now)
    #expect(stand.canary == nil)
    let id = try #require(begun)
    let isKnown = stand.bench.controller.finished(
      id, .failed(PollFailure(.cut)), now: stand.bench.now, wall: .zero)
    #expect(!isKnown)
  }

  @Test func explainSaysWhatTheLastOnesFound() throws {
    var stand = Stand()
    func endpoint(_ stand: Stand) throws -> EndpointExplanation {
      let found = try #require(
        PoolExplanation(pool: "text", of: stand.bench.controller, now: stand.bench.now))
      return found.endpoints[0]
    }
    #expect(try endpoint(stand).canary == nil)
    stand.eject()
    stand.set(.ejectedUntil, UInt64(Nanoseconds.seconds(30).rawValue))
    stand.bench.run(seconds: 2.5) { _ in .page(500, "no\u{1B}[2J") }
    let bad = try endpoint(stand)
    let failed = try #require(bad.canary)
    #expect(failed.last == "status" && failed.detail == "500: no?[2J")
    #expect(failed.lastGoodAgeSeconds == nil && failed.goodInRow == 0 && failed.goodNeeded == 2)
    let ejection = try #require(bad.ejection)
    #expect(
      ejection.text.contains("; tried by the canary, by a request in 28 s at the latest"),
      "\(ejection.text)")
    stand.bench.run(seconds: 3) { _ in .page(200, "") }
    let good = try #require(try endpoint(stand).canary)
    #expect(good.last == "good" && good.goodInRow == 2)
    #expect((0..<1).contains(good.lastGoodAgeSeconds ?? -1))
  }
}
