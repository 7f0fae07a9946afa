import Controller
import Fleet
import Primitives
import Testing

@Suite struct ControllerTests {
  @Test func staticWeightsAreTheBaseWeightsAndNothingIsPublished() {
    var bench = Bench(makeFleet(bases: [1, 3, 0], law: .static))
    bench.run(seconds: 5) { _ in .hang }
    #expect(bench.publishCount == 0)
    #expect(bench.controller.endpoints[1]?.row.effective == 3)
    #expect(bench.requests.isEmpty)
    #expect(bench.controller.nextDue == .distantFuture)
  }

  @Test func stepsGiveTheOperatorsTableTimesTheBaseWeight() throws {
    var bench = Bench(makeFleet(bases: [1, 2, 1, 1], law: .steps, scrapes: [try .json]))
    let load = [10.0, 45, 70, 95]
    bench.run(seconds: 12) { .usage(load[$0.id.endpointIndex], load[$0.id.endpointIndex]) }
    #expect((0..<4).map(bench.effective) == [4, 6, 2, 1])
    #expect(bench.kind(0) == .law)
    #expect(
      bench.why(1) == "3.0 × its configured weight: load 45 % (cpu 45 %, memory 45 %)")
  }

  @Test func headroomShrinksTheOneThatNearsItsAlarmAndNoOther() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 10) { .usage($0.id.endpointIndex == 0 ? 77.5 : 20) }
    #expect(near(bench.effective(0), 2 * 0.525))
    #expect(bench.effective(1) == 2)
    #expect(
      bench.why(0)
        == "0.52 × its configured weight: cpu 0.775, between normal 0.7 and alarm 0.85")
  }

  @Test func nothingIsPublishedWhileNothingMoves() throws {
    var bench = Bench(makeFleet(bases: [2, 2], scrapes: [try .json]))
    bench.run(seconds: 10) { _ in .usage(20) }
    let published = bench.publishCount
    // Noise below `normal` is no change either.
    var cpu = 20.0
    bench.run(seconds: 60) { _ in
      cpu += 0.1
      return .usage(cpu)
    }
    #expect(bench.publishCount == published)
    #expect(bench.controller.journal.count(.weights) == 2)
  }

  @Test func theWeightNeverMovesFasterThanAllowedAndArrives() throws {
    var bench = Bench(makeFleet(bases: [4], scrapes: [try .json]))
    bench.run(seconds: 3) { _ in .usage(0) }
    #expect(bench.effective(0) == 4)
    var last = 4.0
    var kinds: Set<WeightReason.Kind> = []
    for cpu in [100.0, 0, 76, 100] {
      bench.run(seconds: 4, answer: { _ in .usage(cpu) }) { bench in
        // 0.5 base weights of 4 a second, for 100 ms.
        #expect(abs(bench.effective(0) - last) <= 0.2 + 1e-9)
        last = bench.effective(0)
        kinds.insert(bench.kind(0)!)
      }
      #expect(bench.effective(0) == bench.target(0))
      #expect(bench.kind(0) == .law)
    }
    #expect(near(last, 0.2))
    #expect(kinds == [.law, .slew])
  }

  @Test func aSilentEndpointGoesStaleAndThenGetsWhatItsMatesGet() throws {
    var bench = Bench(makeFleet(bases: [1, 1, 2, 0], scrapes: [try .json]))
    let load = [77.5, 79, 20, 20]
    bench.run(seconds: 10) { .usage(load[$0.id.endpointIndex]) }
    #expect(near(bench.effective(1), 0.05 + 0.95 * 0.4))
    let silent = 1
    bench.run(seconds: 10) {
      $0.id.endpointIndex == silent ? .failure(.refused) : .usage(load[$0.id.endpointIndex])
    }
    // The last number still counts.
    #expect(bench.kind(1) == .stale)
    #expect(near(bench.effective(1), 0.05 + 0.95 * 0.4))
    bench.run(seconds: 30) {
      $0.id.endpointIndex == silent ? .failure(.refused) : .usage(load[$0.id.endpointIndex])
    }
    #expect(bench.kind(1) == .expired)
    // The median of 0.525, 1 and 1.
    #expect(bench.effective(1) == 1)
    #expect(
      bench.why(1) == "no fresh metrics: the configured weight, the median of 3 other endpoints")
    #expect(bench.effective(3) == 0)
    bench.run(seconds: 5) { .usage(load[$0.id.endpointIndex]) }
    #expect(bench.kind(1) == .law)
    #expect(near(bench.effective(1), 0.05 + 0.95 * 0.4))
  }

  @Test func aPoolWithoutAnyNumberKeepsItsBaseWeights() throws {
    var bench = Bench(makeFleet(bases: [1, 5], scrapes: [try .json]))
    bench.run(seconds: 60) { _ in .page(200, "{\"unknown\": 1}") }
    #expect((0..<2).map(bench.effective) == [1, 5])
    #expect(bench.kind(0) == .blackout)
    #expect(
      bench.controller.endpoints[0]?.scrapes[0].signals[0].reading == .absent(.missing))
  }

  @Test func unreachableCountsAsFullLoadForStepsAfterTheExpiryTime() throws {
    var bench = Bench(makeFleet(bases: [1, 2], law: .steps, scrapes: [try .json]))
    bench.run(seconds: 12) { _ in .usage(0, 0) }
    #expect((0..<2).map(bench.effective) == [4, 8])
    bench.run(seconds: 25) { $0.id.endpointIndex == 1 ? .failure(.refused) : .usage(0, 0) }
    #expect(bench.effective(1) == 8)
    bench.run(seconds: 20) { $0.id.endpointIndex == 1 ? .failure(.refused) : .usage(0, 0) }
    #expect(bench.effective(1) == 2)
    #expect(bench.kind(1) == .expired)
    #expect(bench.effective(0) == 4)
  }

  @Test func healthIsBesideTheWeightAndNeverInIt() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    var bench = Bench(makeFleet(bases: [1, 1], scrapes: [try .json], health: policy))
    bench.run(seconds: 0.1) { _ in .page(200, "{}") }
    #expect(bench.rows[0]?.eligibility == .starting)
    bench.run(seconds: 5) { $0.kind == .health ? .page(204, "") : .usage(20) }
    #expect(bench.rows[0]?.eligibility == .ready)
    bench.run(seconds: 5) {
      $0.kind != .health
        ? .usage(20) : $0.id.endpointIndex == 0 ? .page(503, "loading") : .page(200, "")
    }
    #expect(bench.rows[0]?.eligibility == .unhealthy)
    #expect(bench.rows[1]?.eligibility == .ready)
    #expect(bench.effective(0) == 1)
    let change = try #require(bench.controller.verdicts.last)
    #expect(change.new == .unhealthy)
    #expect(change.failure == PollFailure(.status, "503: loading"))
    // We ran out of descriptors: nothing is known of the endpoint.
    bench.run(seconds: 5) { $0.kind == .health ? .failure(.local) : .usage(20) }
    #expect(bench.rows.compactMap { $0?.eligibility } == [.unhealthy, .ready])
  }

  @Test(arguments: MarkedDownPolicy.Causes.allCases)
  func whatIsInFlightIsLostWhereChecksGetNoAnswer(causes: MarkedDownPolicy.Causes) throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    var fleet = makeFleet(bases: [1, 1, 1, 1], scrapes: [], health: policy)
    fleet.pools[0].onMarkedDown.causes = causes
    var bench = Bench(fleet)
    bench.run(seconds: 5) { _ in .page(200, "") }
    #expect(bench.rows.prefix(4).map { $0?.isDown } == [false, false, false, false])
    bench.run(seconds: 8) {
      switch $0.id.endpointIndex {
      case 0: .failure(.refused)
      case 1: .failure(.timeout)
      case 2: .page(503, "ending")
      default: .page(200, "")
      }
    }
    #expect(bench.rows.prefix(3).allSatisfy { $0?.eligibility == .unhealthy })
    let isGone = causes != .none
    #expect(
      bench.rows.prefix(4).map { $0?.isDown } == [isGone, isGone, causes == .any, false])
    // One good check is enough, though `rise` keeps it out.
    bench.run(seconds: 1.2) { _ in .page(200, "") }
    #expect(bench.rows.prefix(2).map { $0?.isDown } == [false, false])
  }

  @Test func aRestartIsABlackoutForWhatThePageDoesNotSayAnew() throws {
    let signal = SignalSpec(
      "rate", .rate(SampleSelector(["c"])), thresholds: .init(normal: 10, alarm: 20))
    var bench = Bench(makeFleet(bases: [1], scrapes: [ScrapeSource(signals: [signal])]))
    var count = 0.0
    bench.run(seconds: 5) { _ in
      count += 15
      return .page(200, "process_start_time_seconds 1\nc \(count)\n")
    }
    #expect(bench.kind(0) == .law)
    var pages = 0
    bench.run(seconds: 1.2) { _ in
      pages += 1
      return .page(200, pages == 1 ? "process_start_time_seconds 2\nc 1\n" : "c 1\n")
    }
    #expect(bench.controller.endpoints[0]?.scrapes[0].signals[0].reading != nil)
    #expect(bench.controller.weightChanges.contains { $0.row.reason.kind == .blackout })
  }

  @Test func failuresAreCountedByReasonAndLoggedOnceATransition() throws {
    var bench = Bench(makeFleet(bases: [1], scrapes: [try .json]))
    bench.run(seconds: 5) { _ in .usage(20) }
    bench.run(seconds: 10) { _ in .failure(.refused) }
    bench.run(seconds: 5) { _ in .page(503, "{\"error\": \"loading\"}") }
    bench.run(seconds: 5) { _ in .page(200, "# text\n") }
    bench.run(seconds: 5) { _ in .usage(20) }
    let scrape = try #require(bench.controller.endpoints[0]?.scrapes[0])
    let counts = PollFailure.Kind.allCases.map(scrape.statistics.failures)
    #expect(counts.reduce(0, +) + scrape.statistics.successes == scrape.statistics.attempts)
    #expect(scrape.statistics.failures(.refused) >= 9)
    #expect(scrape.statistics.failures(.status) >= 4)
    #expect(scrape.statistics.failures(.badPage) >= 4)
    #expect(scrape.statistics.failure == nil)
    #expect(
      bench.controller.scrapeChanges.map { $0.failure?.kind }
        == [.refused, .status, .badPage, nil])
  }

  @Test func randomOutcomesKeepWeightsWithinFloorAndCeiling() throws {
    for seed in 1...20 as ClosedRange<UInt64> {
      for law in [Law.headroom, .steps] {
        var random = RandomSource(seed: seed)
        let bases = [0, 0.5, 1, 7, 1e6]
        var bench = Bench(makeFleet(bases: bases, law: law, scrapes: [try .json]), seed: seed)
        let ceiling = law == .steps ? 4.0 : 1
        bench.run(seconds: 120, answer: { _ in Self.anyAnswer(&random) }) { bench in
          for (endpointIndex, base) in bases.enumerated() {
            guard let row = bench.rows[endpointIndex] else { continue }
            let range = 0.05 * base * (1 - 1e-9)...ceiling * base * (1 + 1e-9)
            // Half a million times: only what is wrong is reported.
            if range.contains(row.effective), range.contains(row.target) { continue }
            Issue.record("seed \(seed), \(law), endpointIndex \(endpointIndex): \(row)")
          }
        }
        #expect(bench.controller.weightChanges.count <= 64)
      }
    }
  }

  private static func anyAnswer(_ random: inout RandomSource) -> Answer {
    switch random.index(below: 8) {
    case 0: .failure(PollFailure.Kind.allCases[random.index(below: 9)])
    case 1: .hang
    case 2: .page(200, "{\"cpu_usage\": 1e999}")
    case 3: .page(random.index(below: 900) + 100, "oops")
    case 4: .page(200, "{\"cpu_usage\": -5, \"memory_usage\": null}")
    default: .usage(random.unit() * 150, random.unit() * 120)
    }
  }
}

