import Fleet
import Primitives
import Testing

@testable import Balancer

/// Passive health in a pool with a canary: the canary tries ejected endpoints, and clients'
/// requests do not.
@Suite struct CanaryHealthTests {
  private static func context(isGood: Bool = false) -> PassiveContext {
    PassiveContext(
      policy: EjectionPolicy(), fleetResponse: 0.5, interval: 1, balancers: 1,
      othersAreClean: true, isCanaryGood: isGood)
  }

  private static func ejected(
    _ failure: AttemptFailure = .status, at now: Nanoseconds
  ) -> PassiveHealth {
    var health = PassiveHealth()
    health.hasCanary = true
    for _ in 0..<3 { _ = health.failed(failure, now: now, context()) }
    return health
  }

  private static func notify(_ health: inout PassiveHealth, _ isGood: Bool, at now: Nanoseconds) {
    health.take(.canary, count: 1, now: now, chance: 0, context(isGood: isGood))
  }

  @Test(arguments: [
    AttemptFailure.status, .refused, .unreachable, .timeout, .truncated, .malformed,
  ])
  func noRequestTriesItBeforeCanariesAreGood(_ failure: AttemptFailure) {
    var health = Self.ejected(failure, at: .seconds(100))
    #expect(health.isHalfOpen)
    for seconds in [100.6, 103, 110, 129.9] {
      #expect(!health.mayBePicked(now: .seconds(seconds), load: 0, isRepeatable: true))
    }
    // Without canaries the longest cooldown ends the ejection.
    #expect(health.mayBePicked(now: .seconds(130), load: 0))
    Self.notify(&health, false, at: .seconds(120))
    #expect(!health.mayBePicked(now: .seconds(149.9), load: 0, isRepeatable: true))
    Self.notify(&health, true, at: .seconds(121))
    #expect(health.mayBePicked(now: .seconds(121), load: 0))
    #expect(!health.mayBePicked(now: .seconds(121), load: 1))
    #expect(health.succeeded(now: .seconds(121.1)) == true)
    #expect(!health.isHalfOpen && health.mayBePicked(now: .seconds(121.2), load: 5))
  }

  @Test func theSlowStartAfterGoodCanariesIsShorter() {
    let slowStart = Nanoseconds.seconds(3)
    func ramp(_ health: PassiveHealth, _ seconds: Double) -> Double {
      (health.ramp(now: .seconds(101 + seconds), slowStart: slowStart) * 1_000).rounded() / 1_000
    }
    var health = Self.ejected(at: .seconds(100))
    Self.notify(&health, true, at: .seconds(101))
    _ = health.succeeded(now: .seconds(101))
    #expect(!health.isHalfOpen)
    #expect([0, 1.5, 3].map { ramp(health, $0) } == [0.65, 0.825, 1])
    health.beginSlowStart(now: .seconds(101))
    #expect(ramp(health, 0) == 0.3)
    // The last canary failed, or none was sent.
    for isTold in [true, false] {
      var other = Self.ejected(at: .seconds(50))
      if isTold {
        Self.notify(&other, true, at: .seconds(60))
        Self.notify(&other, false, at: .seconds(61))
      }
      for _ in 0..<3 { _ = other.succeeded(now: .seconds(101)) }
      #expect(!other.isHalfOpen && ramp(other, 0) == 0.3)
    }
  }

  @Test func checksPagesAndOthersEndNoRestThatIsTheCanarys() {
    for notice in [PickBoard.Notice.checked, .scrapeBack, .othersSuccesses] {
      var health = Self.ejected(.unreachable, at: .seconds(100))
      health.take(notice, count: 9, now: .seconds(101), chance: 0, Self.context(isGood: true))
      #expect(!health.mayBePicked(now: .seconds(101), load: 0), "\(notice)")
    }
    // In a pool without a canary its notices have no effect.
    var health = PassiveHealth()
    for _ in 0..<3 { _ = health.failed(.status, now: .seconds(100), Self.context()) }
    Self.notify(&health, true, at: .seconds(101))
    #expect(!health.mayBePicked(now: .seconds(101), load: 0))
    Self.notify(&health, false, at: .seconds(101))
    #expect(health.mayBePicked(now: .seconds(102), load: 0))
  }

  @Test func whereRequestsFailThoughCanariesAreGoodTheRestsGrow() {
    var health = Self.ejected(at: .seconds(100))
    var now = Nanoseconds.seconds(101)
    var rests: [Double] = []
    for _ in 0..<4 {
      Self.notify(&health, true, at: now)
      while !health.mayBePicked(now: now, load: 0, isRepeatable: true) {
        now = now + .milliseconds(250)
        Self.notify(&health, true, at: now)
      }
      let triedAt = now
      #expect(health.failed(.status, now: now, Self.context()) == true)
      repeat {
        now = now + .milliseconds(250)
        Self.notify(&health, true, at: now)
      } while !health.mayBePicked(now: now, load: 0, isRepeatable: true)
      rests.append((now - triedAt).seconds)
    }
    #expect(rests == [4, 8, 8, 8])
  }

