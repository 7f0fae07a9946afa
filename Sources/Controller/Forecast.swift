// The request rate of a pool, now and as it is expected in 1, 5 and 15 minutes: the rate as it is,
// Holt-Winters without a trend, with a damped one and with a daily season, weighed by how well each
// did at that horizon lately. Its own errors are kept: what was said is compared with what came.
// Invariant: nothing is forecast before one forecast of that horizon could be compared.
// A pure value; after `init` it allocates nothing but where a function says so.
package import Primitives

/// How far ahead.
package enum ForecastHorizon: Int, CaseIterable, Sendable {
  case minute, fiveMinutes, quarterHour

  package var label: String {
    switch self {
    case .minute: "1m"
    case .fiveMinutes: "5m"
    case .quarterHour: "15m"
    }
  }

  /// In bins of 10 s.
  package var binCount: Int {
    switch self {
    case .minute: 6
    case .fiveMinutes: 30
    case .quarterHour: 90
    }
  }
}

/// How wrong the forecasts of the last six hours were, requests a second.
package struct ForecastError: Sendable, Equatable {
  /// Mean of |what came − what was forecast|.
  package let mean: Double
  /// Nine of ten times what came was not more than this above the forecast; may be negative.
  package let upper: Double
  /// Comparisons, one a minute.
  package let count: Int
}

package struct Forecast: Sendable {
  package static let bin = Nanoseconds.seconds(10)
  /// A rate is a mean over so many bins: a minute.
  package static let window = 6
  /// Comparisons that an error needs.
  package static let errorsMin = 10
  /// A hole of so many bins is no traffic that was not there but a process that did not run.
  static let holeMax = 6
  /// Bins before the first forecast is tried.
  static let warmUp = 12

  static let steady = Smoothing(levelBins: 60, trendBins: nil)
  static let trending = Smoothing(levelBins: 30, trendBins: 180)

  private var steady = SmoothedRate()
  private var trending = SmoothedRate()
  /// Of what is left of the rate without the daily profile.
  private var seasonal = SmoothedRate()
  private var profile = DailyProfile()
  private var tracks = ForecastHorizon.allCases.map { ForecastTrack($0) }

  /// Bins lie on a grid, so that a day of them is a day; a bin's rate is a mean over the time that
  /// was really counted.
  private var openedAt: Nanoseconds?
  private var countedFrom = Nanoseconds.zero
  private var count = 0.0
  /// Bins since the beginning, holes included.
  private var index = 0
  /// Bins since the last hole.
  private var run = 0
  private var recent: (Double, Double, Double, Double, Double, Double) = (0, 0, 0, 0, 0, 0)

  package init() {}

  /// Requests a second, the mean over the last minute, or since the beginning of the count where
  /// that is later; nil before the first ten seconds are over.
  package private(set) var rate: Double?

  /// Requests a second, the mean over the minute that ends so far from now; nil while unknown.
  package func expected(_ horizon: ForecastHorizon) -> Double? { tracks[horizon.rawValue].expected }

  /// nil before there were ten comparisons. Allocates.
  package func error(_ horizon: ForecastHorizon) -> ForecastError? {
    tracks[horizon.rawValue].error
  }

  /// What nine of ten times is not exceeded; nil before the error is known. Allocates.
  package func upper(_ horizon: ForecastHorizon) -> Double? {
    guard let expected = expected(horizon), let error = error(horizon) else { return nil }
    return max(0, expected + error.upper)
  }

  /// Takes the requests that came since the last call. Call about every second or more often.
  package mutating func take(_ requests: Double, now: Nanoseconds) {
    guard let opened = openedAt else {
      (openedAt, countedFrom) = (now, now)
      return
    }
    count += max(0, requests)
    guard now - opened >= Self.bin else { return }
    let bins = Int((now - opened).rawValue / Self.bin.rawValue)
    openedAt = opened + Nanoseconds(Int64(bins) * Self.bin.rawValue)
    let value = count / (now - countedFrom).seconds
    (countedFrom, count) = (now, 0)
    if bins > Self.holeMax {
      skip(bins)
    } else {
      for _ in 0..<bins { close(value) }
    }
  }

  /// Nobody counted for a while.
  private mutating func skip(_ bins: Int) {
    index += bins
    run = 0
    rate = nil
    for each in tracks.indices { tracks[each].forget() }
  }

  private mutating func close(_ value: Double) {
    recent = (value, recent.0, recent.1, recent.2, recent.3, recent.4)
    run += 1
    let now = mean(min(run, Self.window))
    rate = now
    // Counts scatter like √n at least (Poisson); one request in a minute is nothing to jump at.
    let seconds = Self.bin.seconds
    let poisson = max(max(steady.level, 0) / seconds, 1 / (seconds * seconds * 6))
    for each in tracks.indices { tracks[each].compare(now, index: index) }
    steady.take(value, Self.steady, variance: poisson)
    trending.take(value, Self.trending, variance: poisson)
    if profile.isReady {
      seasonal.take(value - profile.value(at: index), Self.steady, variance: poisson)
    }
    profile.take(value, index: index)
    if run >= Self.warmUp {
      for each in tracks.indices {
        let candidates = candidates(tracks[each].horizon, now)
        tracks[each].forecast(candidates, index: index)
      }
    }
    index += 1
  }

  private func mean(_ bins: Int) -> Double {
    let all = recent
    switch bins {
    case 1: return all.0
    case 2: return (all.0 + all.1) / 2
    case 3: return (all.0 + all.1 + all.2) / 3
    case 4: return (all.0 + all.1 + all.2 + all.3) / 4
    case 5: return (all.0 + all.1 + all.2 + all.3 + all.4) / 5
    default: return (all.0 + all.1 + all.2 + all.3 + all.4 + all.5) / 6
    }
  }

  private func candidates(_ horizon: ForecastHorizon, _ now: Double) -> ForecastCandidates {
    let bins = horizon.binCount
    let trend = max(0, trending.expected(bins, window: Self.window, Self.trending))
    var season = trend
    if seasonal.age > 0 {
      season = max(0, seasonal.level + profile.mean(endingAt: index + bins, window: Self.window))
    }
    return ForecastCandidates(now, max(0, steady.level), trend, season)
  }
}
