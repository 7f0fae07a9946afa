// `Retry-After` of an answer (RFC 9110 §10.2.3): for how many seconds the server asks to be left
// alone. Looked for only in answers that refuse a request.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension HeadParser {
  /// Seconds, at most 65 535; 0 where the field is absent, came more than once, or holds a date: a
  /// date needs the server's clock. Requires: `buffer` is what was parsed, and its head complete.
  public func retryAfterSeconds(in buffer: UnsafeRawBufferPointer) -> Int {
    var found: Int?
    for index in 0..<fieldCount {
      let field = fields[index]
      guard field.name == .other, field.nameEnd - field.start == 11,
        let base = buffer.baseAddress,
        FieldName.isEqual(
          base.assumingMemoryBound(to: UInt8.self) + Int(field.start), "retry-after")
      else { continue }
      guard found == nil, let seconds = Self.seconds(value(index, in: buffer)) else { return 0 }
      found = seconds
    }
    return found ?? 0
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
