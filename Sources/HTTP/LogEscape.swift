// Untrusted bytes as text that cannot break a log line: JSON strings (RFC 8259 §7), logfmt values,
// and the escapes of nginx's combined format.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension ByteWriter {
  /// The inside of a JSON string: quotes, backslashes, control characters (C0, DEL, C1) and what
  /// some programs take for a line's end (U+2028, U+2029) are escaped, other valid UTF-8 stays,
  /// each other byte becomes U+FFFD.
  public mutating func append(json bytes: UnsafeRawBufferPointer) {
    var start = 0
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte >= 0x20, byte < 0x7F, byte != 0x22, byte != 0x5C {
        index += 1
        continue
      }
      let length = byte < 0x80 ? 0 : Self.sequenceLength(bytes, index)
      let isC1 = byte == 0xC2 && length == 2 && bytes[index + 1] < 0xA0
      let isSeparator =
        byte == 0xE2 && length == 3 && bytes[index + 1] == 0x80 && bytes[index + 2] | 1 == 0xA9
      if length > 0, !isC1, !isSeparator {
        index += length
        continue
      }
      append(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
      if isC1 {
        append(control: bytes[index + 1])
      } else if isSeparator {
        append(bytes[index + 2] == 0xA8 ? "\\u2028" : "\\u2029")
      } else {
        appendEscape(byte)
      }
      index += max(1, length)
      start = index
    }
    append(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
  }

  private mutating func appendEscape(_ byte: UInt8) {
    switch byte {
    case 0x22: append("\\\"")
    case 0x5C: append("\\\\")
    case 0x0A: append("\\n")
    case 0x0D: append("\\r")
    case 0x09: append("\\t")
    case ..<0x80: append(control: byte)
    default: append("\\ufffd")
    }
  }

  private mutating func append(control byte: UInt8) {
    append("\\u00")
    appendHex(byte, letters: 0x61)
  }

  /// A logfmt value: bare where it is safe, else in quotes, escaped as in JSON.
  public mutating func append(logfmt bytes: UnsafeRawBufferPointer) {
    let isBare =
      !bytes.isEmpty
      && bytes.allSatisfy {
        $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D && $0 != 0x5C
      }
    if isBare {
      append(bytes)
    } else {
      append("\"")
      append(json: bytes)
      append("\"")
    }
  }

  /// As nginx writes variables: `"`, `\` and all but visible ASCII and blanks as `\xHH`; nothing
  /// at all as `-`.
  public mutating func append(combined bytes: UnsafeRawBufferPointer) {
    if bytes.isEmpty { append("-") }
    var start = 0
    for index in 0..<bytes.count {
      let byte = bytes[index]
      if byte >= 0x20, byte < 0x7F, byte != 0x22, byte != 0x5C { continue }
      append(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
      append("\\x")
      appendHex(byte, letters: 0x41)
      start = index + 1
    }
    append(UnsafeRawBufferPointer(rebasing: bytes[start...]))
  }

  private mutating func appendHex(_ byte: UInt8, letters: UInt8) {
    func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : letters + value - 10 }
    let pair = (digit(byte >> 4), digit(byte & 15))
    withUnsafeBytes(of: pair) { append($0) }
  }

  /// The length of the well-formed UTF-8 sequence that begins here; 0: there is none (Unicode 16,
  /// table 3-7). Requires: a byte above 0x7F.
  private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Int {
    func at(_ offset: Int) -> UInt8 { index + offset < bytes.count ? bytes[index + offset] : 0 }
    func isTail(_ offset: Int) -> Bool { at(offset) & 0xC0 == 0x80 }
    let second = at(1)
    switch bytes[index] {
    case 0xC2...0xDF: return isTail(1) ? 2 : 0
    case 0xE0: return second >= 0xA0 && second <= 0xBF && isTail(2) ? 3 : 0
    case 0xED: return second >= 0x80 && second <= 0x9F && isTail(2) ? 3 : 0
    case 0xE1...0xEC, 0xEE, 0xEF: return isTail(1) && isTail(2) ? 3 : 0
    case 0xF0: return second >= 0x90 && second <= 0xBF && isTail(2) && isTail(3) ? 4 : 0
    case 0xF1...0xF3: return isTail(1) && isTail(2) && isTail(3) ? 4 : 0
    case 0xF4: return second >= 0x80 && second <= 0x8F && isTail(2) && isTail(3) ? 4 : 0
    default: return 0
    }
  }
}
