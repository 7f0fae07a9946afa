// The daily profile of a rate: 96 quarter hours, each the mean of the last days. The day begins
// when the process started, so that no wall clock is needed; a change of daylight saving time is
// learned like any other change.

struct DailyProfile: Sendable {
  static let bucketCount = 96
  /// The number of bins in a bucket.
  static let bucketBins = 90
  static let dayBins = bucketCount * bucketBins
  /// The weight of a new day against the days before.
  static let dayGain = 0.35

  private var means = [Double](repeating: 0, count: bucketCount)
  private var days = [UInt16](repeating: 0, count: bucketCount)
  private var sum = 0.0
  private var count = 0
  private var bucket = -1
  /// Whether every bucket has seen two days.
  private(set) var isReady = false

  /// Takes one bin; `index` counts bins from the start.
  mutating func take(_ value: Double, index: Int) {
    let current = index % Self.dayBins / Self.bucketBins
    if current != bucket { (sum, count, bucket) = (0, 0, current) }
    sum += value
    count += 1
    // A bucket with missing bins is left out.
    guard index % Self.bucketBins == Self.bucketBins - 1, count == Self.bucketBins else { return }
    let gain = max(Self.dayGain, 1 / Double(days[bucket] + 1))
    means[bucket] += gain * (sum / Double(count) - means[bucket])
    if days[bucket] < .max { days[bucket] += 1 }
    if !isReady { isReady = days.allSatisfy { $0 >= 2 } }
  }

  /// The profile at a bin, interpolated between the middles of two buckets.
  func value(at index: Int) -> Double {
    let position = Double(index % Self.dayBins) / Double(Self.bucketBins) - 0.5
    let lower = Int(position.rounded(.down))
    let share = position - Double(lower)
    let first = (lower + Self.bucketCount) % Self.bucketCount
    return means[first] * (1 - share) + means[(first + 1) % Self.bucketCount] * share
  }

  /// The mean of the profile over the `window` bins that end with `index`.
  func mean(endingAt index: Int, window: Int) -> Double {
    // The profile is piecewise linear, so that the middle is the mean unless a piece begins within.
    value(at: index - window / 2)
  }
}
