// The access log as the workers and the control thread share it: a ring of lines for each worker,
// one writing thread, and what was written and dropped.
package import Fleet
package import IO
import Primitives

package final class AccessLogDriver: Sendable {
  /// Why a line was not written.
  package enum Drop: Int, CaseIterable, Sendable {
    /// Lines came faster than the destination takes them.
    case slow
    /// The destination takes nothing: a full disk, a FIFO that nobody reads.
    case failing

    package var label: String {
      switch self {
      case .slow: "slow"
      case .failing: "failing"
      }
    }
  }

  /// How long the end waits for lines that are not written yet.
  private static let finishTime = Nanoseconds.seconds(2)

  private let writer: RingWriter
  /// Each worker's: lines taken, then drops by kind.
  private let cells: [CellBlock]

  /// Errors: pthread_create's. The log goes nowhere until `use`.
  package init(workerCount: Int) throws(IOError) {
    writer = try RingWriter(rings: (0..<workerCount).map { _ in LineRing() }, name: "access-log")
    cells = (0..<workerCount).map { _ in CellBlock(count: 1 + Drop.allCases.count) }
  }

  // MARK: Workers, each its own

  /// Takes a whole line, or counts that it was dropped.
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

  /// Sends lines to the policy's destination from now on, and opens a file anew that is open
  /// already. On an error nothing changes. Errors: open(2)'s.
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

  /// Opens the file anew, as after a rotation. Errors: open(2)'s; the old one stays in use.
  package func reopen() throws(IOError) { try writer.reopen() }

  /// The errno of the last write; 0 where it worked.
  package var failure: Int32 { writer.failure }

  /// Writes what is left, for two seconds at most. Requires: the workers have ended.
  /// Gives how many bytes could not be written.
  package func finish() -> Int { writer.finish(deadline: Clock.now + Self.finishTime) }

  // MARK: Reading, any thread

  /// Lines taken, ever.
  package var lineCount: UInt64 { cells.reduce(0) { $0 &+ $1[0] } }
  /// Lines that were dropped, ever.
  package func dropCount(_ drop: Drop) -> UInt64 {
    cells.reduce(0) { $0 &+ $1[1 + drop.rawValue] }
  }
  /// Writes that failed, ever.
  package var failureCount: UInt64 { writer.failureCount }
}
