// The fine buckets of a duration histogram alone, small enough to be kept for several past times:
// the difference of two of them gives the quantiles of the time between.
// Invariant: counts wrap around at 2^32; a difference is right if it is less than 2^31.

/// Counts of durations in fine buckets. Takes no memory while nothing is counted.
package struct FineCounts: Sendable, Equatable {
  /// Empty, or one count for each fine bucket.
  private var counts: [UInt32] = []

  /// Creates empty counts.
  package init() {}

  /// The fine buckets of a snapshot.
  package init(_ snapshot: HistogramSnapshot) {
    guard snapshot.fine.contains(where: { $0 > 0 }) else { return }
    counts = snapshot.fine.map { UInt32(truncatingIfNeeded: $0) }
  }

  /// Whether there are none. A value that other counts were subtracted from may say false without.
  package var isEmpty: Bool { counts.isEmpty }

  /// The number of durations, modulo 2^64.
  package var total: UInt64 { counts.reduce(0) { $0 &+ UInt64($1) } }

  /// Adds the counts of another value.
  package mutating func add(_ other: FineCounts) {
    if other.counts.isEmpty { return }
    if counts.isEmpty {
      counts = other.counts
      return
    }
    for index in counts.indices { counts[index] &+= other.counts[index] }
  }

  /// The counts since `earlier`. A bucket that went down counts as 0.
  package func since(_ earlier: FineCounts) -> FineCounts {
    if earlier.counts.isEmpty || counts.isEmpty { return self }
    var result = self
    var isEmpty = true
    for index in counts.indices {
      let difference = counts[index] &- earlier.counts[index]
      result.counts[index] = difference < 1 << 31 ? difference : 0
      if result.counts[index] > 0 { isEmpty = false }
    }
    return isEmpty ? FineCounts() : result
  }

  /// As `HistogramSnapshot.quantile`: nearest rank, an error of at most 1/16, nil if there are no
  /// counts.
  package func quantile(_ q: Double) -> Double? {
    let total = total
    guard total > 0, !q.isNaN else { return nil }
    let rank = max(1, (min(max(q, 0), 1) * Double(total)).rounded(.up))
    var seen: UInt64 = 0
    for (index, own) in counts.enumerated() where own > 0 {
      seen &+= UInt64(own)
      if Double(seen) >= rank { return DurationHistogram.fineMiddle(index) }
    }
    return nil
  }
}
