// What commands say on the standard streams, and `serve` before it has read its configuration:
// plain text, written at once.
import CSystem
import IO
import Synchronization

/// Whole lines to the standard streams.
package enum Console {
  package static func out(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: 1)
  }
  package static func error(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: 2)
  }

  /// What the first failure of standard output was, 0 for none. A closed pipe is none: whoever
  /// reads has what they wanted.
  private static let failure = Atomic<Int>(0)

  /// The exit code of a command that would end with `code`: not `ok` where its words were lost.
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
