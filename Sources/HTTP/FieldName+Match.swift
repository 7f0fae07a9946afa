// Recognition of the field names that a proxy has to know: by length first, then without regard to
// case.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension FieldName {
  /// Requires: `name` has `count` bytes, all of them token characters.
  static func match(_ name: UnsafePointer<UInt8>, _ count: Int) -> FieldName {
    if count >= 9, name[0] | 0x20 == 0x78 { return matchX(name, count) }
    switch count {
    case 2: return isEqual(name, "te") ? .te : .other
    case 3: return isEqual(name, "via") ? .via : .other
    case 4:
      if isEqual(name, "host") { return .host }
      return isEqual(name, "date") ? .date : .other
    case 6: return isEqual(name, "expect") ? .expect : .other
    case 7:
      if isEqual(name, "upgrade") { return .upgrade }
      return isEqual(name, "trailer") ? .trailer : .other
    case 9: return isEqual(name, "forwarded") ? .forwarded : .other
    case 10:
      if isEqual(name, "tracestate") { return .tracestate }
      if isEqual(name, "connection") { return .connection }
      return isEqual(name, "keep-alive") ? .keepAlive : .other
    case 11: return isEqual(name, "traceparent") ? .traceparent : .other
    case 12: return isEqual(name, "max-forwards") ? .maxForwards : .other
    case 14:
      if isEqual(name, "content-length") { return .contentLength }
      if isLike(name, count, "content-length") { return .counterfeit }
      return isEqual(name, "http2-settings") ? .http2Settings : .other
    case 16: return isEqual(name, "proxy-connection") ? .proxyConnection : .other
    case 17:
      if isEqual(name, "transfer-encoding") { return .transferEncoding }
      return isLike(name, count, "transfer-encoding") ? .counterfeit : .other
    default: return .other
    }
  }

  /// Names that begin with "x", of 9 bytes or more. What we vouch for is also known when "_" stands
  /// for "-": to a CGI, WSGI or PHP application the two are the same field.
  private static func matchX(_ name: UnsafePointer<UInt8>, _ count: Int) -> FieldName {
    let hyphens = name[1] == 0x2D || name[1] == 0x5F
    guard hyphens else { return .other }
    var found = FieldName.other
    if isLike(name, count, "x-forwarded-", isPrefix: true) {
      found = .xForwardedOther
      if isLike(name, count, "x-forwarded-for") { found = .xForwardedFor }
      if isLike(name, count, "x-forwarded-proto") { found = .xForwardedProto }
      if isLike(name, count, "x-forwarded-host") { found = .xForwardedHost }
    } else if isLike(name, count, "x-steelyard-", isPrefix: true) {
      found = isLike(name, count, "x-steelyard-endpoint") ? .steelyardEndpoint : .steelyardOther
    } else if isLike(name, count, "x-real-ip") {
      found = .xRealIP
    } else if isLike(name, count, "x-request-id") {
      found = .xRequestID
    } else if isLike(name, count, "x-served-by") {
      found = .xServedBy
    }
    guard found != .other else { return .other }
    for index in 1..<count where name[index] == 0x5F { return .counterfeit }
    return found
  }

  /// As `isEqual`, with "_" as good as "-" and a length that may differ.
  private static func isLike(
    _ name: UnsafePointer<UInt8>, _ count: Int, _ word: StaticString, isPrefix: Bool = false
  ) -> Bool {
    let length = word.utf8CodeUnitCount
    guard isPrefix ? count > length : count == length else { return false }
    let expected = word.utf8Start
    for index in 0..<length {
      let byte = name[index] == 0x5F ? 0x2D : name[index] | 0x20
      if byte != expected[index] { return false }
    }
    return true
  }

  /// Requires: `word` is in lower case, of letters, digits and "-", and `name` as long as it.
  @inline(__always)
  static func isEqual(_ name: UnsafePointer<UInt8>, _ word: StaticString) -> Bool {
    let expected = word.utf8Start
    for index in 0..<word.utf8CodeUnitCount where name[index] | 0x20 != expected[index] {
      return false
    }
    return true
  }
}

/// Whether `bytes[start..<end]` is `word` without regard to ASCII case.
/// Requires: as for `FieldName.isEqual`.
@inline(__always)
func isWord(
  _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ word: StaticString
) -> Bool {
  end - start == word.utf8CodeUnitCount && FieldName.isEqual(bytes + start, word)
}
