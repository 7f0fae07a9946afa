// Output of commands, and of `serve` before it has read its configuration: plain text, written at
// once.
import CSystem
import IO
import Synchronization

/// Writes lines to the standard streams.
package enum Console {
  package static func out(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: 1)
  }
  package static func error(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: 2)
  }

  /// The errno of the first failed write to standard output; 0: none. A closed pipe does not count:
  /// its reader has read enough.
  private static let failure = Atomic<Int>(0)

  /// The exit code of a command that ends with `code`: an error if its output was lost.
  package static func end(_ code: ExitCode) -> ExitCode {
    let failure = failure.load(ordering: .relaxed)
    guard code == .ok, failure != 0 else { return code }
    error("steelyard: cannot write to standard output: \(IOError("write", failure).reason)")
    return .cannotCreate
  }

  private static func write(_ text: String, to fd: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let count = sy_write(fd, rest.baseAddress, rest.count)
        guard count > 0 else {
          if fd == 1, count != -Int(EPIPE) { failure.store(-count, ordering: .relaxed) }
          return
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
  }
}
