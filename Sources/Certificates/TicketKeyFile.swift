// The file of session ticket keys: one key a line, 80 bytes in base64 (RFC 4648 §4), as
// `openssl rand -base64 80 | tr -d '\n'` makes it. The first encrypts, all decrypt. Blank lines and
// lines that begin with # do not count.
import FoundationEssentials
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
      guard let decoded = Data(base64Encoded: String(decoding: text, as: UTF8.self)),
        let key = TicketKey(bytes: Array(decoded))
      else {
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
}
