import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct PassiveHealthTests {
  private static func context(
    failsMax: Int = 3, clean: Bool = false, response: Double = 0.5, interval: Double = 1
  ) -> PassiveContext {
    var policy = EjectionPolicy()
    policy.failsMax = failsMax
    return PassiveContext(
      policy: policy, fleetResponse: response, interval: interval, balancers: 1,
      othersAreClean: clean)
  }

  /// How many failures in a row it takes.
  private static func needed(_ failure: AttemptFailure, _ context: PassiveContext) -> Int {
    var health = PassiveHealth()
    for count in 1...50 where health.failed(failure, now: .seconds(1000), context) { return count }
    return 0
  }

  @Test(arguments: [
    (AttemptFailure.status, 3, false, 3, #_sourceLocation),
    (.status, 3, true, 2, #_sourceLocation),
    (.unreachable, 3, false, 2, #_sourceLocation),
    (.timeout, 3, true, 3, #_sourceLocation),
    (.status, 1, false, 1, #_sourceLocation),
    (.unreachable, 1, false, 1, #_sourceLocation),
    // Six attempts with over 30 % failures are enough for anybody: 1 − 0.9^6 = .47.
    (.status, 50, true, 6, #_sourceLocation),
    (.status, 5, true, 5, #_sourceLocation),
  ])
  func needsSoManyFailures(
    failure: AttemptFailure, failsMax: Int, clean: Bool, count: Int, at: SourceLocation
  ) {
    let context = Self.context(failsMax: failsMax, clean: clean)
    #expect(Self.needed(failure, context) == count, sourceLocation: at)
  }

  @Test func slowUnderOverloadIsNotBroken() {
    var health = PassiveHealth()
    for step in 0..<100 {
      // 3 × 0.5 s: there was an answer within that time, always.
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
    #expect(rests == [2, 4, 8, 16, 30, 30, 30, 30])
  }

  @Test func anUnreachableOneRestsForTenSecondsAtMost() {
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
    // A rest that requests earned ends where the endpoint is seen at work; trials go on.
    for _ in 0..<3 { _ = health.failed(.unreachable, now: now, Self.context()) }
    #expect(!health.mayBePicked(now: now, load: 0))
    health.take(.recovered, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 0))
    #expect(!health.mayBePicked(now: now, load: 1))
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
    health.take(.foreignSuccesses, count: 2, now: now, chance: 0, Self.context())
    health.take(.foreignFailures, count: 1, now: now, chance: 0.5, Self.context())
    #expect(health.ejectedUntil == .seconds(1002))
    health.take(.foreignSuccesses, count: 2, now: now, chance: 0, Self.context())
    #expect(!health.mayBePicked(now: now, load: 0))
    health.take(.foreignSuccesses, count: 1, now: now, chance: 0, Self.context())
    #expect(health.mayBePicked(now: now, load: 0))
  }

  @Test func anOutageSeenByOthersMakesOneFailureEnough() {
    var health = PassiveHealth()
    let now = Nanoseconds.seconds(1000)
    health.take(.foreignOutage, count: 1, now: now, chance: 0, Self.context())
    #expect(health.failed(.status, now: now, Self.context()) == true)
    var later = PassiveHealth()
    later.take(.foreignOutage, count: 1, now: now, chance: 0, Self.context())
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
