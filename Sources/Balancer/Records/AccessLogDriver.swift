// The access log that workers and control thread share: a ring of lines for each worker, one
// writing thread, and counters of accepted and dropped lines. Invariant: a worker never waits for
// the destination; a line that finds its ring full is dropped and counted.
package import Fleet
package import IO
import Primitives

/// The access log of one process.
package final class AccessLogDriver: Sendable {
  /// The reason why a line was dropped.
  package enum Drop: Int, CaseIterable, Sendable {
    /// Lines come faster than the destination accepts them.
    case slow
    /// The destination accepts nothing: a full disk, or a FIFO without a reader.
    case failing

    /// The label for metrics; a finite set.
    package var label: String {
      switch self {
      case .slow: "slow"
      case .failing: "failing"
      }
    }
  }

  /// The longest time for which shutdown waits for lines that are not written yet.
  private static let finishTime = Nanoseconds.seconds(2)

  private let writer: RingWriter
  /// The cells of each worker: accepted lines, then dropped lines by reason.
  private let cells: [CellBlock]

  /// Makes the rings and starts the writing thread. Lines are discarded until `use` is called.
  /// Errors: those of pthread_create.
  package init(workerCount: Int) throws(IOError) {
    writer = try RingWriter(rings: (0..<workerCount).map { _ in LineRing() }, name: "access-log")
    cells = (0..<workerCount).map { _ in CellBlock(count: 1 + Drop.allCases.count) }
  }

  // MARK: Workers, each with its own ring

  /// Appends a complete line, or counts it as dropped.
  func append(_ line: UnsafeRawBufferPointer, worker: Int) {
    if writer.rings[worker].append(line) {
      cells[worker].add(1, at: 0)
      writer.noteAppend(to: worker)
    } else {
      let drop = writer.isFailing ? Drop.failing : .slow
      cells[worker].add(1, at: 1 + drop.rawValue)
    }
  }

  // MARK: The control thread

  /// Writes to the policy's destination from now on; a file that is already open is opened again.
  /// After an error nothing has changed. Errors: those of open(2).
  package func use(_ policy: AccessLogPolicy) throws(IOError) {
    let destination: RingWriter.Destination =
      switch policy.destination {
      case .none: .none
      case .standardOutput: .standardOutput
      case .standardError: .standardError
      case .file(let path): .file(path)
      }
    try writer.redirect(to: destination)
  }

  /// Opens the file again, for example after a rotation. After an error the old file stays in use.
  /// Errors: those of open(2).
  package func reopen() throws(IOError) { try writer.reopen() }

  /// The errno of the last write; 0: it succeeded.
  package var failure: Int32 { writer.failure }

  /// Writes the remaining lines within two seconds. Returns the number of bytes that were not
  /// written. Requires: the workers have ended.
  package func finish() -> Int { writer.finish(deadline: Clock.now + Self.finishTime) }

  // MARK: Reading, any thread

  /// The number of lines accepted since start.
  package var lineCount: UInt64 { cells.reduce(0) { $0 &+ $1[0] } }
  /// The number of lines dropped since start.
  package func dropCount(_ drop: Drop) -> UInt64 {
    cells.reduce(0) { $0 &+ $1[1 + drop.rawValue] }
  }
  /// The number of failed writes since start.
  package var failureCount: UInt64 { writer.failureCount }
}
