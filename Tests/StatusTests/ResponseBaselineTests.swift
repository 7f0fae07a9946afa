import Exposition
import Fleet
import Primitives
import Testing

@testable import Status

/// What is usual, over hours: readings come every ten seconds, which is what it takes.
private struct Pool {
  var baseline = ResponseBaseline()
  var policy = ThresholdPolicy()
  var now = Nanoseconds.seconds(100)

  /// `count` requests in each ten seconds; a mean's spread is alternating.
  mutating func run(
    minutes: Int, mean: Double, spread: Double = 0, count: Double = 40, errors: Double = 0
  ) {
    for slice in 0..<(minutes * 6) {
      now = now + .seconds(10)
      var sums = TrafficSums()
      (sums.ended, sums.answered) = (count, count)
      sums.errors = errors
      sums.durationSum = count * (mean + (slice / 6 % 2 == 0 ? spread : -spread))
      baseline.take(sums, policy, now: now)
    }
  }

  var limits: ResponseLimits { ResponseLimits(policy, baseline) }
  var alarm: Double? { limits.mean?.alarm.seconds }
}

@Suite struct ResponseBaselineTests {
  @Test func nothingIsUsualBeforeTenMinutes() {
    var pool = Pool()
    pool.run(minutes: 9, mean: 6)
    #expect(pool.limits == ResponseLimits(ThresholdPolicy()))
    #expect(pool.limits.mean == nil && pool.limits.p99 == nil)
    pool.run(minutes: 3, mean: 6)
    #expect(pool.limits.usualMean == 6)
    #expect(pool.limits.mean == .init(normal: .seconds(12), alarm: .seconds(24)))
  }

  @Test func fewRequestsMakeNoMinute() {
    var pool = Pool()
    pool.run(minutes: 30, mean: 6, count: 1)
    #expect(pool.limits.usualMean == nil)
    pool.run(minutes: 40, mean: 6, count: 1)
    #expect(pool.limits.usualMean == 6)
  }

  @Test func aPoolWhoseMeansWanderIsNeverBeyondItsThreshold() {
    var pool = Pool()
    pool.run(minutes: 60, mean: 6.5, spread: 3.5)
    for _ in 0..<24 {
      pool.run(minutes: 60, mean: 6.5, spread: 3.5)
      #expect(pool.limits.mean.map { $0.normal.seconds > 10 } == true)
    }
  }

  @Test func aQuickPoolIsHeldToTheWebThresholds() {
    var pool = Pool()
    pool.run(minutes: 20, mean: 0.002)
    #expect(pool.limits.mean == ThresholdPolicy.webResponseTime)
  }

  @Test func namedThresholdsStay() {
    var pool = Pool()
    pool.policy.responseTime = .init(normal: .seconds(1), alarm: .seconds(2))
    pool.run(minutes: 120, mean: 6)
    #expect(pool.limits.mean == pool.policy.responseTime)
  }

  @Test func aSlowdownIsNotLearnedWhileItIsAnAlarm() {
    var pool = Pool()
    pool.run(minutes: 90, mean: 2)
    let alarm = pool.alarm
    pool.run(minutes: 6 * 60, mean: 10)
    #expect(pool.alarm == alarm && alarm == 8)
    // After half a day it is what is usual.
    pool.run(minutes: 48 * 60, mean: 10)
    #expect(pool.limits.usualMean.map { $0 > 2 } == true)
  }

  @Test(arguments: [1.15, 1.2, 1.3])
  func aPoolThatGetsSlowerLittleByLittleIsToldOf(growth: Double) {
    var pool = Pool()
    pool.run(minutes: 24 * 60, mean: 2)
    var mean = 2.0
    for _ in 0..<20 where mean <= pool.limits.mean?.normal.seconds ?? 0 {
      mean *= growth
      pool.run(minutes: 60, mean: mean)
    }
    #expect(mean > pool.limits.mean?.normal.seconds ?? .infinity)
    #expect(mean < 8)
  }

  @Test func quickFailuresAreNotWhatIsUsual() {
    var pool = Pool()
    pool.run(minutes: 20, mean: 5)
    pool.run(minutes: 120, mean: 0.001, errors: 40)
    #expect(pool.limits.usualMean == 5)
  }

  @Test func whatIsUsualByDayIsNoAlarmInTheMorning() {
    var pool = Pool()
    for _ in 0..<4 {
      pool.run(minutes: 16 * 60, mean: 2)
      pool.run(minutes: 8 * 60, mean: 6)
    }
    pool.run(minutes: 16 * 60, mean: 2)
    #expect(pool.alarm == 24)
  }

  @Test func theConditionFollowsThePool() {
    var world = World()
    world.run(900) { $0.endpoints[0].serve(5, lasting: 6) }
    #expect(world.alerts.isEmpty)
    world.run(60) { $0.endpoints[0].serve(5, lasting: 17) }
    #expect(world.alerts == ["ResponseTimeElevated", "ProcessingTimeHigh"])
    world.run(60) { $0.endpoints[0].serve(5, lasting: 30) }
    #expect(world.alerts == ["ResponseTimeHigh", "TailLatencyHigh", "ProcessingTimeHigh"])
    let text = world.conditions.first?.text
    let limits = world.history.limits(of: "text", ThresholdPolicy())
    #expect(limits.words.hasPrefix("response time 12 s, alarm 24 s; p99 "))
    #expect(limits.words.contains("; usual is 6 s, p99 "))
    #expect(text == "the mean response time is 30 s, more than 24 s: 6 s is usual")
  }
}
