// One line of the log, in logfmt or JSON. Pure: everything is an argument, and the caller owns the
// memory of the line. Invariant: whatever the values hold, the result is one line of at most
// `byteCountMax` bytes.
import CSystem
package import Fleet
package import HTTP
package import Primitives

/// The value of a key: text or a number.
package protocol LogValue {
  /// The value as text.
  var shown: String { get }
  /// Whether the value stands in JSON without quotes.
  var isNumber: Bool { get }
}

extension String: LogValue {
  package var shown: String { self }
  package var isNumber: Bool { false }
}

extension Int: LogValue {
  package var shown: String { description }
  package var isNumber: Bool { true }
}

extension UInt64: LogValue {
  package var shown: String { description }
  package var isNumber: Bool { true }
}

extension Double: LogValue {
  package var shown: String { description }
  /// Infinities are quoted: JSON has none.
  package var isNumber: Bool { isFinite }
}

/// The writer of lines.
package enum EventLine {
  /// The longest line.
  package static let byteCountMax = 8_192
  /// The most bytes of a value before it is escaped; a longer one is cut.
  package static let valueBytesMax = 1_024
  /// The bytes that stay free for each key after a value.
  private static let reserve = 64

  /// Appends a line with its end. Keys are ASCII words of at most 32 bytes; at most 24 of them.
  /// `name` becomes a last key of that name; nil: there is none.
  /// Requires: room for `byteCountMax`. Allocates.
  package static func write(
    _ format: LogPolicy.Format, _ level: LogPolicy.Level, _ message: String,
    _ pairs: KeyValuePairs<String, any LogValue>, name: String? = nil, at wall: Nanoseconds,
    to writer: inout ByteWriter
  ) {
    assert(pairs.count <= 24)
    let isJSON = format == .json
    append(isJSON ? "{\"time\":\"" : "time=", to: &writer)
    append(timestamp(wall), to: &writer)
    append(isJSON ? "\",\"level\":\"" : " level=", to: &writer)
    append(level.rawValue, to: &writer)
    append(isJSON ? "\",\"msg\":" : " msg=", to: &writer)
    var rest = pairs.count + (name == nil ? 0 : 1)
    append(value: message, format, isQuoted: true, rest: rest, to: &writer)
    for (key, value) in pairs {
      rest -= 1
      append(key, value, format, rest: rest, to: &writer)
    }
    if let name { append("name", name, format, rest: 0, to: &writer) }
    append(isJSON ? "}\n" : "\n", to: &writer)
  }

  private static func append(
    _ key: String, _ value: any LogValue, _ format: LogPolicy.Format, rest: Int,
    to writer: inout ByteWriter
  ) {
    let isJSON = format == .json
    append(isJSON ? ",\"" : " ", to: &writer)
    append(key, to: &writer)
    append(isJSON ? "\":" : "=", to: &writer)
    if value.isNumber {
      append(value.shown, to: &writer)
    } else {
      append(value: value.shown, format, isQuoted: isJSON, rest: rest, to: &writer)
    }
  }

  /// RFC 3339 with milliseconds, in UTC.
  package static func timestamp(_ wall: Nanoseconds) -> String {
    let (seconds, rest) = wall.rawValue.quotientAndRemainder(dividingBy: 1_000_000_000)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { room in
      guard let base = room.baseAddress else { return "" }
      sy_timestamp(seconds, Int32(rest / 1_000_000), base)
      return String(cString: base)
    }
  }

  private static func append(_ text: String, to writer: inout ByteWriter) {
    var text = text
    text.withUTF8 { writer.append(UnsafeRawBufferPointer($0)) }
  }

  /// Writes as much of the value as there is room for; an escaped byte may take six.
  private static func append(
    value: String, _ format: LogPolicy.Format, isQuoted: Bool, rest: Int,
    to writer: inout ByteWriter
  ) {
    let end = byteCountMax - reserve * (rest + 1)
    var limit = valueBytesMax
    while true {
      var attempt = writer
      var text = cut(value, to: limit)
      text.withUTF8 { bytes in
        let bytes = UnsafeRawBufferPointer(bytes)
        if isQuoted {
          attempt.append("\"")
          attempt.append(json: bytes)
          attempt.append("\"")
        } else {
          attempt.append(logfmt: bytes)
        }
      }
      if attempt.count <= end, !attempt.hasOverflowed || limit == 0 {
        writer = attempt
        return
      }
      limit /= 2
    }
  }

  /// The first bytes of a text, up to the end of a character, and a mark that the text was longer.
  private static func cut(_ text: String, to limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var index = text.utf8.index(text.startIndex, offsetBy: limit)
    while index > text.startIndex, index.samePosition(in: text.unicodeScalars) == nil {
      index = text.utf8.index(before: index)
    }
    return text[..<index] + "…"
  }
}
