// Log lines on standard error, logfmt, one an event.
import CSystem
import IO
import Primitives

enum LogLevel: String {
  case info, warning, error
}

/// Writes `time=… level=… msg="…" key=value` lines.
struct Log: Sendable {
  /// The demo's table owns the terminal: only errors are written.
  var isQuiet = false

  func write(_ level: LogLevel, _ message: String, _ pairs: KeyValuePairs<String, String> = [:]) {
    if isQuiet, level != .error { return }
    var line =
      "time=\(Self.timestamp(Clock.wall)) level=\(level.rawValue) msg=\(Self.quoted(message))"
    for (key, value) in pairs {
      line += " \(key)=\(Self.isBare(value) ? value : Self.quoted(value))"
    }
    Console.error(line)
  }

  private static func isBare(_ value: String) -> Bool {
    !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D }
  }

  private static func quoted(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          text += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    return text + "\""
  }

  /// RFC 3339 with milliseconds, in UTC.
  static func timestamp(_ wall: Nanoseconds) -> String {
    let (seconds, rest) = wall.rawValue.quotientAndRemainder(dividingBy: 1_000_000_000)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { room in
      guard let base = room.baseAddress else { return "" }
      sy_timestamp(seconds, Int32(rest / 1_000_000), base)
      return String(cString: base)
    }
  }
}

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
