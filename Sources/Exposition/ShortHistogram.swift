// The cells of a histogram of short times, from 25 µs on: the time that the proxy itself takes.
// Buckets and a sum, without finer buckets.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The layout of a histogram of short times: `cellCount` cells from a base on.
public enum ShortHistogram {
  /// Upper bounds of the buckets, inclusive, in seconds; one more bucket holds what exceeds them.
  public static let bounds: [Double] = [
    25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3,
    500e-3, 1, 2.5, 5,
  ]
  /// One bucket for each bound, and one for longer times.
  @inlinable public static var bucketCount: Int { 18 }
  /// The number of cells of one histogram.
  @inlinable public static var cellCount: Int { bucketCount + 1 }

  /// Counts one duration; a negative one counts as 0. Only the writing thread of `cells` may call
  /// it. Requires: `base` + `cellCount` <= `cells.count`.
  @inlinable public static func observe(
    _ duration: Nanoseconds, in cells: CellBlock, at base: Int
  ) {
    let nanoseconds = UInt64(bitPattern: max(0, duration.rawValue))
    cells.add(nanoseconds, at: base &+ bucketCount)
    cells.add(1, at: base &+ bucketIndex(nanoseconds))
  }

  /// The number of bounds that the duration exceeds. Most exceed none or few, so that the search
  /// begins at the lowest.
  @inlinable static func bucketIndex(_ nanoseconds: UInt64) -> Int {
    if nanoseconds <= 25_000 { return 0 }
    if nanoseconds <= 50_000 { return 1 }
    if nanoseconds <= 100_000 { return 2 }
    var index = 2
    var decade: UInt64 = 100_000
    // 1, 2.5 and 5 of each power of ten, up to 5 s.
    while index < bucketCount &- 1 {
      if nanoseconds <= decade { return index }
      if nanoseconds <= decade &* 5 / 2 { return index &+ 1 }
      if nanoseconds <= decade &* 5 { return index &+ 2 }
      decade = decade &* 10
      index = index &+ 3
    }
    return bucketCount &- 1
  }

  /// The sum of one histogram over all blocks that hold it. Any thread; allocates.
  public static func snapshot(of blocks: [CellBlock], at base: Int) -> ShortHistogramSnapshot {
    var snapshot = ShortHistogramSnapshot()
    for block in blocks {
      for index in 0..<bucketCount { snapshot.buckets[index] &+= block[base + index] }
      snapshot.sumSeconds += Double(block[base + bucketCount]) / 1e9
    }
    return snapshot
  }
}

/// Counts of short times, summed over the workers.
public struct ShortHistogramSnapshot: Hashable, Sendable {
  /// The count of each bucket by itself: one for each of `ShortHistogram.bounds`, then one for
  /// longer times.
  public internal(set) var buckets = [UInt64](repeating: 0, count: ShortHistogram.bucketCount)
  /// The sum of all times.
  public internal(set) var sumSeconds = 0.0

  /// Creates an empty snapshot.
  public init() {}

  /// The number of times counted.
  public var count: UInt64 { buckets.reduce(0, &+) }
}
