// The cells of one duration histogram in a CellBlock: the buckets that dashboards use, the sum, and
// finer log-linear buckets (8 per octave) from which quantiles are read. A bucket cell holds its
// own count, not the cumulative one, so that a read at any time is consistent.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The layout of a duration histogram: `cellCount` cells from a base on.
public enum DurationHistogram {
  /// Upper bounds of the buckets, inclusive, in seconds; one more bucket holds what exceeds them.
  public static let bounds: [Double] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 300, 600,
  ]
  /// One bucket for each bound, and one for longer durations.
  @inlinable public static var bucketCount: Int { 20 }
  /// Octaves 2^15 ns (32.8 µs) up to 2^41 ns (2 199 s).
  @inlinable static var octaveCount: Int { 26 }
  @inlinable static var lowestExponent: Int { 15 }
  @inlinable static var fineCount: Int { octaveCount * 8 }
  @inlinable static var sumOffset: Int { bucketCount }
  @inlinable static var fineOffset: Int { bucketCount + 1 }
  /// The number of cells of one histogram.
  @inlinable public static var cellCount: Int { bucketCount + 1 + fineCount }

  /// Counts one duration; a negative one counts as 0. Only the writing thread of `cells` may call
  /// it. Requires: `base` + `cellCount` <= `cells.count`.
  @inlinable public static func observe(
    _ duration: Nanoseconds, in cells: CellBlock, at base: Int
  ) {
    let nanoseconds = UInt64(bitPattern: max(0, duration.rawValue))
    cells.add(1, at: base &+ fineOffset &+ fineIndex(nanoseconds))
    cells.add(nanoseconds, at: base &+ sumOffset)
    cells.add(1, at: base &+ bucketIndex(nanoseconds))
  }

  /// The number of bounds that the duration exceeds.
  @inlinable static func bucketIndex(_ nanoseconds: UInt64) -> Int {
    // Comparisons without a branch: durations are too mixed for branch prediction.
    @inline(__always) func above(_ bound: UInt64) -> Int { nanoseconds > bound ? 1 : 0 }
    var index = above(5_000_000) &+ above(10_000_000) &+ above(25_000_000)
    index = index &+ above(50_000_000) &+ above(100_000_000) &+ above(200_000_000)
    index = index &+ above(300_000_000) &+ above(500_000_000) &+ above(1_000_000_000)
    index = index &+ above(2_000_000_000) &+ above(5_000_000_000) &+ above(10_000_000_000)
    index = index &+ above(20_000_000_000) &+ above(30_000_000_000) &+ above(60_000_000_000)
    index = index &+ above(120_000_000_000) &+ above(180_000_000_000)
    return index &+ above(300_000_000_000) &+ above(600_000_000_000)
  }

  /// Octave × 8 + eighth of the octave, clamped at both ends.
  /// Example: 1 ms = 1.907 × 2^19 ns is in octave 19 - 15 = 4, in its eighth 7: 39.
  @inlinable static func fineIndex(_ nanoseconds: UInt64) -> Int {
    let lowest = UInt64(1) &<< UInt64(lowestExponent)
    let highest = (UInt64(1) &<< UInt64(lowestExponent &+ octaveCount)) &- 1
    let clamped = min(max(nanoseconds, lowest), highest)
    let exponent = 63 &- clamped.leadingZeroBitCount
    let eighth = Int(truncatingIfNeeded: clamped &>> UInt64(exponent &- 3)) & 7
    return (exponent &- lowestExponent) &* 8 &+ eighth
  }

  /// The middle of a fine bucket, in seconds: within 1/16 of all durations in it.
  static func fineMiddle(_ index: Int) -> Double {
    let octave = Double(UInt64(1) << UInt64(lowestExponent + index / 8))
    return octave * (1 + (Double(index % 8) + 0.5) / 8) / 1e9
  }

  /// The sum of one histogram over all blocks that hold it. Any thread; allocates. The sum of
  /// durations may be some observations ahead of the counts or behind them.
  public static func snapshot(of blocks: [CellBlock], at base: Int) -> HistogramSnapshot {
    var snapshot = HistogramSnapshot()
    for block in blocks {
      for index in 0..<bucketCount { snapshot.buckets[index] &+= block[base + index] }
      snapshot.sumSeconds += Double(block[base + sumOffset]) / 1e9
      for index in 0..<fineCount { snapshot.fine[index] &+= block[base + fineOffset + index] }
    }
    return snapshot
  }

  /// The same without quantiles, for metrics pages: a tenth of the reads.
  public static func buckets(of blocks: [CellBlock], at base: Int) -> HistogramSnapshot {
    var snapshot = HistogramSnapshot(fine: [])
    for block in blocks {
      for index in 0..<bucketCount { snapshot.buckets[index] &+= block[base &+ index] }
      snapshot.sumSeconds += Double(block[base &+ sumOffset]) / 1e9
    }
    return snapshot
  }
}
