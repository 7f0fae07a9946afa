// Writes JSON (RFC 8259) without Foundation: numbers with a few significant digits, so that the
// data sent every second stays small, and strings that are also safe within HTML and JavaScript.
import Primitives

/// Writes JSON into its own buffer. Requires: a valid order of calls.
struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  /// A value precedes the next one.
  private var needsComma = false

  init(byteCapacity: Int = 4_096) { bytes.reserveCapacity(byteCapacity) }

  mutating func object(_ content: (inout JSONWriter) -> Void) {
    enclose(UInt8(ascii: "{"), UInt8(ascii: "}"), content)
  }

  mutating func array<Item>(_ items: some Sequence<Item>, _ each: (inout JSONWriter, Item) -> Void)
  {
    enclose(UInt8(ascii: "["), UInt8(ascii: "]")) { json in
      for item in items { each(&json, item) }
    }
  }

  /// Writes the name of the next value. Requires: no character that has to be escaped.
  mutating func key(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    name.withUTF8Buffer { bytes.append(contentsOf: $0) }
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  mutating func put(_ name: StaticString, _ value: Double?) {
    key(name)
    number(value)
  }

  mutating func put(_ name: StaticString, _ value: UInt64) {
    key(name)
    raw(String(value))
  }

  mutating func put(_ name: StaticString, _ value: Int) {
    key(name)
    raw(String(value))
  }

  mutating func put(_ name: StaticString, _ value: Bool) {
    key(name)
    raw(value ? "true" : "false")
  }

  mutating func put(_ name: StaticString, _ value: String?) {
    key(name)
    if let value { string(value) } else { raw("null") }
  }

  /// A time since 1970 in seconds with milliseconds.
  mutating func put(_ name: StaticString, wall: Int64) {
    key(name)
    let milliseconds = max(0, wall) / 1_000_000
    let rest = String(milliseconds % 1000)
    raw("\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.utf8.count) + rest)
  }

  mutating func number(_ value: Double?) { raw(value.map(Self.text) ?? "null") }

  /// Four significant digits; `null` for values that JSON cannot represent. Whole numbers below
  /// 2^53 are exact, larger ones are 2^53.
  static func text(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value.magnitude >= 0x1p53 { return value < 0 ? "-9007199254740992" : "9007199254740992" }
    return NumberWords.significant(value, digits: 4)
  }

  mutating func string(_ text: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": bytes.append(contentsOf: "\\\"".utf8)
      case "\\": bytes.append(contentsOf: "\\\\".utf8)
      case "\u{0}"..."\u{1F}", "<", ">", "&", "\u{7F}", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        bytes.append(contentsOf: "\\u".utf8)
        bytes.append(contentsOf: String(repeating: "0", count: 4 - digits.utf8.count).utf8)
        bytes.append(contentsOf: digits.utf8)
      default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  private mutating func raw(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  private mutating func enclose(
    _ open: UInt8, _ close: UInt8, _ content: (inout JSONWriter) -> Void
  ) {
    separate()
    bytes.append(open)
    needsComma = false
    content(&self)
    bytes.append(close)
    needsComma = true
  }
}
