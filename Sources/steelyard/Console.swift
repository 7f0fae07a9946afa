// What commands say on the standard streams, and `serve` before it has read its configuration:
// plain text, written at once.
import CSystem

/// Whole lines to the standard streams.
enum Console {
  static func out(_ text: String, terminator: String = "\n") { write(text + terminator, to: 1) }
  static func error(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: 2)
  }

  private static func write(_ text: String, to fd: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let count = sy_write(fd, rest.baseAddress, rest.count)
        // A closed pipe or a full disk: there is nobody to tell.
        if count <= 0 { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
  }
}
