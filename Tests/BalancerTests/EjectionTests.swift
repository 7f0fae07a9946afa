import Fleet
import Primitives
import Testing

@testable import Balancer

/// Ejections from beginning to end: what is published, and what ends an ejection if no request
/// does.
@Suite struct EjectionTests {
  private static let context = PassiveContext(
    policy: EjectionPolicy(), fleetResponse: 0.5, interval: 1, balancers: 1, othersAreClean: false)

  private static func ejected(_ failure: AttemptFailure, at now: Nanoseconds) -> PassiveHealth {
    var health = PassiveHealth()
    for _ in 0..<3 { _ = health.failed(failure, now: now, context) }
    return health
  }

  @Test func anEjectionIsForgottenAfterAMinuteWithoutAWord() {
    var health = Self.ejected(.status, at: .seconds(100))
    // The cooldown ends at 102 s.
    #expect(!health.isForgotten(now: .seconds(161.9), load: 0))
    #expect(health.isForgotten(now: .seconds(162), load: 0))
    // A request in flight to the endpoint prevents it.
    #expect(!health.isForgotten(now: .seconds(162), load: 1))
    // Every trial is evidence, good or bad.
    _ = health.succeeded(now: .seconds(150))
    #expect(!health.isForgotten(now: .seconds(209), load: 0))
    #expect(health.isForgotten(now: .seconds(210), load: 0))
    _ = health.failed(.status, now: .seconds(200), Self.context)
    #expect(!health.isForgotten(now: .seconds(261), load: 0))
    health.noteOthersNotice(at: .seconds(230))
    #expect(!health.isForgotten(now: .seconds(289), load: 0))
    #expect(health.isForgotten(now: .seconds(290), load: 0))
  }

  @Test func whetherConnectionsAreRefusedIsSeenAfterFiveSeconds() {
    var health = Self.ejected(.refused, at: .seconds(100))
    #expect(!health.isForgotten(now: .seconds(105), load: 0))
    #expect(health.isForgotten(now: .seconds(105.5), load: 0))
    health.beginConnectionTrial(timeout: .seconds(2), now: .seconds(106))
    #expect(!health.isForgotten(now: .seconds(112), load: 0))
    health.connectionFailed(now: .seconds(108))
    #expect(!health.isForgotten(now: .seconds(112.9), load: 0))
    #expect(health.isForgotten(now: .seconds(113), load: 0))
    // An endpoint that failed otherwise and now refuses connections has the reason `refused`.
    var other = Self.ejected(.status, at: .seconds(100))
    other.connectionFailed(now: .seconds(170))
    #expect(other.reason == .refused && other.isForgotten(now: .seconds(175), load: 0))
  }

  @Test(arguments: [PickBoard.Notice.checked, .recovered, .scrapeBack])
  func whatSpeaksForItIsFollowedWithinTwoSeconds(_ notice: PickBoard.Notice) {
    var health = Self.ejected(.unreachable, at: .seconds(100))
    health.take(notice, count: 1, now: .seconds(110), chance: 0, Self.context)
    #expect(!health.isForgotten(now: .seconds(111.9), load: 0))
    #expect(health.isForgotten(now: .seconds(112), load: 0))
  }

