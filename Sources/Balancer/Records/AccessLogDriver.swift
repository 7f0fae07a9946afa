// The access log as shared by the workers and the control thread: a ring of lines for each worker,
// one writing thread, and counters of written and dropped lines.
package import Fleet
package import IO
import Primitives

package final class AccessLogDriver: Sendable {
  /// Why a line was not written.
  package enum Drop: Int, CaseIterable, Sendable {
    /// Lines came faster than the destination accepts them.
    case slow
    /// The destination accepts nothing: a full disk, or a FIFO without a reader.
    case failing

    package var label: String {
      switch self {
      case .slow: "slow"
      case .failing: "failing"
      }
    }
  }

  /// The longest time that shutdown waits for lines that are not written yet.
  private static let finishTime = Nanoseconds.seconds(2)

  private let writer: RingWriter
  /// Cells of each worker: lines accepted, then drops by kind.
  private let cells: [CellBlock]

  /// Lines are discarded until `use` is called. Errors: those of pthread_create.
  package init(workerCount: Int) throws(IOError) {
    writer = try RingWriter(rings: (0..<workerCount).map { _ in LineRing() }, name: "access-log")
    cells = (0..<workerCount).map { _ in CellBlock(count: 1 + Drop.allCases.count) }
  }

  // MARK: Workers, each with its own ring

  /// Appends a whole line, or counts it as dropped.
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

  /// Sends lines to the policy's destination from now on; a file that is already open is opened
  /// again. On an error nothing changes. Errors: those of open(2).
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

  /// Opens the file again, as after a rotation. On an error the old one stays in use. Errors: those
  /// of open(2).
  package func reopen() throws(IOError) { try writer.reopen() }

  /// The errno of the last write; 0: it succeeded.
  package var failure: Int32 { writer.failure }

  /// Writes the remaining lines, for two seconds at most. Returns the number of bytes that could
  /// not be written. Requires: the workers have ended.
  package func finish() -> Int { writer.finish(deadline: Clock.now + Self.finishTime) }

  // MARK: Reading, any thread

  /// Lines accepted since start.
  package var lineCount: UInt64 { cells.reduce(0) { $0 &+ $1[0] } }
  /// Lines dropped since start.
  package func dropCount(_ drop: Drop) -> UInt64 {
    cells.reduce(0) { $0 &+ $1[1 + drop.rawValue] }
  }
  /// Failed writes since start.
  package var failureCount: UInt64 { writer.failureCount }
}
