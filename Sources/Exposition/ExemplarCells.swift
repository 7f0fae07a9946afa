// The last traced observation of each bucket of a duration histogram, in a CellBlock: the data of
// an OpenMetrics exemplar. One thread writes, any may read. A check word detects a read in the
// middle of a write, which then returns none.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The layout: `cellCount` cells from a base on, five for each bucket of `DurationHistogram`.
public enum ExemplarCells {
  @inlinable static var stride: Int { 5 }
  /// A constant in the check word that distinguishes written cells from zeros.
  @inlinable static var mark: UInt64 { 0x9E37_79B9_7F4A_7C15 }
  /// The number of cells of one histogram's exemplars.
  @inlinable public static var cellCount: Int { DurationHistogram.bucketCount &* stride }

  /// Stores the observation as its bucket's last one. Only the writing thread of `cells` may call
  /// it. Requires: `base` + `cellCount` <= `cells.count`.
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
    // Multiplied, so that two swapped or equally torn words do not cancel out.
    var check = mark ^ high
    check = check &* 0x0000_0100_0000_01B3 ^ low
    check = check &* 0x0000_0100_0000_01B3 ^ nanoseconds
    return check &* 0x0000_0100_0000_01B3 ^ time
  }

  /// The most recent observation of each bucket over all blocks; nil: there is none. `wallOffset`
  /// is the wall clock's time minus the monotonic clock's. Any thread; allocates.
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

/// An observation of a histogram, with its trace.
public struct TracedObservation: Hashable, Sendable {
  /// The trace's identifier, 128 bits (W3C Trace Context §3.2.2.3).
  public let traceHigh: UInt64
  public let traceLow: UInt64
  /// The observed value.
  public let seconds: Double
  /// The time of the observation, seconds since 1970.
  public let time: Double
}
