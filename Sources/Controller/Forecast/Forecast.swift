// Forecasts the request rate of a pool for the next 1, 5 and 15 minutes from four candidates: the
// present rate, and Holt-Winters without a trend, with a damped trend and with a daily season. They
// are weighted by their recent accuracy at each horizon. Forecasts are compared with what came, and
// the errors are kept.
// Invariant: there is no forecast of a horizon before an earlier one could be compared.
// A pure value; after `init` it allocates nothing except where a function says so.
package import Primitives

/// How far ahead a forecast looks.
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

/// The errors of the forecasts of the last six hours, requests per second.
package struct ForecastError: Sendable, Equatable {
  /// Mean of |actual − forecast|.
  package let mean: Double
  /// The 90th percentile of actual − forecast; may be negative.
  package let upper: Double
  /// The number of comparisons, one a minute.
  package let count: Int
}

package struct Forecast: Sendable {
  package static let bin = Nanoseconds.seconds(10)
  /// The number of bins that a rate is averaged over: a minute.
  package static let window = 6
  /// The number of comparisons that an error needs.
  package static let errorsMin = 10
  /// A gap of this many bins means that the process did not run, not that there was no traffic.
  static let holeMax = 6
  /// Bins before the first forecast.
  static let warmUp = 12

  static let steady = Smoothing(levelBins: 60, trendBins: nil)
  static let trending = Smoothing(levelBins: 30, trendBins: 180)

  private var steady = SmoothedRate()
  private var trending = SmoothedRate()
  /// The rate less the daily profile.
  private var seasonal = SmoothedRate()
  private var profile = DailyProfile()
  private var tracks = ForecastHorizon.allCases.map { ForecastTrack($0) }

  /// Bins lie on a grid, so that a day of them is a day. A bin's rate is the mean over the time
  /// that was actually counted.
  private var openedAt: Nanoseconds?
  private var countedFrom = Nanoseconds.zero
  private var count = 0.0
  /// Bins since the start, gaps included.
  private var index = 0
  /// Bins since the last gap.
  private var run = 0
  private var recent: (Double, Double, Double, Double, Double, Double) = (0, 0, 0, 0, 0, 0)

  package init() {}

  /// Requests per second, the mean over the last minute, or since counting began if that is
  /// shorter; nil in the first ten seconds.
  package private(set) var rate: Double?

  /// The expected requests per second, the mean over the minute that ends at the horizon; nil while
  /// unknown.
  package func expected(_ horizon: ForecastHorizon) -> Double? { tracks[horizon.rawValue].expected }

  /// nil before there were ten comparisons. Allocates.
  package func error(_ horizon: ForecastHorizon) -> ForecastError? {
    tracks[horizon.rawValue].error
  }

  /// The rate that is not exceeded in nine of ten cases; nil before the error is known. Allocates.
  package func upper(_ horizon: ForecastHorizon) -> Double? {
    guard let expected = expected(horizon), let error = error(horizon) else { return nil }
    return max(0, expected + error.upper)
  }

  /// Takes the requests since the last call. Call at least about once a second.
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

  /// Skips bins in which nothing was counted.
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
    // Counts vary by at least √n (Poisson); one request in a minute is no reason to jump.
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
