// The contents of a duration histogram at one time. Only each bucket's own count is stored;
// cumulative counts and the total are derived from these, so that they agree even after a torn
// read.

/// Counts of durations, summed over the workers.
public struct HistogramSnapshot: Hashable, Sendable {
  /// The count of each bucket by itself: one for each of `DurationHistogram.bounds`, then one for
  /// longer durations.
  public internal(set) var buckets = [UInt64](repeating: 0, count: DurationHistogram.bucketCount)
  /// The sum of all durations.
  public internal(set) var sumSeconds = 0.0
  /// Empty if quantiles are not needed.
  var fine: [UInt64]

  /// Creates an empty snapshot.
  public init() { fine = [UInt64](repeating: 0, count: DurationHistogram.fineCount) }

  /// Creates an empty snapshot with the given fine buckets.
  init(fine: [UInt64]) { self.fine = fine }

  /// The number of durations counted.
  public var count: UInt64 { buckets.reduce(0, &+) }

  /// Cumulative counts, as `_bucket` shows them: the durations up to each bound; the last is
  /// `count`.
  public var cumulativeBuckets: [UInt64] {
    var total: UInt64 = 0
    return buckets.map { own in
      total &+= own
      return total
    }
  }

  /// The duration in seconds that a share `q` of all does not exceed (nearest rank), with a
  /// relative error of at most 1/16 from 33 µs to 2 199 s. nil: nothing was counted, `q` is NaN, or
  /// the snapshot has no fine buckets.
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

  /// The difference to an `earlier` snapshot. A count that went down counts as 0.
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
