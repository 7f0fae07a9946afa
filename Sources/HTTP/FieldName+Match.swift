// Which of the fields a proxy has to know a name is: by length first, then without regard to case.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension FieldName {
  /// Requires: `name` has `count` bytes, all of them token characters.
  static func match(_ name: UnsafePointer<UInt8>, _ count: Int) -> FieldName {
    switch count {
    case 2: return isEqual(name, "te") ? .te : .other
    case 3: return isEqual(name, "via") ? .via : .other
    case 4: return isEqual(name, "host") ? .host : .other
    case 6: return isEqual(name, "expect") ? .expect : .other
    case 7:
      if isEqual(name, "upgrade") { return .upgrade }
      return isEqual(name, "trailer") ? .trailer : .other
    case 9: return isEqual(name, "x-real-ip") ? .xRealIP : .other
    case 10:
      if isEqual(name, "connection") { return .connection }
      return isEqual(name, "keep-alive") ? .keepAlive : .other
    case 14:
      if isEqual(name, "content-length") { return .contentLength }
      return isEqual(name, "http2-settings") ? .http2Settings : .other
    case 15: return isEqual(name, "x-forwarded-for") ? .xForwardedFor : .other
    case 16:
      if isEqual(name, "x-forwarded-host") { return .xForwardedHost }
      return isEqual(name, "proxy-connection") ? .proxyConnection : .other
    case 17:
      if isEqual(name, "transfer-encoding") { return .transferEncoding }
      return isEqual(name, "x-forwarded-proto") ? .xForwardedProto : .other
    default: return .other
    }
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
