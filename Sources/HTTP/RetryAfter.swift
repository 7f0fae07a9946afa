// `Retry-After` of an answer (RFC 9110 §10.2.3): the seconds that the server asks clients to wait.
// It is read only in answers that refuse a request.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension FieldTable {
  /// Seconds, at most 65 535; 0 where the field is absent, came more than once, or holds a date: a
  /// date needs the server's clock.
  public var retryAfterSeconds: Int {
    let name: StaticString = "retry-after"
    let word = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    guard let index = index(of: word), self.index(of: word, from: index + 1) == nil
    else { return 0 }
    return Self.seconds(value(index)) ?? 0
  }

  private static func seconds(_ text: UnsafeRawBufferPointer) -> Int? {
    guard !text.isEmpty else { return nil }
    var seconds = 0
    for byte in text {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      seconds = min(seconds * 10 + Int(byte - 0x30), 65_535)
    }
    return seconds
  }
}
