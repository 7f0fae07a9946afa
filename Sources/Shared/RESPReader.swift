// Reads replies of RESP 2 from bytes that come in any pieces. Invariant: what is kept never exceeds
// `byteCountMax`; a reply is either complete or not there yet; after an error nothing more is read.

/// The replies of one connection.
package struct RESPReader: Sendable {
  /// The most bytes of one reply.
  package static let byteCountMax = 1 << 20
  /// The longest line, its end excluded: numbers, simple strings, errors.
  package static let lineMax = 8_192
  /// The most items of an array, and how deep arrays may be nested.
  package static let itemsMax = 4_096
  package static let depthMax = 4

  private var bytes: [UInt8] = []
  /// Where the next reply begins.
  private var start = 0
  private var failure: RESPError?

  package init() {}

  /// The bytes of replies that are not complete.
  package var pendingCount: Int { bytes.count - start }

  /// Takes further bytes of the server.
  package mutating func append(_ more: some Collection<UInt8>) {
    guard failure == nil else { return }
    if start > 0 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// The next complete reply; nil: more bytes are needed. Errors: what came is no RESP.
  package mutating func next() throws(RESPError) -> RESPValue? {
    if let failure { throw failure }
    var position = start
    do throws(RESPError) {
      guard let value = try Self.value(bytes, &position, depth: 0) else {
        if pendingCount > Self.byteCountMax { throw RESPError.tooLarge }
        return nil
      }
      start = position
      return value
    } catch {
      failure = error
      bytes = []
      start = 0
      throw error
    }
  }

  private static func value(
    _ bytes: [UInt8], _ position: inout Int, depth: Int
  ) throws(RESPError) -> RESPValue? {
    guard position < bytes.count else { return nil }
    let kind = bytes[position]
    guard [0x2B, 0x2D, 0x3A, 0x24, 0x2A].contains(kind) else { throw .type }
    position += 1
    guard let line = try line(bytes, &position) else { return nil }
    switch kind {
    case 0x2B: return .simple(String(decoding: bytes[line], as: UTF8.self))
    case 0x2D: return .error(String(decoding: bytes[line], as: UTF8.self))
    case 0x3A: return .integer(try number(bytes[line]))
    case 0x24:
      let count = try number(bytes[line])
      if count == -1 { return .bulk(nil) }
      guard count >= 0 else { throw .number }
      guard count <= byteCountMax else { throw .tooLarge }
      let end = position + Int(count)
      guard bytes.count >= end + 2 else { return nil }
      guard bytes[end] == 0x0D, bytes[end + 1] == 0x0A else { throw .line }
      defer { position = end + 2 }
      return .bulk(Array(bytes[position..<end]))
    default:
      let count = try number(bytes[line])
      if count == -1 { return .array(nil) }
      guard count >= 0 else { throw .number }
      guard count <= itemsMax, depth < depthMax else { throw .tooLarge }
      var items: [RESPValue] = []
      for _ in 0..<count {
        guard let item = try value(bytes, &position, depth: depth + 1) else { return nil }
        items.append(item)
      }
      return .array(items)
    }
  }

  /// The line that begins here, without its end; `position` is after it then.
  private static func line(
    _ bytes: [UInt8], _ position: inout Int
  ) throws(RESPError) -> Range<Int>? {
    let limit = min(bytes.count, position + lineMax + 1)
    guard let end = bytes[position..<limit].firstIndex(of: 0x0D) else {
      if bytes.count > position + lineMax { throw .line }
      return nil
    }
    guard end + 1 < bytes.count else { return nil }
    guard bytes[end + 1] == 0x0A else { throw .line }
    defer { position = end + 2 }
    return position..<end
  }

  private static func number(_ digits: ArraySlice<UInt8>) throws(RESPError) -> Int64 {
    let body = digits.first == 0x2D ? digits.dropFirst() : digits
    guard !body.isEmpty, body.count <= 19, body.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int64(String(decoding: digits, as: UTF8.self))
    else { throw .number }
    return number
  }
}
