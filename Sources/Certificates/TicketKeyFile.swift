// The file of session ticket keys: one key a line, 80 bytes in base64 (RFC 4648 §4), as
// `openssl rand -base64 80 | tr -d '\n'` makes it. The first encrypts, all decrypt. Blank lines and
// lines that begin with # do not count.
import IO

enum TicketKeyFile {
  /// The most keys: more would make each unknown ticket slow.
  static let keysMax = 16

  /// The keys of a file's bytes. `path` is for messages.
  static func keys(_ bytes: [UInt8], path: String) throws(TLSError) -> [TicketKey] {
    var keys: [TicketKey] = []
    for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
    {
      let text = trimmed(line)
      if text.isEmpty || text.first == 0x23 { continue }
      guard let decoded = decoded(text), let key = TicketKey(bytes: decoded) else {
        throw TLSError(
          "the ticket key file \(path), line \(index + 1): a key is 80 bytes in base64 on one line; "
            + "make one with `openssl rand -base64 80 | tr -d '\\n'`")
      }
      guard keys.count < keysMax else {
        throw TLSError("the ticket key file \(path) has more than \(keysMax) keys")
      }
      keys.append(key)
    }
    guard !keys.isEmpty else { throw TLSError("the ticket key file \(path) has no key") }
    return keys
  }

  private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    var line = line.drop(while: isSpace)
    while let last = line.last, isSpace(last) { line.removeLast() }
    return line
  }

  /// nil: no base64.
  static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    var digits = text
    while digits.last == 0x3D, text.count - digits.count < 2 { digits.removeLast() }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count * 3 / 4)
    var (bits, bitCount) = (0 as UInt32, 0)
    for digit in digits {
      guard let value = value(digit) else { return nil }
      bits = bits << 6 | value
      bitCount += 6
      guard bitCount >= 8 else { continue }
      bitCount -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
    }
    return bytes
  }

  private static func value(_ digit: UInt8) -> UInt32? {
    switch digit {
    case 0x41...0x5A: UInt32(digit - 0x41)
    case 0x61...0x7A: UInt32(digit - 0x61) + 26
    case 0x30...0x39: UInt32(digit - 0x30) + 52
    case 0x2B: 62
    case 0x2F: 63
    default: nil
    }
  }
}
