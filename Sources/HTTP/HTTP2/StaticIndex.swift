// The names of HPACK's static table (RFC 7541, appendix A), found by length and first letter.
// HOT PATH: no allocation, no lock, no existential, no clock.

enum StaticIndex {
  static let contentType = 31

  /// The index of the name; 0: it is not in the table. `known`: what `FieldName.match` said of it.
  /// Requires: `name` has `count` bytes, all of them token characters.
  @inline(__always)
  static func of(_ name: UnsafePointer<UInt8>, _ count: Int, _ known: FieldName) -> Int {
    switch known {
    case .other: find(name, count)
    case .contentLength: 28
    case .date: 33
    case .expect: 35
    case .host: 38
    case .maxForwards: 47
    case .via: 60
    default: 0
    }
  }

  /// Whether the values of the field are secrets.
  @inline(__always) static func isSecret(_ index: Int) -> Bool {
    switch index {
    // authorization, cookie, proxy-authorization, set-cookie
    case 23, 32, 49, 55: true
    default: false
    }
  }

  private static func find(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
    func named(_ word: StaticString, _ index: Int) -> Int {
      FieldName.isEqual(name, word) ? index : 0
    }
    let first = count > 0 ? name[0] | 0x20 : 0
    switch (count, first) {
    case (3, 0x61): return named("age", 21)
    case (4, 0x65): return named("etag", 34)
    case (4, 0x66): return named("from", 37)
    case (4, 0x6C): return named("link", 45)
    case (4, 0x76): return named("vary", 59)
    case (5, 0x61): return named("allow", 22)
    case (5, 0x72): return named("range", 50)
    case (6, 0x61): return named("accept", 19)
    case (6, 0x63): return named("cookie", 32)
    case (6, 0x73): return named("server", 54)
    case (7, 0x65): return named("expires", 36)
    case (7, 0x72): return max(named("referer", 51), named("refresh", 52))
    case (8, 0x69): return max(named("if-match", 39), named("if-range", 42))
    case (8, 0x6C): return named("location", 46)
    case (10, 0x73): return named("set-cookie", 55)
    case (10, 0x75): return named("user-agent", 58)
    case (11, 0x72): return named("retry-after", 53)
    case (12, 0x63): return named("content-type", contentType)
    case (13, 0x61): return max(named("accept-ranges", 18), named("authorization", 23))
    case (13, 0x63): return max(named("cache-control", 24), named("content-range", 30))
    case (13, 0x69): return named("if-none-match", 41)
    case (13, 0x6C): return named("last-modified", 44)
    case (14, 0x61): return named("accept-charset", 15)
    case (15, 0x61): return max(named("accept-encoding", 16), named("accept-language", 17))
    case (16, 0x63):
      return max(
        named("content-encoding", 26), named("content-language", 27),
        named("content-location", 29))
    case (16, 0x77): return named("www-authenticate", 61)
    case (17, 0x69): return named("if-modified-since", 40)
    case (18, 0x70): return named("proxy-authenticate", 48)
    case (19, 0x63): return named("content-disposition", 25)
    case (19, 0x69): return named("if-unmodified-since", 43)
    case (19, 0x70): return named("proxy-authorization", 49)
    case (25, 0x73): return named("strict-transport-security", 56)
    case (27, 0x61): return named("access-control-allow-origin", 20)
    default: return 0
    }
  }
}
