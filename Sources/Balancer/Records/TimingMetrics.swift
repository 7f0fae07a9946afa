// Measures the time of exchanges: until the first byte, the part that steelyard adds, the duration
// of loop turns, and the last traced exchange for each duration bucket. Invariant: each worker
// writes only its own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Exposition
package import Primitives

/// The position of each number in a block of cells.
struct TimingLayout {
  static let exemplars = DurationHistogram.cellCount
  static let cellsPerEndpoint = exemplars + ExemplarCells.cellCount

  let endpointLimit: Int

  var overheadBase: Int { endpointLimit * Self.cellsPerEndpoint }
  var turnBase: Int { overheadBase + ShortHistogram.cellCount }
  var cellCount: Int { turnBase + ShortHistogram.cellCount }
}

/// The cells of one worker. Only this worker writes to them.
struct TimingBook: ~Copyable {
  private let layout: TimingLayout
  private let cells: CellBlock

  init(_ metrics: TimingMetrics, workerIndex: Int) {
    layout = metrics.layout
    cells = metrics.blocks[workerIndex]
  }

  /// Notes the first byte of a response, `overhead` of whose time steelyard added.
  mutating func observeFirstByte(
    endpointIndex: Int, after duration: Nanoseconds, overhead: Nanoseconds
  ) {
    DurationHistogram.observe(
      duration, in: cells, at: endpointIndex * TimingLayout.cellsPerEndpoint)
    ShortHistogram.observe(overhead, in: cells, at: layout.overheadBase)
  }

  /// Keeps an exchange with a trace, which has ended, as an exemplar.
  mutating func keepExemplar(
    endpointIndex: Int, duration: Nanoseconds, traceHigh: UInt64, traceLow: UInt64, now: Nanoseconds
  ) {
    ExemplarCells.store(
      duration, traceHigh: traceHigh, traceLow: traceLow, at: now, in: cells,
      base: endpointIndex * TimingLayout.cellsPerEndpoint + TimingLayout.exemplars)
  }

  /// Notes the duration of a turn of the worker's loop.
  mutating func observeTurn(_ length: Nanoseconds) {
    ShortHistogram.observe(length, in: cells, at: layout.turnBase)
  }
}

/// The cells of all workers.
package final class TimingMetrics: Sendable {
  fileprivate let layout: TimingLayout
  fileprivate let blocks: [CellBlock]

  init(workerCount: Int, endpointLimit: Int) {
    let layout = TimingLayout(endpointLimit: endpointLimit)
    self.layout = layout
    blocks = (0..<workerCount).map { _ in CellBlock(count: layout.cellCount) }
  }

  /// Sets every cell of an endpoint to 0. Control thread only. Requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for cell in 0..<TimingLayout.cellsPerEndpoint {
        block.store(0, at: endpointIndex * TimingLayout.cellsPerEndpoint + cell)
      }
    }
  }

  // MARK: Reading, any thread

  /// The time from the complete request head to the first byte of the response.
  package func firstBytes(endpointIndex: Int) -> HistogramSnapshot {
    DurationHistogram.snapshot(of: blocks, at: endpointIndex * TimingLayout.cellsPerEndpoint)
  }

  /// The histogram of `firstBytes` without quantiles.
  package func firstByteBuckets(endpointIndex: Int) -> HistogramSnapshot {
    DurationHistogram.buckets(of: blocks, at: endpointIndex * TimingLayout.cellsPerEndpoint)
  }

  /// The time from the complete request head until the request was sent to the endpoint that
  /// answered, without the wait in the queue.
  package var overheads: ShortHistogramSnapshot {
    ShortHistogram.snapshot(of: blocks, at: layout.overheadBase)
  }

  /// The durations of the workers' loop turns. A turn is not measured if the wait after it needs no
  /// clock.
  package var turns: ShortHistogramSnapshot {
    ShortHistogram.snapshot(of: blocks, at: layout.turnBase)
  }

  /// The last traced exchange for each duration bucket. `wallOffset` is the time of the wall clock
  /// minus that of the monotonic clock.
  package func exemplars(endpointIndex: Int, wallOffset: Nanoseconds) -> [TracedObservation?] {
    ExemplarCells.read(
      from: blocks, base: endpointIndex * TimingLayout.cellsPerEndpoint + TimingLayout.exemplars,
      wallOffset: wallOffset)
  }
}
