// What a rate is like at each time of the day: 96 quarter hours, each the mean of the last days.
// The day begins when the process did; a wall clock is not needed, and a change of daylight saving
// time is one more thing to learn.

struct DailyProfile: Sendable {
  static let bucketCount = 96
  /// Bins in a bucket.
  static let bucketBins = 90
  static let dayBins = bucketCount * bucketBins
  /// A day's weight against the days before.
  static let dayGain = 0.35

  private var means = [Double](repeating: 0, count: bucketCount)
  private var days = [UInt16](repeating: 0, count: bucketCount)
  private var sum = 0.0
  private var count = 0
  private var bucket = -1
  /// Every bucket has two days behind it.
  private(set) var isReady = false

  /// Takes one bin; `index` counts bins from the beginning.
  mutating func take(_ value: Double, index: Int) {
    let current = index % Self.dayBins / Self.bucketBins
    if current != bucket { (sum, count, bucket) = (0, 0, current) }
    sum += value
    count += 1
    // A bucket with holes in it is left out.
    guard index % Self.bucketBins == Self.bucketBins - 1, count == Self.bucketBins else { return }
    let gain = max(Self.dayGain, 1 / Double(days[bucket] + 1))
    means[bucket] += gain * (sum / Double(count) - means[bucket])
    if days[bucket] < .max { days[bucket] += 1 }
    if !isReady { isReady = days.allSatisfy { $0 >= 2 } }
  }

  /// The profile at a bin, between the middles of two buckets.
  func value(at index: Int) -> Double {
    let position = Double(index % Self.dayBins) / Double(Self.bucketBins) - 0.5
    let lower = Int(position.rounded(.down))
    let share = position - Double(lower)
    let first = (lower + Self.bucketCount) % Self.bucketCount
    return means[first] * (1 - share) + means[(first + 1) % Self.bucketCount] * share
  }

  /// Its mean over the `window` bins that end with `index`.
  func mean(endingAt index: Int, window: Int) -> Double {
    // Piecewise linear, so the middle is the mean but where a piece begins.
    value(at: index - window / 2)
  }
}
