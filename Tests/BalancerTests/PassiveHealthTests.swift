import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct PassiveHealthTests {
  private static func context(
    failsMax: Int? = nil, clean: Bool = false, response: Double = 0.5, interval: Double = 1
  ) -> PassiveContext {
    var policy = EjectionPolicy()
    policy.failsMax = failsMax
    return PassiveContext(
      policy: policy, fleetResponse: response, interval: interval, balancers: 1,
      othersAreClean: clean)
  }

  /// The number of failures in a row that ejects an endpoint.
  private static func needed(_ failure: AttemptFailure, _ context: PassiveContext) -> Int {
    var health = PassiveHealth()
    for count in 1...50 where health.failed(failure, now: .seconds(1000), context) { return count }
    return 0
  }

  @Test(
    arguments: [
      (AttemptFailure.status, nil, false, 3, #_sourceLocation),
      (.status, nil, true, 2, #_sourceLocation),
      (.unreachable, nil, false, 2, #_sourceLocation),
      (.refused, nil, false, 2, #_sourceLocation),
      (.timeout, nil, true, 3, #_sourceLocation),
      // The operator's number of failures is used unchanged.
      (.status, 1, false, 1, #_sourceLocation),
      (.status, 3, true, 3, #_sourceLocation),
      (.unreachable, 1, false, 1, #_sourceLocation),
      (.unreachable, 3, false, 3, #_sourceLocation),
      // Six attempts with over 30 % of failures are enough: 1 − 0.9^6 = .47.
      (.status, 50, true, 6, #_sourceLocation),
      (.status, 5, true, 5, #_sourceLocation),
    ] as [(AttemptFailure, Int?, Bool, Int, SourceLocation)])
  func needsSoManyFailures(
    failure: AttemptFailure, failsMax: Int?, clean: Bool, count: Int, at: SourceLocation
  ) {
    let context = Self.context(failsMax: failsMax, clean: clean)
    #expect(Self.needed(failure, context) == count, sourceLocation: at)
  }

  @Test func nginxsCountIsWithinFailTimeoutAndNotInARow() {
    var context = Self.context(failsMax: 2)
    context.policy.errorRatio = nil
    var health = PassiveHealth()
    // Two failures 31 s apart are in different windows.
    #expect(health.failed(.status, now: .seconds(1000), context) == false)
    #expect(health.failed(.status, now: .seconds(1031), context) == false)
    // Successes between failures do not reduce their number.
    for _ in 0..<50 { _ = health.succeeded(now: .seconds(1032)) }
    #expect(health.failed(.status, now: .seconds(1060), context) == true)
    // Each cooldown lasts `fail_timeout`.
    #expect(health.ejectedUntil == .seconds(1090))
    #expect(health.failed(.status, now: .seconds(1090), context) == true)
    #expect(health.ejectedUntil == .seconds(1120))
  }

  @Test func nginxsCountTakesTimeOutsForFailuresEvenInOverload() {
    var health = PassiveHealth()
    let context = Self.context(failsMax: 2)
    for _ in 0..<20 { _ = health.succeeded(now: .seconds(1000)) }
    #expect(health.failed(.timeout, now: .seconds(1000), context) == false)
    #expect(health.failed(.timeout, now: .seconds(1000), context) == true)
  }

  @Test func theErrorRatioCanBeSwitchedOff() {
    var context = Self.context(failsMax: 50)
    context.policy.errorRatio = nil
    #expect(Self.needed(.status, context) == 50)
  }

  @Test func aRepeatableRequestTriesItSoonAndWithoutMakingTheRestLonger() {
    var health = PassiveHealth()
    let context = Self.context(clean: true)
    for _ in 0..<2 { _ = health.failed(.status, now: .seconds(1000), context) }
    #expect(health.ejectedUntil == .seconds(1002))
    func may(_ seconds: Double, _ isRepeatable: Bool, load: Int32 = 0) -> Bool {
      health.mayBePicked(now: .seconds(seconds), load: load, isRepeatable: isRepeatable)
    }
    #expect(!may(1000.49, true))
    #expect(may(1000.5, true))
    #expect(!may(1000.5, true, load: 1))
    #expect(!may(1000.5, false))
    // A failed trial allows the next one after 500 ms; the cooldown for other requests is
    // unchanged.
    #expect(health.failed(.status, now: .seconds(1000.5), context) == false)
    #expect(!may(1000.99, true))
    #expect(may(1001, true))
    #expect(health.ejectedUntil == .seconds(1002))
    // Three good trials readmit the endpoint before its cooldown ends.
    #expect(health.succeeded(now: .seconds(1001)) == false)
    #expect(health.succeeded(now: .seconds(1001)) == false)
    #expect(health.succeeded(now: .seconds(1001)) == true)
    #expect(may(1001, false, load: 7))
  }

  @Test(arguments: [
    (AttemptFailure.timeout, 0.0, #_sourceLocation), (.status, 1.5, #_sourceLocation),
  ])
  func whatAClientWouldFeelIsNoFreeTrial(
    failure: AttemptFailure, took: Double, at: SourceLocation
  ) {
    var health = PassiveHealth()
    for _ in 0..<3 {
      _ = health.failed(failure, took: .seconds(took), now: .seconds(1000), Self.context())
    }
    #expect(
      !health.mayBePicked(now: .seconds(1001.9), load: 0, isRepeatable: true), sourceLocation: at)
    #expect(
      health.mayBePicked(now: .seconds(1002), load: 0, isRepeatable: true), sourceLocation: at)
  }

  @Test func onceAClientLostAPartOfAnAnswerNoTrialIsFree() {
    var health = PassiveHealth()
    for _ in 0..<2 { _ = health.failed(.truncated, now: .seconds(1000), Self.context()) }
    #expect(health.reason == .truncated)
    func may(_ seconds: Double) -> Bool {
      health.mayBePicked(now: .seconds(seconds), load: 0, isRepeatable: true)
    }
    #expect(!may(1001.9) && may(1002))
    // Each cooldown is twice as long, as for every error that clients see.
    #expect(health.failed(.truncated, now: .seconds(1002), Self.context()) == true)
    #expect(!may(1005.9) && may(1006))
    // Errors that could be retried allow no free trials either until readmission.
    #expect(health.failed(.status, now: .seconds(1006), Self.context()) == true)
    #expect(!may(1013.9) && may(1014))
    // A refused connection costs no client anything, whatever the endpoint did before.
    #expect(health.failed(.refused, now: .seconds(1014), Self.context()) == true)
    #expect(may(1014.5))
    health.readmit(now: .seconds(1015))
    for _ in 0..<3 { _ = health.failed(.status, now: .seconds(1016), Self.context()) }
    #expect(may(1016.5))
  }

  @Test func oneThatRefusesConnectionsIsTriedTwiceASecondByAnyRequest() {
    var health = PassiveHealth()
    var now = Nanoseconds.seconds(1000)
    var rests: [Double] = []
    for _ in 0..<7 {
      if health.failed(.refused, now: now, Self.context()) {
        rests.append((health.ejectedUntil - now).seconds)
        now = health.ejectedUntil
      }
    }
    #expect(rests == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
  }

  @Test func staysWhereTooManyAreEjectedAlready() {
    var health = PassiveHealth()
    var context = Self.context(clean: true)
    context.mayEject = false
    for _ in 0..<20 { #expect(health.failed(.status, now: .seconds(1000), context) == false) }
    #expect(!health.isHalfOpen)
    context.mayEject = true
    #expect(health.failed(.status, now: .seconds(1000), context) == true)
    // The limit of ejected endpoints does not apply to an endpoint that is already ejected.
    context.mayEject = false
    #expect(health.failed(.status, now: .seconds(1002), context) == true)
  }

  @Test func slowUnderOverloadIsNotBroken() {
    var health = PassiveHealth()
    for step in 0..<100 {
      // An answer came within the last 3 × 0.5 s at all times.
      _ = health.succeeded(now: .seconds(100 + step))
      for _ in 0..<9 {
        #expect(
          health.failed(.timeout, now: .seconds(Double(step) + 101.4), Self.context()) == false)
      }
    }
    #expect(health.failed(.timeout, now: .seconds(210), Self.context()) == true)
  }

  @Test func restsTwiceAsLongEachTimeUpToTheLimit() {
    var health = PassiveHealth()
    var now = Nanoseconds.seconds(1000)
    var rests: [Double] = []
    for _ in 0..<9 {
      if health.failed(.status, now: now, Self.context(clean: true)) {
        rests.append((health.ejectedUntil - now).seconds)
        now = health.ejectedUntil
      }
    }
    #expect(rests == [2, 4, 8, 8, 8, 8, 8, 8])
  }

  @Test func oneThatCutsConnectionsRestsForTenSecondsAtMost() {
    var health = PassiveHealth()
    var now = Nanoseconds.seconds(1000)
    var rests: [Double] = []
    for _ in 0..<7 {
      if health.failed(.unreachable, now: now, Self.context()) {
        rests.append((health.ejectedUntil - now).seconds)
        now = health.ejectedUntil
      }
    }
    #expect(rests == [2, 4, 8, 10, 10, 10])
  }

  @Test func twoGoodScrapesEndTheRestOfOneThatWasUnreachableOnly() {
    for (failure, ends) in [(AttemptFailure.unreachable, true), (.status, false)] {
      var health = PassiveHealth()
      let now = Nanoseconds.seconds(1000)
      for _ in 0..<3 { _ = health.failed(failure, now: now, Self.context()) }
      #expect(!health.mayBePicked(now: now, load: 0))
      health.take(.scrapeBack, count: 1, now: now, chance: 0, Self.context())
      #expect(health.mayBePicked(now: now, load: 0) == ends)
      #expect(health.isHalfOpen)
    }
  }

  @Test func whatStoodStillIsTriedOneRequestAtATimeAndAtOnce() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    health.take(.stalled, count: 1, now: now, chance: 0, Self.context())
    #expect(health.isHalfOpen)
    #expect(health.mayBePicked(now: now, load: 0))
    #expect(!health.mayBePicked(now: now, load: 1))
    for _ in 0..<3 { _ = health.succeeded(now: now) }
    #expect(!health.isHalfOpen && health.mayBePicked(now: now, load: 7))
    // A cooldown ends when the watchdog sees the endpoint at work; trials continue.
    for _ in 0..<3 { _ = health.failed(.unreachable, now: now, Self.context()) }
    #expect(!health.mayBePicked(now: now, load: 0))
    health.take(.recovered, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 0))
    #expect(!health.mayBePicked(now: now, load: 1))
  }

  @Test func whoseChecksAreGoodAgainIsBackAfterItsFirstGoodAnswer() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    for _ in 0..<3 { _ = health.failed(.status, now: now, Self.context()) }
    #expect(!health.mayBePicked(now: now, load: 0))
    health.take(.checked, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 0) && !health.mayBePicked(now: now, load: 1))
    #expect(health.succeeded(now: now) == true)
    // A failed answer still counts as a failed trial.
    for _ in 0..<3 { _ = health.failed(.status, now: now, Self.context()) }
    health.take(.checked, count: 1, now: now, chance: 0, Self.context())
    #expect(health.failed(.status, now: now, Self.context()) == true)
    #expect(health.succeeded(now: now) == false)
  }

  @Test func aLostScrapeAloneEjectsNobody() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    health.take(.scrapeLost, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 5))
    _ = health.failed(.timeout, now: now, Self.context())
    health.take(.scrapeLost, count: 1, now: now, chance: 0, Self.context())
    #expect(!health.mayBePicked(now: now, load: 0))
    #expect(health.ejectedUntil == .seconds(1001.5))
  }

  @Test func otherBalancersSuccessesOpenTheDoorAndTheirFailuresCloseIt() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    for _ in 0..<3 { _ = health.failed(.status, now: now, Self.context()) }
    health.take(.othersSuccesses, count: 2, now: now, chance: 0, Self.context())
    health.take(.othersFailures, count: 1, now: now, chance: 0.5, Self.context())
    #expect(health.ejectedUntil == .seconds(1002))
    health.take(.othersSuccesses, count: 2, now: now, chance: 0, Self.context())
    #expect(!health.mayBePicked(now: now, load: 0))
    health.take(.othersSuccesses, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 0))
  }

  @Test func anOutageSeenByOthersMakesOneFailureEnough() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    health.take(.othersOutage, count: 1, now: now, chance: 0, Self.context())
    #expect(health.failed(.status, now: now, Self.context()) == true)
    var later = PassiveHealth()
    later.take(.othersOutage, count: 1, now: now, chance: 0, Self.context())
    #expect(later.failed(.status, now: .seconds(1003.5), Self.context()) == false)
  }

  @Test func slowStartRisesFromThirtyPercent() {
    var health = PassiveHealth()
    #expect(health.ramp(now: .seconds(1), slowStart: .seconds(3)) == 1)
    health.beginSlowStart(now: .seconds(10))
    let ramp = [10.0, 12, 13, 20].map { health.ramp(now: .seconds($0), slowStart: .seconds(3)) }
    #expect(ramp == [0.3, 0.3 + 0.7 * 2 / 3, 1, 1])
    #expect(health.ramp(now: .seconds(10), slowStart: .zero) == 1)
  }
}
