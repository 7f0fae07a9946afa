import Controller
import FoundationEssentials
import Primitives
import Testing

@Suite struct ForecastBacktestTests {
  /// With STEELYARD_TABLES=1 in the environment each row of the table of docs/forecast.md is
  /// printed.
  @Test(arguments: SyntheticTraffic.all)
  func theForecastIsNoWorseThanNaiveAndBetterWhereThereIsSomethingToLearn(
    _ traffic: SyntheticTraffic
  ) {
    let results = Backtest.run(traffic, seed: 7)
    if ProcessInfo.processInfo.environment["STEELYARD_TABLES"] != nil {
      print(Backtest.row(traffic, results))
    }
    for (horizon, result) in zip(ForecastHorizon.allCases, results) {
      let goal = traffic.goals[horizon.rawValue]
      #expect(result.ratio <= goal, "\(traffic), \(horizon.label): \(result)")
    }
  }
}

@Suite struct ForecastTests {
  /// Feeds `perSecond` requests each second, in ticks of 100 ms.
  private static func run(
    _ forecast: inout Forecast, from: inout Double, seconds: Double,
    perSecond: (Double) -> Double
  ) {
    let end = from + seconds
    while from < end - 1e-6 {
      from += 0.1
      forecast.take(perSecond(from) / 10, now: .seconds(from))
    }
  }

  @Test func nothingIsSaidBeforeThereIsSomethingToGoBy() {
    var forecast = Forecast()
    var now = 100.0
    forecast.take(1_000_000, now: .seconds(now))
    #expect(forecast.rate == nil)
    Self.run(&forecast, from: &now, seconds: 9.8) { _ in 5 }
    #expect(forecast.rate == nil)
    Self.run(&forecast, from: &now, seconds: 0.4) { _ in 5 }
    // What was counted before the first look is nobody's rate.
    #expect(near(forecast.rate ?? 0, 5, 0.1))
    let known: [(ForecastHorizon, minutes: Double)] = [
      (.minute, 3), (.fiveMinutes, 7), (.quarterHour, 17),
    ]
    var minute = 10.2 / 60
    for (horizon, minutes) in known {
      Self.run(&forecast, from: &now, seconds: (minutes - 0.3 - minute) * 60) { _ in 5 }
      #expect(forecast.expected(horizon) == nil, "\(horizon)")
      Self.run(&forecast, from: &now, seconds: 0.6 * 60) { _ in 5 }
      #expect(near(forecast.expected(horizon) ?? 0, 5, 0.1), "\(horizon)")
      #expect(forecast.error(horizon) == nil)
      minute = minutes + 0.3
    }
    Self.run(&forecast, from: &now, seconds: 1_200) { _ in 5 }
    for horizon in ForecastHorizon.allCases {
      #expect(near(forecast.error(horizon)?.mean ?? 1, 0, 0.1))
      #expect(near(forecast.upper(horizon) ?? 0, 5, 0.1))
    }
  }

  @Test func aRateIsTheMeanOfTheLastMinute() {
    var forecast = Forecast()
    var now = 0.0
    forecast.take(0, now: .zero)
    Self.run(&forecast, from: &now, seconds: 60) { _ in 10 }
    #expect(near(forecast.rate ?? 0, 10, 0.2))
    Self.run(&forecast, from: &now, seconds: 30.1) { _ in 40 }
    #expect(near(forecast.rate ?? 0, 25, 0.5))
    Self.run(&forecast, from: &now, seconds: 30) { _ in 40 }
    #expect(near(forecast.rate ?? 0, 40, 0.5))
  }

  @Test func aJumpIsFollowedWithinAMinuteAndABurstIsNotATrend() throws {
    var forecast = Forecast()
    var now = 0.0
    forecast.take(0, now: .zero)
    Self.run(&forecast, from: &now, seconds: 3_600) { _ in 10 }
    Self.run(&forecast, from: &now, seconds: 70) { _ in 50 }
    let high = try #require(forecast.expected(.quarterHour))
    #expect(near(high, 50, 2))
    Self.run(&forecast, from: &now, seconds: 70) { _ in 10 }
    for horizon in ForecastHorizon.allCases {
      let low = try #require(forecast.expected(horizon))
      #expect((9...14).contains(low), "\(horizon): \(low)")
    }
  }

  @Test func aFallingRateIsNeverExpectedBelowZero() {
    var forecast = Forecast()
    var now = 0.0
    forecast.take(0, now: .zero)
    Self.run(&forecast, from: &now, seconds: 5_400) { max(0, 100 - $0 / 50) }
    for horizon in ForecastHorizon.allCases {
      #expect((forecast.expected(horizon) ?? -1) >= 0)
      #expect((forecast.upper(horizon) ?? -1) >= 0)
    }
  }

  @Test func aHoleInTimeIsNotAnHourWithoutTraffic() throws {
    var forecast = Forecast()
    var now = 0.0
    forecast.take(0, now: .zero)
    Self.run(&forecast, from: &now, seconds: 3_600) { _ in 10 }
    now += 3_600
    forecast.take(3, now: .seconds(now))
    #expect(forecast.rate == nil)
    #expect(forecast.expected(.fiveMinutes) == nil)
    Self.run(&forecast, from: &now, seconds: 150) { _ in 10 }
    #expect(near(forecast.rate ?? 0, 10, 0.2))
    #expect(near(try #require(forecast.expected(.fiveMinutes)), 10, 0.2))
    Self.run(&forecast, from: &now, seconds: 1_800) { _ in 10 }
    // Nothing that was said before the hole is compared with what came after.
    #expect(try #require(forecast.error(.quarterHour)).mean < 0.1)
  }

  @Test func aSlowTickSpreadsItsRequests() {
    var forecast = Forecast()
    forecast.take(0, now: .zero)
    for step in 1...40 { forecast.take(250, now: .seconds(25 * step)) }
    #expect(near(forecast.rate ?? 0, 10, 0.01))
    #expect(near(forecast.expected(.fiveMinutes) ?? 0, 10, 0.01))
  }

  @Test func numbersStayFiniteWhateverComes() {
    var forecast = Forecast()
    var random = RandomSource(seed: 3)
    var now = 0.0
    for step in 0..<20_000 {
      now += step % 997 == 0 ? 500 : random.unit() * 20
      let wild = [0, -5, 1, 1e9, 1e-9, 1e300][random.index(below: 6)]
      forecast.take(wild, now: .seconds(now))
      for horizon in ForecastHorizon.allCases {
        #expect(forecast.expected(horizon)?.isFinite != false)
      }
    }
  }
}
