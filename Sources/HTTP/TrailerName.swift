// Which fields may not stand in a trailer section, because they would change what the message means
// after it was acted on (RFC 9110 §6.5.1): framing, routing, who asks, and what we vouch for.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// A trailer field's name, read byte by byte. Only a hash of it is kept (FNV-1a, 64 bits; RFC
/// 9923), so that a name that is split over two reads is one name. Another name with the same hash
/// would be refused, never one of these accepted.
@frozen @usableFromInline struct TrailerName: Sendable {
  @usableFromInline var hash: UInt64

  @inlinable init() { hash = 0xCBF2_9CE4_8422_2325 }

  /// "_" counts as "-": to many applications it is the same.
  mutating func take(_ byte: UInt8) {
    let isUpper = byte >= 0x41 && byte <= 0x5A
    let plain = byte == 0x5F ? 0x2D : isUpper ? byte | 0x20 : byte
    hash = (hash ^ UInt64(plain)) &* 0x100_0000_01B3
  }

  var isForbidden: Bool {
    isOne("content-length") || isOne("transfer-encoding") || isOne("host") || isOne("trailer")
      || isOne("connection") || isOne("keep-alive") || isOne("te") || isOne("upgrade")
      || isOne("proxy-connection") || isOne("http2-settings") || isOne("expect")
      || isOne("max-forwards") || isOne("range") || isOne("content-range")
      || isOne("content-type") || isOne("content-encoding") || isOne("authorization")
      || isOne("proxy-authorization") || isOne("cookie") || isOne("forwarded")
      || isOne("x-forwarded-for") || isOne("x-forwarded-proto") || isOne("x-forwarded-host")
      || isOne("x-real-ip") || isOne("x-request-id") || isOne("traceparent")
      || isOne("x-steelyard-endpoint")
  }

  private func isOne(_ name: StaticString) -> Bool {
    var other = TrailerName()
    for index in 0..<name.utf8CodeUnitCount { other.take(name.utf8Start[index]) }
    return other.hash == hash
  }
}
