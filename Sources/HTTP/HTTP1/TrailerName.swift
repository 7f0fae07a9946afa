// Which fields may not stand in a trailer section, because they would change what the message means
// after it was acted on (RFC 9110 §6.5.1): framing, routing, who asks, what the content is, how the
// answer is to be treated, and what we vouch for.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// A trailer field's name, read byte by byte: a name that is split over two reads is one name.
@frozen public struct TrailerName: Sendable {
  /// The longest name that is looked for, bytes.
  public static let byteCountMax = 24

  @usableFromInline var bytes: InlineArray<24, UInt8>
  @usableFromInline var length: UInt8

  @inlinable init() {
    bytes = InlineArray(repeating: 0)
    length = 0
  }

  /// Bytes taken so far.
  @inlinable var count: Int { Int(length) }

  /// False, and nothing is taken, where the name is longer than any that is looked for.
  @discardableResult
  mutating func take(_ byte: UInt8) -> Bool {
    guard count < Self.byteCountMax else { return false }
    bytes[count] = byte
    length += 1
    return true
  }

  /// Writes the bytes and forgets them. Returns how many there were.
  mutating func move(to room: UnsafeMutableRawPointer) -> Int {
    let count = count
    for index in 0..<count {
      room.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self)
    }
    length = 0
    return count
  }

  /// Whether a field of this name may not be a trailer field. "_" counts as "-": to many
  /// applications it is the same.
  var isForbidden: Bool {
    switch count {
    case 2: isOne("te")
    case 3: isOne("via") || isOne("age")
    case 4: isOne("host") || isOne("date") || isOne("vary")
    case 5: isOne("range")
    case 6: isOne("cookie") || isOne("expect") || isOne("pragma")
    case 7: isOne("trailer") || isOne("upgrade") || isOne("expires") || isOne("warning")
    case 8: isOne("if-match") || isOne("if-range") || isOne("location")
    case 9: isOne("forwarded") || isOne("x-real-ip")
    case 10: isOne("connection") || isOne("keep-alive") || isOne("set-cookie")
    case 11: isOne("retry-after") || isOne("traceparent") || isOne("x-served-by")
    case 12:
      isOne("content-type") || isOne("max-forwards") || isOne("x-request-id")
    case 13:
      isOne("authorization") || isOne("cache-control") || isOne("content-range")
        || isOne("if-none-match")
    case 14: isOne("content-length") || isOne("http2-settings")
    case 15: isOne("x-forwarded-for")
    case 16:
      isOne("content-encoding") || isOne("proxy-connection") || isOne("www-authenticate")
        || isOne("x-forwarded-host")
    case 17:
      isOne("transfer-encoding") || isOne("if-modified-since") || isOne("x-forwarded-proto")
    case 18: isOne("proxy-authenticate")
    case 19:
      isOne("proxy-authorization") || isOne("if-unmodified-since")
    case 20: isOne("x-steelyard-endpoint")
    default: false
    }
  }

  /// Requires: `word` is in lower case and as long as the name.
  private func isOne(_ word: StaticString) -> Bool {
    assert(word.utf8CodeUnitCount == count)
    for index in 0..<count {
      let byte = bytes[index]
      let isUpper = byte >= 0x41 && byte <= 0x5A
      let plain = byte == 0x5F ? 0x2D : isUpper ? byte | 0x20 : byte
      if plain != word.utf8Start[index] { return false }
    }
    return true
  }
}
