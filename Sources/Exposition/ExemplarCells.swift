// The last traced observation of each bucket of a histogram of durations, in a CellBlock: the cells
// of an OpenMetrics exemplar. One thread writes, any may read: a check word tells a reader that
// came in the middle of a write, which then sees none.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The layout: `cellCount` cells from a base on, five for each bucket of `DurationHistogram`.
public enum ExemplarCells {
  @inlinable static var stride: Int { 5 }
  /// What the check word of something that was written differs by from zeros.
  @inlinable static var mark: UInt64 { 0x9E37_79B9_7F4A_7C15 }
  /// How many cells the exemplars of one histogram take.
  @inlinable public static var cellCount: Int { DurationHistogram.bucketCount &* stride }

  /// Keeps the observation as its bucket's last one. The writing thread of `cells` only.
  /// Requires: `base` + `cellCount` <= `cells.count`.
  @inlinable public static func store(
    _ duration: Nanoseconds, traceHigh: UInt64, traceLow: UInt64, at now: Nanoseconds,
    in cells: CellBlock, base: Int
  ) {
    let nanoseconds = UInt64(bitPattern: max(0, duration.rawValue))
    let time = UInt64(bitPattern: now.rawValue)
    let start = base &+ DurationHistogram.bucketIndex(nanoseconds) &* stride
    cells.store(traceHigh, at: start)
    cells.store(traceLow, at: start &+ 1)
    cells.store(nanoseconds, at: start &+ 2)
    cells.store(time, at: start &+ 3)
    cells.store(check(traceHigh, traceLow, nanoseconds, time), at: start &+ 4)
  }

  @inlinable static func check(
    _ high: UInt64, _ low: UInt64, _ nanoseconds: UInt64, _ time: UInt64
  ) -> UInt64 {
    // Multiplied, so that two words that were exchanged or torn alike do not cancel out.
    var check = mark ^ high
    check = check &* 0x0000_0100_0000_01B3 ^ low
    check = check &* 0x0000_0100_0000_01B3 ^ nanoseconds
    return check &* 0x0000_0100_0000_01B3 ^ time
  }

  /// For each bucket the newest of all the blocks, nil where there is none. `wallOffset` is the
  /// wall clock's reading less that of the monotonic clock. Any thread; allocates.
  public static func read(
    from blocks: [CellBlock], base: Int, wallOffset: Nanoseconds
  ) -> [TracedObservation?] {
    (0..<DurationHistogram.bucketCount).map { bucket in
      var newest: TracedObservation?
      for block in blocks {
        let start = base + bucket * stride
        let (high, low) = (block[start], block[start + 1])
        let (nanoseconds, time) = (block[start + 2], block[start + 3])
        guard block[start + 4] == check(high, low, nanoseconds, time), high | low != 0
        else { continue }
        let at = (Nanoseconds(Int64(bitPattern: time)) + wallOffset).seconds
        if at > newest?.time ?? -.infinity {
          newest = TracedObservation(
            traceHigh: high, traceLow: low, seconds: Double(nanoseconds) / 1e9, time: at)
        }
      }
      return newest
    }
  }
}

/// One observation of a histogram, with the trace that it belongs to.
public struct TracedObservation: Hashable, Sendable {
  /// The trace's identifier, 128 bits (W3C Trace Context §3.2.2.3).
  public let traceHigh: UInt64
  public let traceLow: UInt64
  /// What was observed.
  public let seconds: Double
  /// When, seconds since 1970.
  public let time: Double
}