@Suite struct ReloadTests {
  @Test func anEndpointThatStaysKeepsItsStateAndANewBaseCountsAtOnce() throws {
    var bench = Bench(makeFleet(bases: [1, 1], scrapes: [try .json]))
    bench.run(seconds: 5) { _ in .usage(77.5) }
    #expect(near(bench.effective(0), 0.525))
    var fleet = makeFleet(bases: [4, 1], scrapes: [try .json])
    fleet.pools[0].endpoints[1].address = .loopback(port: 9)
    bench.controller.apply(fleet: fleet, now: bench.now)
    bench.run(seconds: 0.1) { _ in .hang }
    #expect(near(bench.effective(0), 4 * 0.525))
    #expect(bench.kind(0) == .law)
    // Another endpoint in the same slot starts at its base weight, moved by one tick at most.
    #expect(bench.effective(1) >= 0.95)
    #expect(bench.kind(1) == .blackout)
    #expect(bench.controller.endpoints[1]?.scrapes[0].statistics.successes == 0)
  }

  @Test func aProbeFromBeforeTheReloadStillCountsWhereItsSourceStays() throws {
    let other = ScrapeSource(port: 9100, path: "/other", signals: [])
    var fleet = makeFleet(bases: [1], scrapes: [try .json])
    fleet.pools[0].weights.timeout = .seconds(20)
    var bench = Bench(fleet)
    var sent: [PollRequest] = []
    bench.run(seconds: 1.5) { request in
      sent.append(request)
      return .hang
    }
    let id = try #require(sent.last?.id)
    fleet.pools[0].weights.scrapes = [other, try .json]
    bench.controller.apply(fleet: fleet, now: bench.now)
    let page = Array("{\"cpu_usage\": 50}".utf8)
    page.withUnsafeBytes {
      let outcome = PollOutcome.answered(status: 200, content: $0)
      let isFirstTaken = bench.controller.finished(id, outcome, now: bench.now, wall: .seconds(5))
      let isSecondTaken = bench.controller.finished(id, outcome, now: bench.now, wall: .zero)
      #expect(isFirstTaken && !isSecondTaken)
    }
    let scrapes = try #require(bench.controller.endpoints[0]?.scrapes)
    #expect(scrapes[1].signals[0].value == 0.5)
    #expect(scrapes[1].statistics.lastSuccessWall == .seconds(5))
    #expect(scrapes[0].statistics.attempts == 0)
  }