  @Test func everyChangeOfAnEjectionGivesAnotherRevision() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var picker = Self.picker(2)
    book.end(book.take(1, now: .seconds(9)), .completed, &picker, 1, now: .seconds(10))
    #expect(evidence.ejectionRevision == 0)
    for _ in 0..<3 {
      book.end(book.take(0, now: .seconds(10)), .failed(.refused), &picker, 0, now: .seconds(10))
    }
    let ejected = evidence.ejectionRevision
    #expect(evidence.isEjected(0) && ejected > 0)
    while evidence.isEjected(0) {
      book.end(book.take(0, now: .seconds(20)), .completed, &picker, 0, now: .seconds(21))
    }
    #expect(evidence.ejectionRevision > ejected)
  }

  @Test func whatScrapesProlongIsPublished() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    pickBoard.setPool(0, fleetResponse: 0.5, interval: 2, balancers: 1)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var picker = Self.picker(2)
    var random = RandomSource(seed: 1)
    // One failure is followed by failed scrapes.
    book.end(book.take(0, now: .seconds(10)), .failed(.timeout), &picker, 0, now: .seconds(10))
    #expect(!evidence.isEjected(0))
    pickBoard.notify(.scrapeLost, 0)
    book.takeNotices(&picker, now: .seconds(11), &random)
    #expect(evidence.ejection(0)?.reason == .scrapes)
    #expect(evidence.ejection(0)?.cooldownUntil == .seconds(14))
    #expect(evidence.sum(.ejections, 0) == 1 && evidence.sum(.ejections, 1) == 0)
    pickBoard.notify(.scrapeLost, 0)
    book.takeNotices(&picker, now: .seconds(20), &random)
    #expect(evidence.ejection(0)?.since == .seconds(11))
    #expect(evidence.ejection(0)?.cooldownUntil == .seconds(23))
    #expect(evidence.ejection(0)?.lastEvidenceAt == .seconds(20))
    #expect(evidence.sum(.ejections, 0) == 1)
    // A half-open endpoint counts as ejected until it is readmitted.
    for count in 1...3 {
      #expect(evidence.isEjected(0))
      book.end(
        book.take(0, now: .seconds(30)), .completed, &picker, 0,
        now: .seconds(30 + Double(count)))
    }
    #expect(!evidence.isEjected(0) && evidence.readmissionCause(0) == .answers)
    #expect(evidence.lastReadmission(0) == .seconds(33))
  }

  @Test func anOpenPortEndsTheEjectionOfAnEndpointThatNobodyTries() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    var book = LeaseBook(
      evidence: evidence, pickBoard: PickBoard(endpointLimit: 2), workerIndex: 0)
    var picker = Self.picker(2)
    for (failure, cause) in [
      (AttemptFailure.refused, ReadmissionCause.connection), (.status, .silence),
    ] {
      for _ in 0..<3 {
        book.end(book.take(0, now: .seconds(10)), .failed(failure), &picker, 0, now: .seconds(10))
      }
      #expect(book.hasEjections && evidence.isEjected(0))
      // A request in flight to the endpoint decides.
      let lease = book.take(0, now: .seconds(100))
      book.forget(&picker, 0, now: .seconds(100))
      #expect(evidence.isEjected(0))
      book.end(lease, .abandoned, &picker, 0, now: .seconds(101))
      book.forget(&picker, 0, now: .seconds(101))
      #expect(!evidence.isEjected(0) && evidence.readmissionCause(0) == cause)
    }
    #expect(evidence.sum(.readmissions, 0) == 2)
  }

  @Test func allMayBeEjectedWhereNobodyListens() {
    var picker = Self.picker(4)
    let pickBoard = PickBoard(endpointLimit: 4)
    for position in 0..<4 {
      for _ in 0..<3 { picker.failed(position, .status, pickBoard: pickBoard, now: .seconds(10)) }
    }
    #expect(picker.candidates.count { $0.health.isHalfOpen } == 2)
    for position in 0..<4 {
      for _ in 0..<3 { picker.failed(position, .refused, pickBoard: pickBoard, now: .seconds(20)) }
    }
    #expect(picker.candidates.count { $0.health.isHalfOpen } == 4)
    // All endpoints get requests nevertheless.
    #expect(Self.counts(&picker, pickBoard, at: 20.1).allSatisfy { $0 > 20 })
  }

  @Test func thoseThatRefuseConnectionsAreNoReasonToDoubtTheOthers() {
    let pickBoard = PickBoard(endpointLimit: 8)
    var picker = Self.picker(8)
    for position in 0..<5 {
      for _ in 0..<2 { picker.failed(position, .refused, pickBoard: pickBoard, now: .seconds(10)) }
    }
    // The three healthy endpoints of eight take every request.
    let counts = Self.counts(&picker, pickBoard, at: 10.1)
    #expect(counts[..<5].allSatisfy { $0 == 0 } && counts[5...].allSatisfy { $0 > 50 }, "\(counts)")
    // If two of the three are ejected for errors, both are used again, and the dead ones are not.
    var policy = EjectionPolicy()
    policy.ejectedRatioMax = 1
    var other = Self.picker(8, policy)
    for position in 0..<5 {
      for _ in 0..<2 { other.failed(position, .refused, pickBoard: pickBoard, now: .seconds(10)) }
    }
    for position in 5..<7 {
      for _ in 0..<3 { other.failed(position, .status, pickBoard: pickBoard, now: .seconds(10)) }
    }
    let more = Self.counts(&other, pickBoard, at: 10.1)
    #expect(more[..<5].allSatisfy { $0 == 0 } && more[5...].allSatisfy { $0 > 50 }, "\(more)")
  }

  private static func picker(_ count: Int, _ policy: EjectionPolicy = EjectionPolicy()) -> Picker {
    Picker.numbered([Double](repeating: 1, count: count)) { $0.ejection = policy }
  }

  /// How often each endpoint is picked in 300 picks, with the same load at each.
  private static func counts(
    _ picker: inout Picker, _ pickBoard: PickBoard, at seconds: Double
  ) -> [Int] {
    var counts = [Int](repeating: 0, count: picker.candidates.count)
    let load = [Int32](repeating: 0, count: counts.count)
    var random = RandomSource(seed: 7)
    for _ in 0..<300 {
      let position = load.withUnsafeBufferPointer {
        picker.pick(
          now: .seconds(seconds), load: $0.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
          random: &random)
      }
      if let position { counts[position] += 1 }
    }
    return counts
  }
}
