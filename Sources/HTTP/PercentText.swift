// Percent-encoding (RFC 3986 §2.1) of path segments and parameters, both ways. Text that is not
// well formed is refused, never repaired. Law: without control characters, `decoded(encoded(x))` is
// `x`.

/// Text in a URL.
package enum PercentText {
  /// The decoded text; nil: an escape is malformed, the bytes are not UTF-8, or there is a control
  /// character.
  package static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit)
      else { return nil }
      bytes.append(high << 4 | low)
    }
    guard let result = String(validating: bytes, as: UTF8.self),
      !result.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else { return nil }
    return result
  }

  /// The encoded text of one path segment or one value of a query.
  package static func encoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x3A:
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return result
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