  @Test func whatEndsLateIsNoTrial() {
    var health = Self.ejected(at: .seconds(100))
    // Requests that were in flight at the ejection do not count.
    #expect(
      health.failed(.status, took: .seconds(3), now: .seconds(100.5), Self.context()) == false)
    _ = health.refused(
      .overloaded, now: .seconds(100.6), load: 0, othersSucceed: true, Self.context())
    Self.notify(&health, true, at: .seconds(101))
    #expect(health.mayBePicked(now: .seconds(101), load: 0))
  }

  @Test func goodAnswersToWhatWasSentBeforeEndNoRest() {
    var health = Self.ejected(at: .seconds(100))
    for _ in 0..<9 {
      #expect(health.succeeded(now: .seconds(101), sentAt: .seconds(99)) == false)
    }
    #expect(health.isHalfOpen && !health.mayBePicked(now: .seconds(102), load: 0))
    // Answers to requests sent since the ejection count: if all endpoints are ejected, requests are
    // sent.
    for _ in 0..<3 { _ = health.succeeded(now: .seconds(103), sentAt: .seconds(102)) }
    #expect(!health.isHalfOpen)
  }

  @Test func aBadCanaryIsAWordAndAGoodOneLetsAConnectionEndIt() {
    var health = Self.ejected(.refused, at: .seconds(100))
    for second in 1...60 {
      let now = Nanoseconds.seconds(100 + Double(second))
      Self.notify(&health, false, at: now)
      #expect(!health.isForgotten(now: now + .seconds(5), load: 0))
    }
    Self.notify(&health, true, at: .seconds(161))
    #expect(!health.isForgotten(now: .seconds(162.9), load: 0))
    #expect(health.isForgotten(now: .seconds(163), load: 0))
  }

  private static func pool(hasCanary: Bool = true) -> Pool {
    var pool = Pool.numbered(2)
    if hasCanary { pool.canary = CanaryPolicy() }
    return pool
  }

  private static func picker(_ pool: Pool = pool()) -> Picker {
    var picker = Picker(pool: pool)
    for position in 0..<2 {
      picker.set(position, weight: 1, isEligible: true, now: .zero, isFirst: true)
    }
    return picker
  }

  @Test func whatTheCanarySaysReachesEveryWorker() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    var (ours, theirs) = (Self.picker(), Self.picker())
    var random = RandomSource(seed: 1)
    for _ in 0..<3 {
      first.end(first.take(0, now: .seconds(10)), .failed(.status), &ours, 0, now: .seconds(10))
    }
    /// Runs a turn of both workers. Returns whether each would pick the endpoint.
    func turn(at seconds: Double) -> [Bool] {
      first.takeNotices(&ours, now: .seconds(seconds), &random)
      first.refresh(&ours, now: .seconds(seconds))
      second.takeNotices(&theirs, now: .seconds(seconds), &random)
      second.refresh(&theirs, now: .seconds(seconds))
      return [ours, theirs].map {
        $0.candidates[0].health.mayBePicked(now: .seconds(seconds), load: 0, isRepeatable: true)
      }
    }
    #expect(turn(at: 10.1) == [false, false])
    #expect(theirs.candidates[0].health.isHalfOpen)
    // The newest of two notices between two turns counts.
    pickBoard.notifyCanary(0, isGood: false)
    pickBoard.notifyCanary(0, isGood: true)
    #expect(turn(at: 13) == [true, true])
    pickBoard.notifyCanary(0, isGood: false)
    #expect(turn(at: 14) == [false, false])
    // Each worker has adopted the other's cooldown.
    #expect(turn(at: 14.1) == [false, false])
    pickBoard.notifyCanary(0, isGood: true)
    #expect(turn(at: 15) == [true, true])
    #expect(evidence.isEjected(0))
    second.end(second.take(0, now: .seconds(15)), .completed, &theirs, 0, now: .seconds(15))
    #expect(!evidence.isEjected(0) && evidence.readmissionCause(0) == .answers)
  }

  @Test func aReloadBringsTheCanaryAndTakesIt() {
    let pickBoard = PickBoard(endpointLimit: 2)
    var picker = Self.picker(Self.pool(hasCanary: false))
    for _ in 0..<3 { picker.failed(0, .refused, pickBoard: pickBoard, now: .seconds(10)) }
    #expect(picker.candidates[0].health.mayBePicked(now: .seconds(10.5), load: 0))
    var next = Self.picker()
    next.inherit(from: picker)
    #expect(next.candidates[0].health.isHalfOpen && next.candidates[0].health.hasCanary)
    picker.inherit(from: next)
    #expect(!picker.candidates[0].health.hasCanary)
  }
}
