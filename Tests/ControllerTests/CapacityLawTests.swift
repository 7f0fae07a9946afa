import Fleet
import Glibc
import Primitives
import Testing

@testable import Controller

/// Cells of an endpoint that does `rate` requests a second of `latency` seconds each.
private func steady(_ rate: Double, _ latency: Double, seconds: Double) -> CapacityEvidence {
  var evidence = CapacityEvidence()
  var cells = EvidenceReading()
  evidence.take(cells, passed: 0, tau: 10)
  for _ in 0..<Int(seconds * 10) {
    cells.completed += rate / 10
    cells.started += rate / 10
    cells.seconds += rate / 10 * latency
    // Poisson arrivals see the mean, and each other.
    cells.work += rate / 10 * (1 + rate * latency)
    cells.squares += rate / 10 * 2 * latency * latency
    cells.inFlight = rate * latency
    cells.outstandingSeconds = cells.inFlight * latency / 2
    evidence.take(cells, passed: 0.1, tau: 10)
  }
  return evidence
}

private func factors(
  _ evidence: [CapacityEvidence], bases: [Double]? = nil, pool: CapacityPool = CapacityPool(),
  floor: Double = 0.05
) -> [Double] {
  var pool = pool
  return CapacityLaw.verdicts(
    evidence.map(\.sums), bases: bases ?? evidence.map { _ in 1 }, floorRatio: floor, pool: &pool
  ).map(\.factor)
}

@Suite struct CapacityLawTests {
  /// Two endpoints of which one was four times slower for a while, `idle` seconds later.
  private func afterABadTime(idle: Double, usually ratio: Double = 1) -> Double {
    var endpoints = [steady(10, 0.1 / ratio, seconds: 600), steady(10, 0.1, seconds: 600)]
    for index in endpoints.indices {
      var cells = endpoints[index].last ?? EvidenceReading()
      for _ in 0..<100 {
        let latency = index == 0 ? 0.4 / ratio : 0.1
        cells.completed += 1
        cells.seconds += latency
        cells.squares += 2 * latency * latency
        cells.work += 2
        endpoints[index].take(cells, passed: 0.1, tau: 10)
      }
      (cells.inFlight, cells.outstandingSeconds) = (0, 0)
      for _ in 0..<Int(idle) { endpoints[index].take(cells, passed: 1, tau: 10) }
    }
    let weights = factors(endpoints)
    return weights[0] / weights[1]
  }

  @Test func whatWasBadFadesInSecondsAndWhatIsUsualDoesNot() {
    #expect(afterABadTime(idle: 0) < 0.5)
    #expect(afterABadTime(idle: 60) > 0.85)
    // Twice as fast as its mate, and it still is after ten minutes without a request.
    let before = afterABadTime(idle: 60, usually: 2)
    let after = afterABadTime(idle: 600, usually: 2)
    #expect(before > 1.2)
    #expect(after > 0.9 * before)
  }

  @Test func endpointsThatCannotBeToldApartGetOneWeight() {
    let equals = (0..<12).map { steady(10, 0.1 * (1 + 0.01 * Double($0 % 3)), seconds: 200) }
    let slow = (0..<4).map { _ in steady(3, 0.4, seconds: 200) }
    var pool = CapacityPool()
    let verdicts = CapacityLaw.verdicts(
      (equals + slow).map(\.sums), bases: [Double](repeating: 1, count: 16), floorRatio: 0.05,
      pool: &pool)
    #expect(Set(verdicts.prefix(12).map(\.factor)).count == 1)
    #expect(Set(verdicts.suffix(4).map(\.factor)).count == 1)
    #expect(verdicts[0].factor > 2 * verdicts[15].factor)
    #expect(verdicts.map(\.likeCount) == [Int](repeating: 12, count: 12) + [4, 4, 4, 4])
  }

