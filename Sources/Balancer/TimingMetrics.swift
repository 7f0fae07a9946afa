// Where the time of exchanges goes, in cells of each worker: until the first byte, what steelyard
// adds, how long a turn of a loop takes, and the last traced exchange of each duration.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Exposition
package import Primitives

package final class TimingMetrics: Sendable {
  private let slotCount: Int
  private let blocks: [CellBlock]

  private static let exemplars = DurationHistogram.cellCount
  private static let cellsPerSlot = exemplars + ExemplarCells.cellCount

  init(workerCount: Int, slotCount: Int) {
    self.slotCount = slotCount
    let count = slotCount * Self.cellsPerSlot + 2 * ShortHistogram.cellCount
    blocks = (0..<workerCount).map { _ in CellBlock(count: count) }
  }

  private var overheadBase: Int { slotCount * Self.cellsPerSlot }
  private var turnBase: Int { overheadBase + ShortHistogram.cellCount }

  // MARK: Writing, each worker its own

  /// The first byte of a response came.
  func observeFirstByte(
    worker: Int, slot: Int, after duration: Nanoseconds, overhead: Nanoseconds
  ) {
    DurationHistogram.observe(duration, in: blocks[worker], at: slot * Self.cellsPerSlot)
    ShortHistogram.observe(overhead, in: blocks[worker], at: overheadBase)
  }

  /// An exchange of a trace ended.
  func keepExemplar(
    worker: Int, slot: Int, duration: Nanoseconds, traceHigh: UInt64, traceLow: UInt64,
    now: Nanoseconds
  ) {
    ExemplarCells.store(
      duration, traceHigh: traceHigh, traceLow: traceLow, at: now, in: blocks[worker],
      base: slot * Self.cellsPerSlot + Self.exemplars)
  }

  /// A turn of the worker's loop ended.
  func observeTurn(worker: Int, _ length: Nanoseconds) {
    ShortHistogram.observe(length, in: blocks[worker], at: turnBase)
  }

  /// Sets every cell of a slot to 0. The control thread; requires: no worker writes to the slot.
  func clear(slot: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerSlot { block.store(0, at: slot * Self.cellsPerSlot + cell) }
    }
  }

  // MARK: Reading, any thread

  /// From the whole request head to the first byte of the response.
  package func firstBytes(slot: Int) -> HistogramSnapshot {
    DurationHistogram.snapshot(of: blocks, at: slot * Self.cellsPerSlot)
  }

  /// From the whole request head until the endpoint that answered was sent it, less the wait in
  /// the queue.
  package var overheads: ShortHistogramSnapshot {
    ShortHistogram.snapshot(of: blocks, at: overheadBase)
  }

  /// How long the turns of the workers' loops took; those that were not followed by a wait that
  /// needs the time are not measured.
  package var turns: ShortHistogramSnapshot { ShortHistogram.snapshot(of: blocks, at: turnBase) }

  /// The last traced exchange for each bucket of the durations. `wallOffset` is the wall clock's
  /// reading less that of the monotonic clock.
  package func exemplars(slot: Int, wallOffset: Nanoseconds) -> [TracedObservation?] {
    ExemplarCells.read(
      from: blocks, base: slot * Self.cellsPerSlot + Self.exemplars, wallOffset: wallOffset)
  }
}