  @Test func anEndpointThatIsGoneTakesNoOutcomeAndHasNoRow() throws {
    var bench = Bench(makeFleet(bases: [1, 1], scrapes: [try .json]))
    bench.run(seconds: 1.2) { _ in .usage(10) }
    let id = try #require(bench.requests.last { $0.request.id.endpointIndex == 1 }).request.id
    bench.controller.apply(fleet: makeFleet(bases: [1], scrapes: [try .json]), now: bench.now)
    let isTaken = bench.controller.finished(
      id, .failed(PollFailure(.cut)), now: bench.now, wall: .zero)
    #expect(!isTaken)
    bench.run(seconds: 0.1) { _ in .usage(10) }
    #expect(bench.rows[1] == nil)
    #expect(bench.rows[0] != nil)
  }
}

@Suite struct ScheduleTests {
  @Test func probesKeepTheIntervalWithinTenPercentAndSpreadAtFirst() throws {
    var bench = Bench(
      makeFleet(bases: [Double](repeating: 1, count: 40), scrapes: [try .json]), seed: 7)
    bench.run(seconds: 60) { _ in .usage(10) }
    var firsts: [Double] = []
    for endpointIndex in 0..<40 {
      let times = bench.requests.filter { $0.request.id.endpointIndex == endpointIndex }.map(
        \.at.seconds)
      firsts.append(times[0])
      for (earlier, later) in zip(times, times.dropFirst()) {
        // The bench looks every 100 ms.
        #expect((0.9 - 1e-9...1.2 + 1e-9).contains(later - earlier))
      }
    }
    #expect(firsts.allSatisfy { $0 <= 1.0 + 1e-9 })
    #expect(Set(firsts).count > 5)
  }