  @Test func quickRequestsBesideSlowOnesAreNoHangAndNoSpeed() {
    // Nine of ten take 2 ms, one 4 s: what is in flight is nearly always a slow one.
    var mixed = CapacityEvidence()
    var cells = EvidenceReading()
    mixed.take(cells, passed: 0, tau: 10)
    for tick in 1...1_000 {
      cells.completed += 0.9
      cells.seconds += 0.9 * 0.002
      if tick % 10 == 0 {
        cells.completed += 1
        cells.seconds += 4
        cells.squares += 32
      }
      cells.work = cells.completed * 4
      cells.inFlight = 3
      cells.outstandingSeconds = 3 * 6
      mixed.take(cells, passed: 0.1, tau: 10)
    }
    var pool = CapacityPool()
    let verdicts = CapacityLaw.verdicts(
      [mixed, mixed, mixed].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
    #expect(verdicts.allSatisfy { $0.stuckSeconds == 0 })
    #expect(!pool.isFrozen)
    #expect(pool.variability > 10)
    #expect(abs(pool.usualResponse - 4) < 0.1)
  }

  @Test func withoutEvidenceTheBaseWeightsStay() {
    let none = [CapacityEvidence(), CapacityEvidence(), CapacityEvidence()]
    #expect(factors(none) == [1, 1, 1])
    #expect(factors(none, bases: [1, 3, 0]) == [1, 1, 1])
    #expect(factors([]) == [])
  }

  @Test func capacityIsThroughputPlusOneOverLatency() {
    // Processor sharing at 50 %: capacities 10 and 40, so latencies 1/(10 − 5), 1/(40 − 20).
    let evidence = [
      steady(5, 0.2, seconds: 60), steady(20, 0.05, seconds: 60), steady(20, 0.05, seconds: 60),
    ]
    var pool = CapacityPool()
    let verdicts = CapacityLaw.verdicts(
      evidence.map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
    #expect(abs(verdicts[0].amount / verdicts[0].seconds - 10) < 0.5)
    #expect(abs(verdicts[1].amount / verdicts[1].seconds - 40) < 2)
    // e^(0.9 ln ¼) and a little less, for the dead band and the prior.
    #expect(verdicts[0].factor / verdicts[1].factor < 0.35)
    #expect(verdicts[0].factor / verdicts[1].factor > 0.25)
    #expect(abs(pool.fleetResponse - 0.05) < 1e-9)
  }

  @Test func trueBaseWeightsAreConfirmedAndWrongOnesCorrected() {
    let evidence = [steady(5, 0.2, seconds: 60), steady(20, 0.05, seconds: 60)]
    let confirmed = factors(evidence, bases: [1, 4])
    #expect(abs(confirmed[0] / confirmed[1] - 1) < 0.1)
    let corrected = factors(evidence, bases: [4, 1])
    #expect(4 * corrected[0] / corrected[1] < 0.5)
  }

  @Test func smallDifferencesAreNoDifference() {
    // A few answers, 20 % apart: within 0.5 / √(C + 1).
    let evidence = [steady(0.5, 0.2, seconds: 10), steady(0.5, 0.24, seconds: 10)]
    #expect(factors(evidence) == [1, 1])
  }

  @Test func aHangingEndpointFallsToTheFloorThoughItAnswersNothing() {
    var hanging = steady(10, 0.1, seconds: 20)
    var cells = hanging.last ?? EvidenceReading()
    cells.inFlight = 12
    var last = 1.0
    for second in 1...20 {
      cells.outstandingSeconds = 12 * Double(second)
      hanging.take(cells, passed: 1, tau: 10)
      let factor = factors([hanging, steady(10, 0.1, seconds: 20), steady(10, 0.1, seconds: 20)])
      #expect(factor[0] <= last)
      last = factor[0]
    }
    #expect(last < 0.1)
  }

  @Test func mostEndpointsHangingFreezesThePool() {
    var hanging = steady(10, 0.1, seconds: 20)
    var cells = hanging.last ?? EvidenceReading()
    cells.inFlight = 12
    cells.outstandingSeconds = 100
    hanging.take(cells, passed: 1, tau: 10)
    var pool = CapacityPool()
    let well = steady(10, 0.1, seconds: 20)
    _ = CapacityLaw.verdicts(
      [hanging, hanging, well].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
    #expect(pool.isFrozen)
    _ = CapacityLaw.verdicts(
      [hanging, well, well].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
    #expect(!pool.isFrozen)
  }

  /// A pool whose requests began at 0 and of which `answered` endpoints gave a quick answer.
  private func beginning(_ count: Int, answered: Int) -> [CapacityEvidence] {
    (0..<count).map { index in
      var evidence = CapacityEvidence()
      var cells = EvidenceReading()
      evidence.take(cells, passed: 0, tau: 10)
      for tick in 1...50 {
        cells.inFlight = 2
        cells.outstandingSeconds = 0.2 * Double(tick)
        if tick == 1, index < answered { (cells.completed, cells.seconds) = (1, 0.05) }
        evidence.take(cells, passed: 0.1, tau: 10)
      }
      return evidence
    }
  }

  @Test(arguments: [0, 1, 5, 31])
  func aPoolWhoseTrafficBeginsIsNotTakenForHanging(answered: Int) {
    var pool = CapacityPool()
    let evidence = beginning(60, answered: answered)
    let verdicts = CapacityLaw.verdicts(
      evidence.map(\.sums), bases: [Double](repeating: 1, count: 60), floorRatio: 0.05,
      pool: &pool)
    #expect(!pool.isFrozen)
    #expect(verdicts.allSatisfy { $0.stuckSeconds == 0 })
  }

  @Test func requestsThatTakeAHundredTimesAsLongAsOthersAreNoHang() {
    // One of a hundred takes 50 s, the others half a second, so that those in flight are old.
    var well = steady(10, 0.5, seconds: 30)
    var cells = well.last ?? EvidenceReading()
    var pool = CapacityPool()
    for _ in 0..<100 {
      cells.completed += 1
      cells.seconds += 0.5
      cells.inFlight = 10
      cells.outstandingSeconds = 10 * 25
      well.take(cells, passed: 0.1, tau: 10)
      _ = CapacityLaw.verdicts(
        [well, well, well].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
      #expect(!pool.isFrozen)
    }
  }

  @Test func aShortSilenceAfterAnIdleTimeIsNoHang() {
    var pool = CapacityPool()
    var cold = steady(100, 0.002, seconds: 20)
    var cells = cold.last ?? EvidenceReading()
    _ = CapacityLaw.verdicts(
      [cold, cold, cold].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
    cells.inFlight = 0
    cells.outstandingSeconds = 0
    for _ in 0..<600 { cold.take(cells, passed: 0.1, tau: 10) }
    for tick in 1...8 {
      cells.inFlight = 4
      cells.outstandingSeconds = 0.4 * Double(tick)
      cold.take(cells, passed: 0.1, tau: 10)
      _ = CapacityLaw.verdicts(
        [cold, cold, cold].map(\.sums), bases: [1, 1, 1], floorRatio: 0.05, pool: &pool)
      #expect(!pool.isFrozen)
    }
  }

  @Test func whatWasBeforeAnEjectionSaysNothingOfWhatComesBack() {
    var evidence = steady(10, 0.1, seconds: 20)
    var cells = evidence.last ?? EvidenceReading()
    cells.readmissions += 1
    evidence.take(cells, passed: 0.1, tau: 10)
    #expect(evidence.sums.short.completions == 0)
    #expect(evidence.sums.elapsed < 0.2)
  }

  @Test func theForecastOfOthersCountsFromTheSendingOfTheScrape() {
    var evidence = CapacityEvidence()
    var cells = EvidenceReading()
    cells.inFlight = 3
    cells.started = 100
    evidence.scrapeSent(cells)
    // Two more were sent while the scrape was under way, and one ended.
    cells.started = 102
    cells.inFlight = 4
    var page = WorkReading()
    page.running = 8
    page.waiting = 2
    let load = evidence.take(page, cells: cells, sentAt: .seconds(1))
    #expect(load?.own == 5)
    #expect(load?.total == 10)
    #expect(evidence.others == 5)
    let pickBoard = PickBoard(endpointLimit: 1)
    #expect(!pickBoard.hasOthersLoad)
    pickBoard.setOthersLoad(0, latest: 5, mean: 2, sentAt: .seconds(1))
    pickBoard.setPool(0, fleetResponse: 0.4, interval: 1, balancers: 2)
    #expect(abs(pickBoard.othersLoad(0, now: .seconds(1)) - 4) < 1e-9)
    #expect(abs(pickBoard.othersLoad(0, now: .seconds(1.2)) - (1 + 3 * exp(-1))) < 1e-9)
    #expect(abs(pickBoard.othersLoad(0, now: .seconds(60)) - 1) < 1e-9)
  }

  @Test func balancersAreCountedByTheirShareOfTheLoad() {
    var pool = CapacityPool()
    for _ in 0..<100 { for _ in 0..<4 { pool.noteLoad(total: 12, own: 4, endpointCount: 4) } }
    #expect(abs(pool.balancers - 3) < 0.01)
    for _ in 0..<400 { pool.noteLoad(total: 4_000, own: 4, endpointCount: 4) }
    #expect(pool.balancers <= 64)
    // Nothing of ours: nothing is learnt.
    let before = pool.balancers
    for _ in 0..<40 { pool.noteLoad(total: 10, own: 0, endpointCount: 4) }
    #expect(pool.balancers == before)
  }

  @Test(arguments: [[3.0, 1, 2], [4, 1, 3, 2], [5], [1, 1, 1, 1, 9], []])
  func medianAgreesWithSorting(values: [Double]) {
    var scratch = values
    #expect(CapacityLaw.medianInPlace(&scratch) == ControlLaw.median(values))
    #expect(scratch.sorted() == values.sorted())
  }

  @Test func weightsAreFiniteAndPositiveWhateverTheCellsSay() {
    var random = RandomSource(seed: 7)
    for round in 0..<300 {
      var evidence = [CapacityEvidence](repeating: CapacityEvidence(), count: 5)
      var cells = [EvidenceReading](repeating: EvidenceReading(), count: 5)
      var pool = CapacityPool()
      for _ in 0..<20 {
        for index in 0..<5 {
          let scale = [1e-9, 1, 1e3, 1e12][random.index(below: 4)]
          cells[index].completed += random.unit() * scale
          cells[index].seconds += random.unit() * scale
          cells[index].started += random.unit() * scale
          cells[index].inFlight = random.unit() * scale
          cells[index].outstandingSeconds = random.unit() * scale
          cells[index].work += random.unit() * scale
          cells[index].squares += random.unit() * scale
          cells[index].streamPieces += random.unit() * scale
          cells[index].lostSeconds += random.unit() * scale
          // A worker's cells can be read while they change.
          if random.index(below: 9) == 0 { cells[index] = EvidenceReading() }
          evidence[index].take(cells[index], passed: random.unit(), tau: pool.tau)
          var page = WorkReading()
          page.running = random.unit() * scale
          page.completions = random.unit() * scale
          page.window = random.unit()
          evidence[index].scrapeSent(cells[index])
          _ = evidence[index].take(page, cells: cells[index], sentAt: .seconds(random.unit()))
        }
        let result = CapacityLaw.verdicts(
          evidence.map(\.sums), bases: [1, 2, 0, 1e6, 1e-6], floorRatio: 0.05, pool: &pool)
        for verdict in result {
          #expect(verdict.factor.isFinite && verdict.factor > 0, "round \(round)")
        }
      }
    }
  }
}

@Suite struct CapacityControllerTests {
  /// Plays `rate` requests a second of `latency` seconds on each endpoint through the cells.
  private static func play(_ bench: inout Bench, _ work: [(Double, Double)], seconds: Double) {
    let cells = bench.evidence.block(ofWorker: 0)
    bench.run(seconds: seconds, answer: { _ in .page(200, "x 1\n") }) { bench in
      for (endpointIndex, (rate, latency)) in work.enumerated() {
        let count = UInt64(rate / 10)
        cells.add(count, at: bench.evidence.index(.started, endpointIndex))
        cells.add(count, at: bench.evidence.index(.completed, endpointIndex))
        cells.add(
          count * UInt64(latency * 1e9),
          at: bench.evidence.index(.completedNanoseconds, endpointIndex))
        cells.add(
          count * UInt64((1 + rate * latency) * 1e6),
          at: bench.evidence.index(.workMicros, endpointIndex))
        let micros = UInt64(latency * 1e6)
        cells.add(
          2 * count * micros * micros, at: bench.evidence.index(.completedSquares, endpointIndex))
      }
    }
  }

  @Test func weightsKeepTheSumOfTheBaseWeights() {
    var bench = Bench(makeFleet(bases: [1, 1, 2], law: .capacity))
    Self.play(&bench, [(20, 0.3), (40, 0.1), (80, 0.05)], seconds: 20)
    let weights = (0..<3).map(bench.effective)
    #expect(abs(weights.reduce(0, +) - 4) < 1e-6)
    #expect(weights[0] < 0.7)
    #expect(bench.kind(0) == .law)
  }

  @Test func aUtilisationGuardsByWhatItIsOverSecondsNotInTheMoment() throws {
    var bench = Bench(makeFleet(bases: [1, 1], law: .capacity, scrapes: [try .json]))
    // Full in every other page: half the load, for both.
    var pages = 0
    bench.run(seconds: 60) { _ in
      pages += 1
      return .usage(pages % 4 < 2 ? 100 : 20)
    }
    #expect(abs(bench.effective(0) - 1) < 0.15)
    bench.run(seconds: 3) { $0.id.endpointIndex == 0 ? .usage(100) : .usage(20) }
    #expect(bench.effective(0) > 0.4)
    bench.run(seconds: 60) { $0.id.endpointIndex == 0 ? .usage(100) : .usage(20) }
    #expect(near(bench.effective(0), 2 * 0.05 / 1.05, 0.01))
    #expect(near(bench.effective(1), 2 / 1.05, 0.01))
  }

  @Test func dryRunPublishesTheTargetAndSteersByTheBaseWeight() {
    var fleet = makeFleet(bases: [1, 1, 2], law: .capacity)
    fleet.pools[0].weights.isDryRun = true
    var bench = Bench(fleet)
    Self.play(&bench, [(20, 0.3), (40, 0.1), (80, 0.05)], seconds: 20)
    #expect((0..<3).map(bench.effective) == [1, 1, 2])
    #expect(bench.target(0) < 0.7)
    #expect(bench.kind(0) == .dryRun)
  }

  @Test func picksCountRequestsAloneUnlessTheLawSteers() {
    var fleet = makeFleet(bases: [1, 1], law: .capacity)
    fleet.pools[0].endpoints[0].concurrency = 8
    var bench = Bench(fleet)
    Self.play(&bench, [(20, 0.1), (20, 0.1)], seconds: 3)
    #expect(bench.pickBoard.shape(0).knee == 8)
    #expect(bench.pickBoard.shape(1) == .unknown)
    fleet.pools[0].weights.isDryRun = true
    bench.controller.apply(fleet: fleet, now: bench.now)
    Self.play(&bench, [(20, 0.1), (20, 0.1)], seconds: 1)
    #expect(bench.pickBoard.shape(0) == .plain)
    fleet.pools[0].weights.isDryRun = false
    bench.controller.apply(fleet: fleet, now: bench.now)
    Self.play(&bench, [(20, 0.1), (20, 0.1)], seconds: 2)
    #expect(bench.pickBoard.shape(0).knee == 8)
    fleet.pools[0].weights.law = .static
    bench.controller.apply(fleet: fleet, now: bench.now)
    Self.play(&bench, [(20, 0.1), (20, 0.1)], seconds: 1)
    #expect(bench.pickBoard.shape(0) == .plain)
  }

  @Test func weightsStayWithTheirEndpointsWhenAReloadChangesTheirOrder() {
    let fleet = makeFleet(bases: [1, 1, 1], law: .capacity)
    var bench = Bench(fleet)
    let work = [(20.0, 0.3), (40.0, 0.1), (80.0, 0.05)]
    Self.play(&bench, work, seconds: 30)
    let before = (0..<3).map(bench.effective)
    var turned = fleet
    turned.pools[0].endpoints.reverse()
    bench.controller.apply(fleet: turned, now: bench.now)
    Self.play(&bench, work, seconds: 0.2)
    for endpointIndex in 0..<3 {
      #expect(near(bench.effective(endpointIndex), before[endpointIndex], 0.05))
    }
  }

  @Test func aPageThatTellsFarMoreLoadThanTheOthersIsBelievedInPart() {
    var pool = CapacityPool()
    #expect(pool.othersMax == .infinity)
    for total in [6.0, 10_000, 4] { pool.noteLoad(total: total, own: 4, endpointCount: 3) }
    #expect(pool.othersMax == 8 * (5 + 2))
    var evidence = CapacityEvidence()
    evidence.scrapeSent(EvidenceReading())
    var page = WorkReading()
    page.waiting = 10_000
    _ = evidence.take(
      page, cells: EvidenceReading(), sentAt: .seconds(1), othersMax: pool.othersMax)
    #expect(evidence.others == 56)
    // The first page that tells less ends most of it.
    page.waiting = 0
    evidence.scrapeSent(EvidenceReading())
    _ = evidence.take(
      page, cells: EvidenceReading(), sentAt: .seconds(2), othersMax: pool.othersMax)
    #expect(evidence.othersMean <= 8)
  }
}

@Suite struct StreamEvidenceTests {
  /// Streams that never end, `rate` pieces a second for each, `held` of them unread by clients.
  private func streaming(_ rate: Double, count: Double, held: Double = 0) -> CapacityEvidence {
    var evidence = CapacityEvidence()
    var cells = EvidenceReading()
    let pace = StreamPace(piecesPerAnswer: 100, stretch: 1)
    evidence.take(cells, passed: 0, tau: 10, stream: pace)
    for _ in 0..<300 {
      (cells.inFlight, cells.held) = (count, held)
      cells.streamPieces += rate * (count - held) / 10
      cells.pieces = cells.streamPieces
      evidence.take(cells, passed: 0.1, tau: 10, stream: pace)
    }
    return evidence
  }

  @Test func streamsSayHowFastTheyAreBeforeTheyEnd() throws {
    let quick = try #require(streaming(50, count: 4).sums.short.rate)
    let slow = try #require(streaming(5, count: 4).sums.short.rate)
    // Half an answer a second and stream, and a tenth of that.
    #expect(abs(quick - 0.5) < 1e-6)
    #expect(abs(slow - 0.05) < 1e-6)
  }

  @Test func streamsThatClientsDoNotReadAreNoTimeOfTheEndpoints() throws {
    let all = try #require(streaming(50, count: 4).sums.short.rate)
    let some = try #require(streaming(50, count: 8, held: 4).sums.short.rate)
    #expect(abs(all - some) < 1e-6)
    #expect(streaming(50, count: 4, held: 4).sums.stillSeconds == 0)
  }

  @Test func anEndpointThatGoesOnAfterAStandstillBeginsAnew() {
    var evidence = streaming(50, count: 4)
    var cells = evidence.last ?? EvidenceReading()
    let pace = StreamPace(piecesPerAnswer: 100, stretch: 1)
    for _ in 0..<50 { evidence.take(cells, passed: 0.1, tau: 10, stream: pace) }
    #expect((evidence.sums.short.rate ?? 1) < 0.4)
    cells.streamPieces += 20
    evidence.take(cells, passed: 0.1, tau: 10, stream: pace)
    #expect(abs((evidence.sums.short.rate ?? 0) - 0.5) < 1e-6)
  }

  @Test func onlyAnswersOfManyPiecesAreStreams() {
    var pool = CapacityPool()
    for _ in 0..<20 { pool.noteStreams(pieces: 7, answers: 1, passed: 0.1) }
    #expect(pool.piecesPerAnswer == nil)
    var other = CapacityPool()
    for _ in 0..<20 { other.noteStreams(pieces: 90, answers: 1, passed: 0.1) }
    #expect(abs((other.piecesPerAnswer ?? 0) - 90) < 1e-6)
  }
}
