// A rate's level and damped trend: Holt's linear method with a trend that dies away (Gardner,
// McKenzie 1985), which jumps when the rate jumps. Noise is smoothed slowly; when the mean of the
// last bins is more than four standard errors off, it becomes the level at once.
// A pure value; allocates nothing.
import Glibc

/// How fast a `SmoothedRate` learns; times in bins.
struct Smoothing: Sendable {
  /// The share of a bin's error that is added to the level, and the share of that added to the
  /// trend.
  let levelGain: Double
  let trendGain: Double
  /// The factor that the trend keeps after a bin.
  let damping: Double

  init(levelBins: Double, trendBins: Double?, dampingBins: Double = 360) {
    levelGain = 1 - exponential(-1 / levelBins)
    trendGain = trendBins.map { 1 - exponential(-1 / $0) } ?? 0
    damping = exponential(-1 / dampingBins)
  }
}

struct SmoothedRate: Sendable {
  /// The number of standard errors beyond which the mean of the last bins becomes the level.
  static let jumpErrors = 4.0
  /// The number of bins over which a jump is detected: a minute, or half of it for a large one.
  static let longWindow = 6
  static let shortWindow = 3
  /// The number of bins before there is a trend, after the start and after a jump.
  static let trendAge = 30
  static let noiseGain = 0.02

  private(set) var level = 0.0
  /// The change per bin, before damping.
  private(set) var trend = 0.0
  /// The number of bins that the level is based on; 0: none yet.
  private(set) var age = 0
  /// The variance of a bin around the level, computed from differences of neighbouring bins, which
  /// do not depend on the level.
  private var noise = 0.0
  private var previous = 0.0
  private var recent: (Double, Double, Double, Double, Double, Double) = (0, 0, 0, 0, 0, 0)

  /// Takes one bin; `variance` is a lower bound of its noise.
  mutating func take(_ value: Double, _ smoothing: Smoothing, variance: Double) {
    recent = (value, recent.0, recent.1, recent.2, recent.3, recent.4)
    defer { previous = value }
    guard age > 0 else {
      level = value
      age = 1
      return
    }
    let step = (value - previous) * (value - previous) / 2
    noise = age == 1 ? step : noise + Self.noiseGain * (min(step, 9 * noise + 1e-9) - noise)
    age += 1
    let predicted = level + smoothing.damping * trend
    let surprise = value - predicted
    let gain = max(smoothing.levelGain, 1 / Double(age))
    level = predicted + gain * surprise
    trend *= smoothing.damping
    if age > Self.trendAge { trend += gain * smoothing.trendGain * surprise }
    let spread = max(noise, variance)
    if !jump(Self.longWindow, spread) { _ = jump(Self.shortWindow, spread) }
  }

  private mutating func jump(_ window: Int, _ spread: Double) -> Bool {
    guard age > window else { return false }
    var mean = (recent.0 + recent.1 + recent.2) / 3
    if window == Self.longWindow { mean = mean / 2 + (recent.3 + recent.4 + recent.5) / 6 }
    let allowed = Self.jumpErrors * (spread / Double(window)).squareRoot()
    guard abs(mean - level) > allowed else { return false }
    level = mean
    trend = 0
    age = window
    return true
  }

  /// The mean expected over the `window` bins that end `horizon` bins from now.
  func expected(_ horizon: Int, window: Int, _ smoothing: Smoothing) -> Double {
    guard trend != 0 else { return level }
    // The trend of k bins sums to t·d(1 − d^k)/(1 − d); this is its mean over the window.
    let d = smoothing.damping
    let first = pow(d, Double(horizon - window + 1))
    let powers = first * (1 - pow(d, Double(window))) / (1 - d) / Double(window)
    return level + trend * d * (1 - powers) / (1 - d)
  }
}
