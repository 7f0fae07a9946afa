// What a histogram of durations held at one time. Only each bucket's own count is stored;
// cumulative counts and the total are made from these, so they agree whatever was torn.

/// Counts of durations, summed over the workers.
public struct HistogramSnapshot: Hashable, Sendable {
  /// How many durations each bucket holds by itself: one for each of `DurationHistogram.bounds`,
  /// then one for those beyond.
  public internal(set) var buckets = [UInt64](repeating: 0, count: DurationHistogram.bucketCount)
  /// The sum of all durations.
  public internal(set) var sumSeconds = 0.0
  /// Empty where quantiles are not asked for.
  var fine: [UInt64]

  /// Nothing counted.
  public init() { fine = [UInt64](repeating: 0, count: DurationHistogram.fineCount) }

  /// The same, without what quantiles need.
  init(fine: [UInt64]) { self.fine = fine }

  /// How many durations were counted.
  public var count: UInt64 { buckets.reduce(0, &+) }

  /// As `_bucket` shows them: how many durations are at most each bound; the last is `count`.
  public var cumulativeBuckets: [UInt64] {
    var total: UInt64 = 0
    return buckets.map { own in
      total &+= own
      return total
    }
  }

  /// The duration in seconds that a share `q` of all is not above (nearest rank), with a relative
  /// error of at most 1/16 from 33 µs to 2 199 s. Nil where nothing was counted, `q`
  /// is NaN, or the snapshot is one of buckets alone.
  public func quantile(_ q: Double) -> Double? {
    let total = fine.reduce(0, &+)
    guard total > 0, !q.isNaN else { return nil }
    let rank = min(max(1, (min(max(q, 0), 1) * Double(total)).rounded(.up)), Double(total))
    var seen: UInt64 = 0
    for (index, own) in fine.enumerated() where own > 0 {
      seen &+= own
      if Double(seen) >= rank { return DurationHistogram.fineMiddle(index) }
    }
    return nil
  }

  /// What was counted between `earlier` and this one. A count that went down counts as 0.
  public func since(_ earlier: HistogramSnapshot) -> HistogramSnapshot {
    func difference(_ now: [UInt64], _ then: [UInt64]) -> [UInt64] {
      zip(now, then).map { $0 > $1 ? $0 - $1 : 0 }
    }
    var result = HistogramSnapshot()
    result.buckets = difference(buckets, earlier.buckets)
    result.fine = difference(fine, earlier.fine)
    result.sumSeconds = max(0, sumSeconds - earlier.sumSeconds)
    return result
  }
}
