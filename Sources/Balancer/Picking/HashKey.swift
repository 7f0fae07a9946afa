// The request's key for a pool's policy: the bytes that are hashed, and the session that an
// affinity cookie names. Invariant: keys are read while the head's bytes are valid; a missing or
// empty key is nil; values are compared as received, without percent-decoding.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import HTTP

/// The source of the key, from the pool's policy: a `HashSource`, or the client's address.
enum KeyPlan {
  case none
  case client
  /// The name of the field, in lower case.
  case header([UInt8])
  case cookie([UInt8])
  case query([UInt8])
  case path
  case certificate(ClientCertificatePart)

  var isOfCertificate: Bool {
    if case .certificate = self { true } else { false }
  }

  init(_ pool: Pool) {
    switch (pool.balance, pool.hash.source) {
    case (.ipHash, _): self = .client
    case (.hash, .header(let name)): self = .header(Array(name.lowercased().utf8))
    case (.hash, .cookie(let name)): self = .cookie(Array(name.utf8))
    case (.hash, .query(let name)): self = .query(Array(name.utf8))
    case (.hash, .path): self = .path
    case (.hash, .clientCertificate(let part)): self = .certificate(part)
    default: self = .none
    }
  }
}

/// A request head in which keys are looked up.
struct KeyedHead {
  let head: RequestHead
  let fields: FieldTable
  /// The client's IP address as text.
  let client: UnsafeRawBufferPointer
  /// The text of the client's certificate; nil: none was shown.
  var certificate: (subject: UnsafeRawBufferPointer, names: UnsafeRawBufferPointer)?

  /// The hash of the request's key; nil: the request has none.
  func hash(_ plan: KeyPlan) -> UInt64? {
    let key: UnsafeRawBufferPointer?
    switch plan {
    case .none: return nil
    case .client: key = client
    case .header(let name): key = header(name)
    case .cookie(let name): key = cookie(name)
    case .query(let name): key = query(name)
    case .path: key = path
    case .certificate(.subject): key = certificate?.subject
    case .certificate(.names): key = certificate?.names
    }
    guard let key, !key.isEmpty else { return nil }
    return KeyHash.hash(key)
  }

  /// The path; "/" if the target has none.
  var path: UnsafeRawBufferPointer? {
    head.pathEnd > head.targetStart ? slice(head.targetStart, head.pathEnd) : Self.root
  }

  private static var root: UnsafeRawBufferPointer {
    let root: StaticString = "/"
    return UnsafeRawBufferPointer(start: root.utf8Start, count: 1)
  }

  /// The first non-empty value of the field. Requires: `name` is in lower case.
  func header(_ name: [UInt8]) -> UnsafeRawBufferPointer? {
    name.withUnsafeBufferPointer { name in
      var start = 0
      while let index = fields.index(of: name, from: start) {
        if !fields.value(index).isEmpty { return fields.value(index) }
        start = index + 1
      }
      return nil
    }
  }

  /// The first parameter of that name that has a value.
  func query(_ name: [UInt8]) -> UnsafeRawBufferPointer? {
    var start = head.pathEnd + 1
    while start < head.targetEnd {
      var end = start
      while end < head.targetEnd, bytes[end] != UInt8(ascii: "&") { end += 1 }
      let value = start + name.count + 1
      if value < end, bytes[value - 1] == UInt8(ascii: "="), isEqual(start, name) {
        return slice(value, end)
      }
      start = end + 1
    }
    return nil
  }

  /// The first cookie of that name that has a value; see `Cookies`.
  func cookie(_ name: [UInt8]) -> UnsafeRawBufferPointer? {
    var cookies = Cookies()
    return cookies.next(name, self)
  }

  // MARK: Bytes

  fileprivate var bytes: UnsafeRawBufferPointer { fields.bytes }

  /// Requires: at least as many bytes follow `start`.
  fileprivate func isEqual(_ start: Int, _ text: [UInt8]) -> Bool {
    for index in text.indices where bytes[start + index] != text[index] { return false }
    return true
  }

  fileprivate func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }
}

/// The cookies of one name in a head, in order (RFC 6265 §4.2.1), also from several `Cookie`
/// fields. A pair ends at ";" even inside quotes, as in browsers; quotes around a value are not
/// part of it; a cookie without a value is skipped.
struct Cookies {
  private var index = 0
  /// The start of the next pair in the field at `index`; 0: the start of the field.
  private var offset = 0

  /// The next value; nil: there is none.
  mutating func next(
    _ name: [UInt8], _ head: KeyedHead
  ) -> UnsafeRawBufferPointer? {
    let word: StaticString = "cookie"
    let cookie = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    while let found = head.fields.index(of: cookie, from: index) {
      if found > index { (index, offset) = (found, 0) }
      let field = head.fields[found]
      var start = max(offset, Int(field.valueStart))
      while start < Int(field.valueEnd) {
        var end = start
        while end < Int(field.valueEnd), head.bytes[end] != UInt8(ascii: ";") { end += 1 }
        offset = end + 1
        if let value = Self.value(name, head, start, end) { return value }
        start = offset
      }
      (index, offset) = (found + 1, 0)
    }
    return nil
  }

  private static func value(
    _ name: [UInt8], _ head: KeyedHead, _ pairStart: Int, _ pairEnd: Int
  ) -> UnsafeRawBufferPointer? {
    func isBlank(_ offset: Int) -> Bool { head.bytes[offset] == 0x20 || head.bytes[offset] == 0x09 }
    var (start, end) = (pairStart, pairEnd)
    while start < end, isBlank(start) { start += 1 }
    guard end - start > name.count, head.isEqual(start, name) else { return nil }
    start += name.count
    while start < end, isBlank(start) { start += 1 }
    guard start < end, head.bytes[start] == UInt8(ascii: "=") else { return nil }
    start += 1
    while start < end, isBlank(start) { start += 1 }
    while end > start, isBlank(end - 1) { end -= 1 }
    let quote = UInt8(ascii: "\"")
    if end - start >= 2, head.bytes[start] == quote, head.bytes[end - 1] == quote {
      start += 1
      end -= 1
    }
    return end > start ? head.slice(start, end) : nil
  }
}
