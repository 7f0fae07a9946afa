import Fleet
import Primitives
import Testing

@testable import Balancer

/// Two workers of one process on the same boards.
@Suite struct LeaseBookTests {
  private static func pool(_ count: Int) -> Pool {
    Pool.numbered(count)
  }

  private static func picker(_ count: Int) -> Picker {
    var picker = Picker(pool: pool(count))
    for position in 0..<count {
      picker.set(position, weight: 1, isEligible: true, now: .zero, isFirst: true)
    }
    return picker
  }

  /// Lets two requests to the second endpoint fail.
  private static func fail(_ book: inout LeaseBook, _ picker: inout Picker, at seconds: Double) {
    for _ in 0..<2 {
      book.end(
        book.take(1, now: .seconds(seconds)), .failed(.unreachable), &picker, 1,
        now: .seconds(seconds))
    }
  }

  @Test func aWorkerSeesWhatTheOthersHaveInFlight() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var picker = Self.picker(2)
    var random = RandomSource(seed: 1)
    let lease = first.take(0, now: .seconds(10))
    second.refresh(&picker, now: .seconds(11))
    for _ in 0..<20 {
      let position = picker.pick(
        now: .seconds(11), load: second.load, pickBoard: pickBoard, tried: TriedSet(),
        random: &random)
      #expect(position == 1)
    }
    #expect(evidence.sum(.outstandingStarts, 0) == 10_000_000_000)
    first.end(lease, .completed, &picker, 0, now: .seconds(12))
    #expect(evidence.sum(.outstandingStarts, 0) == 0)
    #expect(evidence.sum(.completedNanoseconds, 0) == 2_000_000_000)
    second.refresh(&picker, now: .seconds(12))
    #expect(second.load[0] == 0)
  }

  @Test func contentIsOutstandingUntilAnAnswerHasSome() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var picker = Self.picker(2)
    func bytes() -> [UInt64] {
      [
        evidence.sum(.startedBytes, 1), evidence.sum(.outstandingBytes, 1),
        evidence.sum(.answeredBytes, 1),
      ]
    }
    var long = book.take(1, now: .zero, contentBytes: 6_000)
    var chunked = book.take(1, now: .zero, contentBytes: 500)
    let plain = book.take(1, now: .zero)
    #expect(bytes() == [6_500, 6_500, 0] && long.contentBytes == 6_000)
    book.grow(&chunked, to: 2_000)
    // The lease never counts fewer bytes than before.
    book.grow(&chunked, to: 1_000)
    #expect(bytes() == [8_000, 8_000, 0] && chunked.contentBytes == 2_000)
    book.noteAnswer(&long, isWork: true)
    book.noteAnswer(&long, isWork: true)
    #expect(bytes() == [8_000, 2_000, 6_000])
    // Content that is received after the answer has begun counts as answered.
    book.grow(&long, to: 7_000)
    #expect(bytes() == [9_000, 2_000, 6_000])
    book.end(long, .completed, &picker, 1, now: .seconds(1))
    book.end(plain, .completed, &picker, 1, now: .seconds(1))
    #expect(bytes() == [9_000, 2_000, 6_000])
    book.end(chunked, .abandoned, &picker, 1, now: .seconds(1))
    #expect(bytes() == [9_000, 0, 6_000])
    var tunnel = book.take(1, now: .zero, contentBytes: 10)
    book.becomeTunnel(&tunnel)
    #expect(bytes() == [9_010, 0, 6_000])
    book.end(tunnel, .completed, now: .seconds(2))
    var refused = book.take(1, now: .zero, contentBytes: 90)
    book.noteAnswer(&refused, isWork: false)
    #expect(bytes() == [9_100, 0, 6_000])
    book.end(refused, .rejected, now: .seconds(2))
    // The count stops at its maximum.
    let huge = book.take(1, now: .zero, contentBytes: 1 << 40)
    #expect(huge.contentBytes == .max && bytes()[1] == UInt64(UInt32.max))
    book.end(huge, .completed, now: .seconds(2))
    #expect(bytes()[1] == 0)
  }

  @Test func workersAdoptEachOthersEjections() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 3)
    let pickBoard = PickBoard(endpointLimit: 3)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var theirs = Self.picker(3)
    var ours = Self.picker(3)
    first.refresh(&ours, now: .seconds(19))
    #expect(!evidence.isEjected(1) && evidence.ejection(1) == nil)
    Self.fail(&first, &ours, at: 20)
    let ejection = evidence.ejection(1)
    #expect(
      ejection
        == Ejection(
          since: .seconds(20), lastEvidenceAt: .seconds(20), reason: .unreachable, failures: 2,
          cooldownUntil: .seconds(22), trialFrom: .seconds(20.5)))
    #expect(evidence.isEjected(1) && !evidence.isEjected(0))
    second.refresh(&theirs, now: .seconds(20))
    #expect(theirs.candidates[1].health.isHalfOpen)
    #expect(theirs.candidates[1].health.ejectedUntil == .seconds(22))
    #expect(!theirs.candidates[0].health.isHalfOpen)
    // A worker that looks after the end of the cooldown also tries the endpoint one request at a
    // time.
    var late = Self.picker(3)
    second.refresh(&late, now: .seconds(30))
    #expect(late.candidates[1].health.isHalfOpen && evidence.isEjected(1))
    #expect(late.candidates[1].health.mayBePicked(now: .seconds(30), load: 0))
    #expect(!late.candidates[1].health.mayBePicked(now: .seconds(30), load: 1))
    // A readmission by one worker counts for all; an ejection that is over is not adopted again.
    for _ in 0..<3 {
      second.end(second.take(1, now: .seconds(31)), .completed, &late, 1, now: .seconds(31))
    }
    #expect(!evidence.isEjected(1) && evidence.ejection(1) == nil)
    #expect(evidence.sum(.readmissions, 1) == 1 && evidence.readmissionCause(1) == .answers)
    var fresh = Self.picker(3)
    second.refresh(&fresh, now: .seconds(32))
    #expect(!fresh.candidates[1].health.isHalfOpen)
    // The worker that ejected the endpoint may eject it again, even if its clock is behind.
    first.refresh(&ours, now: .seconds(30.9))
    #expect(!ours.candidates[1].health.isHalfOpen)
    Self.fail(&first, &ours, at: 30.9)
    #expect(evidence.isEjected(1) && evidence.sum(.ejections, 1) == 2)
  }

  @Test func aRestThatGoodScrapesEndedIsNotTakenFromAnotherWorkerAgain() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 3)
    let pickBoard = PickBoard(endpointLimit: 3)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var (ours, theirs) = (Self.picker(3), Self.picker(3))
    var random = RandomSource(seed: 1)
    for _ in 0..<2 {
      first.end(
        first.take(1, now: .seconds(20)), .failed(.unreachable), &ours, 1, now: .seconds(20))
      second.end(
        second.take(1, now: .seconds(20)), .failed(.unreachable), &theirs, 1, now: .seconds(20.5))
    }
    // Each worker has ejected the endpoint for 2 s, and has adopted the other's ejection.
    first.refresh(&ours, now: .seconds(20.6))
    #expect(!ours.candidates[1].health.mayBePicked(now: .seconds(21), load: 0))
    pickBoard.notify(.scrapeBack, 1)
    ours.takeNotices(pickBoard, now: .seconds(21), &random)
    first.refresh(&ours, now: .seconds(21))
    #expect(ours.candidates[1].health.mayBePicked(now: .seconds(21), load: 0))
    // A new ejection by the other worker counts.
    second.end(
      second.take(1, now: .seconds(22.5)), .failed(.unreachable), &theirs, 1, now: .seconds(24))
    first.refresh(&ours, now: .seconds(24))
    #expect(!ours.candidates[1].health.mayBePicked(now: .seconds(27), load: 0))
  }

  @Test func oneThatStoodStillIsTriedByOneAtATimeWhateverRequestsEject() {
    var pool = Self.pool(2)
    pool.ejection.failsMax = 0
    var picker = Picker(pool: pool)
    for position in 0..<2 {
      picker.set(position, weight: 1, isEligible: true, now: .zero, isFirst: true)
    }
    let pickBoard = PickBoard(endpointLimit: 2)
    var random = RandomSource(seed: 1)
    pickBoard.notify(.scrapeLost, 0)
    pickBoard.notify(.stalled, 1)
    picker.takeNotices(pickBoard, now: .seconds(1), &random)
    let health = picker.candidates.map(\.health)
    #expect(health.map(\.isHalfOpen) == [false, true])
    #expect(health[1].mayBePicked(now: .seconds(1), load: 0))
    #expect(!health[1].mayBePicked(now: .seconds(1), load: 1))
    let returns = (0..<3).map { picker.succeeded(1, now: .seconds(2 + Double($0))) }
    #expect(returns == [false, false, true])
  }

  @Test func whatIsBackForOneWorkerIsBackForAll() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 3)
    let pickBoard = PickBoard(endpointLimit: 3)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var (ours, theirs) = (Self.picker(3), Self.picker(3))
    second.refresh(&theirs, now: .seconds(19))
    for _ in 0..<2 {
      first.end(first.take(1, now: .seconds(20)), .failed(.status), &ours, 1, now: .seconds(20))
    }
    #expect(evidence.sum(.ejections, 1) == 1)
    second.refresh(&theirs, now: .seconds(20.1))
    #expect(theirs.candidates[1].health.isHalfOpen)
    // The process allows one free trial at a time, and this one failed.
    first.end(first.take(1, now: .seconds(20.5)), .failed(.status), &ours, 1, now: .seconds(20.5))
    second.refresh(&theirs, now: .seconds(20.6))
    #expect(
      !theirs.candidates[1].health.mayBePicked(
        now: .seconds(20.9), load: 0, isRepeatable: true))
    #expect(
      theirs.candidates[1].health.mayBePicked(
        now: .seconds(21), load: 0, isRepeatable: true))
    for _ in 0..<3 {
      first.end(first.take(1, now: .seconds(21)), .completed, &ours, 1, now: .seconds(21))
    }
    #expect(evidence.sum(.readmissions, 1) == 1)
    second.refresh(&theirs, now: .seconds(21.1))
    #expect(!theirs.candidates[1].health.isHalfOpen)
    #expect(evidence.sum(.ejections, 1) == 1 && evidence.sum(.readmissions, 1) == 1)
    #expect(!evidence.isEjected(1))
  }

  @Test func connectionsOfAllWorkersCount() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    var first = ConnectionBook(evidence: evidence, workerIndex: 0)
    var second = ConnectionBook(evidence: evidence, workerIndex: 1)
    for _ in 0..<3 { first.opened(1) }
    second.opened(1)
    second.refresh([0, 1])
    #expect(second.total[1] == 4 && second.sum([0, 1]) == 4)
    first.closed(1)
    second.refresh([0, 1])
    second.closed(1)
    #expect(second.total[1] == 2 && second.total[0] == 0)
    #expect(evidence.sum(.connections, 1) == 2)
  }

  @Test(arguments: [
    (200, AttemptOutcome.completed, AttemptOutcome.completed, #_sourceLocation),
    (304, .completed, .completed, #_sourceLocation),
    (401, .rejected, .rejected, #_sourceLocation),
    (404, .rejected, .failed(.status), #_sourceLocation),
    (429, .overloaded(.seconds(2)), .overloaded(.seconds(2)), #_sourceLocation),
    (500, .failed(.status), .rejected, #_sourceLocation),
    (503, .overloaded(.seconds(2)), .failed(.status), #_sourceLocation),
    (599, .failed(.status), .rejected, #_sourceLocation),
  ])
  func aStatusSaysHowItCameOut(
    status: Int, usual: AttemptOutcome, listed: AttemptOutcome, at: SourceLocation
  ) {
    var pool = Self.pool(1)
    func outcome() -> AttemptOutcome {
      AttemptOutcome(status: status, failures: pool.failureStatuses, retryAfter: .seconds(2))
    }
    #expect(outcome() == usual, sourceLocation: at)
    pool.ejection.statuses = RetryStatuses([404, 503])
    #expect(outcome() == listed, sourceLocation: at)
  }

  @Test func whatIsWorthARetryCountsAsAFailureButForLoad() {
    var pool = Self.pool(1)
    pool.retries.statuses = RetryStatuses([404, 429, 503])
    let statuses = [404, 429, 500, 503, 504].filter(pool.failureStatuses.contains)
    #expect(statuses == [404, 500, 504])
  }

  @Test func aQuickRefusalIsNeitherSpeedNorTimeSpent() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    let pickBoard = PickBoard(endpointLimit: 1)
    pickBoard.setPool(0, fleetResponse: 0.5, interval: 1, balancers: 1)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var picker = Self.picker(1)
    for outcome in [AttemptOutcome.overloaded(.zero), .rejected] {
      book.end(book.take(0, now: .seconds(1)), outcome, &picker, 0, now: .seconds(1.001))
    }
    #expect(evidence.sum(.completed, 0) + evidence.sum(.failed, 0) == 0)
    #expect(evidence.sum(.completedNanoseconds, 0) == 0)
    #expect(evidence.sum(.timedOutNanoseconds, 0) == 0)
    #expect(evidence.sum(.refused, 0) == 2)
    #expect(book.count == 0)
  }

  @Test func whatAClientDoesNotReadIsNoTimeOfTheEndpoints() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    var book = LeaseBook(
      evidence: evidence, pickBoard: PickBoard(endpointLimit: 1), workerIndex: 0)
    var picker = Self.picker(1)
    var lease = book.take(0, now: .seconds(100))
    // The sum of the ages of leases that are not held, as the controller computes it.
    func age(at seconds: Double) -> Double {
      let count = evidence.sum(.inFlight, 0) - evidence.sum(.held, 0)
      let now = UInt64(Nanoseconds.seconds(seconds).rawValue)
      return Double(count &* now &- evidence.sum(.outstandingStarts, 0)) / 1e9
    }
    #expect(age(at: 101) == 1)
    book.hold(&lease, now: .seconds(101))
    book.hold(&lease, now: .seconds(105))
    // A held lease is in flight and does not age.
    #expect(evidence.sum(.inFlight, 0) == 1 && book.load[0] == 1 && evidence.sum(.held, 0) == 1)
    #expect(age(at: 131) == 0 && evidence.oldestStart(0) == nil)
    // Another lease ages.
    let other = book.take(0, now: .seconds(110))
    #expect(age(at: 131) == 21 && evidence.oldestStart(0) == .seconds(110))
    // A stop of the process while the lease is held changes nothing.
    book.postpone(&lease, by: .seconds(5))
    book.resume(&lease, now: .seconds(131))
    book.resume(&lease, now: .seconds(140))
    #expect(evidence.sum(.held, 0) == 0 && age(at: 132) == 22 + 2)
    book.end(other, .completed, &picker, 0, now: .seconds(132))
    #expect(evidence.sum(.completedNanoseconds, 0) == 22_000_000_000)
    book.hold(&lease, now: .seconds(133))
    // The lease ends while it is held. Only the time before counts: one second and two.
    book.end(lease, .completed, &picker, 0, now: .seconds(150))
    #expect(evidence.sum(.completedNanoseconds, 0) == 25_000_000_000)
    #expect(evidence.sum(.busyNanoseconds, 0) == 25_000_000_000)
    for column in [EvidenceBoard.Column.held, .inFlight, .outstandingStarts, .oldestStart] {
      #expect(evidence.sum(column, 0) == 0)
    }
  }

  @Test func aTunnelIsNotHeld() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    var book = LeaseBook(
      evidence: evidence, pickBoard: PickBoard(endpointLimit: 1), workerIndex: 0)
    var lease = book.take(0, now: .seconds(100))
    book.hold(&lease, now: .seconds(101))
    book.becomeTunnel(&lease)
    #expect(evidence.sum(.held, 0) == 0 && evidence.sum(.tunnels, 0) == 1)
    book.hold(&lease, now: .seconds(102))
    #expect(evidence.sum(.held, 0) == 0)
    book.end(lease, .completed, now: .seconds(103))
    #expect(evidence.sum(.outstandingStarts, 0) == 0 && evidence.sum(.busyNanoseconds, 0) == 0)
  }

  @Test func anEjectionLeavesItsReasonAndHowManyAttemptsEndedThatWay() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    var book = LeaseBook(evidence: evidence, pickBoard: PickBoard(endpointLimit: 2), workerIndex: 1)
    var picker = Self.picker(2)
    #expect(evidence.lastEjection(0) == nil)
    for _ in 0..<2 {
      book.end(
        book.take(0, now: .seconds(9)), .failed(.truncated), &picker, 0, now: .seconds(10))
    }
    let last = evidence.lastEjection(0)
    #expect(
      last?.reason == .truncated && last?.failures == 2 && last?.lastEvidenceAt == .seconds(10))
    #expect(evidence.lastEjection(1) == nil)
  }

  @Test func aClientsPatienceIsATimeOutToo() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    var book = LeaseBook(
      evidence: evidence, pickBoard: PickBoard(endpointLimit: 1), workerIndex: 0)
    var picker = Self.picker(1)
    book.end(book.take(0, now: .seconds(1)), .givenUp, &picker, 0, now: .seconds(31))
    book.end(book.take(0, now: .seconds(1)), .abandoned, &picker, 0, now: .seconds(31))
    #expect(evidence.sum(.timedOutNanoseconds, 0) == 30_000_000_000)
    #expect(evidence.sum(.completed, 0) + evidence.sum(.failed, 0) == 0)
  }

  @Test func theForecastOfOthersIsPartOfThePick() {
    let pickBoard = PickBoard(endpointLimit: 2)
    pickBoard.setPool(0, fleetResponse: 1, interval: 1, balancers: 2)
    pickBoard.setOthersLoad(0, latest: 6, mean: 6, sentAt: .seconds(10))
    var picker = Self.picker(2)
    var random = RandomSource(seed: 1)
    let load: [Int32] = [0, 2]
    load.withUnsafeBufferPointer { load in
      let position = picker.pick(
        now: .seconds(10), load: load.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
        random: &random)
      // 1 + 0 + 3 is more than 1 + 2.
      #expect(position == 1)
    }
  }

  @Test func whatWouldWaitTooLongIsShedWhereThePoolSaysSo() {
    var pool = Self.pool(1)
    pool.shedRatio = 0.3
    let shedding = Picker(pool: pool)
    let pickBoard = PickBoard(endpointLimit: 1)
    func sheds(_ picker: Picker, load: Int32, capacity: Double, timeout: Double) -> Bool {
      pickBoard.setCapacity(0, capacity)
      return withUnsafePointer(to: load) {
        picker.sheds(0, load: $0, pickBoard: pickBoard, timeout: .seconds(timeout))
      }
    }
    // The wait is 40 s, and the pool allows 30 s of a timeout of 100 s.
    #expect(sheds(shedding, load: 39, capacity: 1, timeout: 100))
    #expect(!sheds(shedding, load: 39, capacity: 2, timeout: 100))
    // No request is shed if the capacity is unknown, few requests run, or the pool does not ask for
    // it.
    #expect(!sheds(shedding, load: 39, capacity: 0, timeout: 1))
    #expect(!sheds(shedding, load: 2, capacity: 0.001, timeout: 1))
    #expect(!sheds(Self.picker(1), load: 39, capacity: 1, timeout: 100))
  }

  @Test func aLargePoolIsSampledByWeight() {
    var picker = Self.picker(1_000)
    for position in 0..<1_000 {
      picker.set(
        position, weight: position < 500 ? 3 : 1, isEligible: position != 7, now: .zero,
        isFirst: true)
    }
    picker.finishTable()
    let pickBoard = PickBoard(endpointLimit: 1_000)
    var load = [Int32](repeating: 0, count: 1_000)
    var random = RandomSource(seed: 3)
    for _ in 0..<20_000 {
      let position = load.withUnsafeBufferPointer {
        picker.pick(
          now: .seconds(1), load: $0.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
          random: &random)
      }
      load[position!] += 1
    }
    #expect(load[7] == 0)
    let heavy = load[..<500].reduce(0, +)
    #expect(abs(Double(heavy) / 20_000 - 0.75) < 0.02)
    // The load is nearly as even as with a full scan: 30 and 10 requests each.
    #expect(load[..<500].max()! < 45 && load[500...].max()! < 18)
  }
}