  @Test func jitterStaysWithinItsBounds() {
    var random = RandomSource(seed: 3)
    var smallest = 10.0
    var largest = 0.0
    for serial in 1...1000 as ClosedRange<UInt64> {
      var timer = PollTimer(interval: .seconds(1), now: .zero, &random)
      #expect(timer.dueAt >= .zero && timer.dueAt <= .seconds(1))
      timer.begin(serial: serial, timeout: .seconds(1), now: .seconds(5), &random)
      let gap = (timer.dueAt - .seconds(5)).seconds
      (smallest, largest) = (min(smallest, gap), max(largest, gap))
    }
    #expect(smallest >= 0.9 && smallest < 0.91)
    #expect(largest <= 1.1 && largest > 1.09)
  }

  @Test func aHungEndpointDelaysNoOther() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    func times(hung: Int?) throws -> [[Nanoseconds]] {
      var fleet = makeFleet(bases: [1, 1, 1], scrapes: [try .json], health: policy)
      fleet.pools[0].weights.timeout = .seconds(20)
      var bench = Bench(fleet, seed: 5)
      bench.run(seconds: 30) { $0.id.endpointIndex == hung ? .hang : .usage(10) }
      return (1..<3).map { endpointIndex in
        bench.requests.filter { $0.request.id.endpointIndex == endpointIndex }.map(\.at)
      }
    }
    let counts = try times(hung: 0).map(\.count)
    // Scrapes and health probes, about one a second each.
    #expect(counts.allSatisfy { (52...66).contains($0) })
    #expect(try times(hung: nil).map(\.count).allSatisfy { (52...66).contains($0) })
  }

  @Test func aProbeOfWhichNothingIsHeardIsGivenUpAndSentAgain() throws {
    var controller = Controller(
      fleet: makeFleet(bases: [1], scrapes: [try .json]),
      evidence: EvidenceBoard(workerCount: 1, endpointLimit: 64),
      pickBoard: PickBoard(endpointLimit: 64), random: RandomSource(seed: 1), now: .zero)
    var counts = [controller.due(now: .seconds(1)).count, controller.due(now: .seconds(3)).count]
    #expect(controller.nextDue == .seconds(1) + .milliseconds(2_600))
    counts.append(controller.due(now: .seconds(4)).count)
    #expect(counts == [1, 0, 1])
    #expect(controller.endpoints[0]?.scrapes[0].statistics.failures(.timeout) == 1)
  }
}
