// The fine buckets of a histogram of durations by themselves, small enough to be kept for several
// past times: what was counted between two of them gives quantiles of that span alone.
// Invariant: counts wrap around at 2^32; a difference is right while less than 2^31 lie between.

/// Counts of durations in fine buckets; no memory where nothing was counted.
package struct FineCounts: Sendable, Equatable {
  /// Empty, or one for each fine bucket.
  private var counts: [UInt32] = []

  /// Nothing counted.
  package init() {}

  /// The fine buckets of a snapshot.
  package init(_ snapshot: HistogramSnapshot) {
    guard snapshot.fine.contains(where: { $0 > 0 }) else { return }
    counts = snapshot.fine.map { UInt32(truncatingIfNeeded: $0) }
  }

  /// How many durations, modulo 2^64.
  package var total: UInt64 { counts.reduce(0) { $0 &+ UInt64($1) } }

  /// Adds another's counts.
  package mutating func add(_ other: FineCounts) {
    if other.counts.isEmpty { return }
    if counts.isEmpty {
      counts = other.counts
      return
    }
    for index in counts.indices { counts[index] &+= other.counts[index] }
  }

  /// What was counted since `earlier`. A bucket that fell counts as 0.
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

  /// As `HistogramSnapshot.quantile`: nearest rank, at most 1/16 wrong, nil of nothing.
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
