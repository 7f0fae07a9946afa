// A table from byte to what it may be part of, and scanning with it. Owned by a parser, because a
// global would be a lazily initialised call on every use.
// HOT PATH: no allocation, no lock, no existential, no clock.

struct ByteClasses: ~Copyable {
  /// RFC 9110 §5.6.2 tchar.
  static let token: UInt8 = 1
  /// RFC 9110 §5.5 field-vchar, obs-text, SP and HTAB.
  static let fieldValue: UInt8 = 2
  /// Visible ASCII without "#": what a request target may hold (a fragment is never sent).
  static let target: UInt8 = 4
  /// RFC 3986 §3.2.2 and §3.2.3, IPv6 in brackets: host and port; no userinfo, no list.
  static let authority: UInt8 = 8
  /// RFC 3986 §3.2.2 unreserved and sub-delims without ",": a host that is a name or an IPv4
  /// address, percent-encoding apart.
  static let registeredName: UInt8 = 16

  private let table: UnsafeMutablePointer<UInt8>

  init() {
    table = .allocate(capacity: 256)
    for value in 0..<256 { table[value] = Self.classes(of: UInt8(value)) }
  }

  deinit { table.deallocate() }

  static func classes(of byte: UInt8) -> UInt8 {
    var result: UInt8 = 0
    let isAlphanumeric =
      byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5A || byte >= 0x61 && byte <= 0x7A
    func isOne(of set: StaticString) -> Bool {
      set.withUTF8Buffer { $0.contains(byte) }
    }
    if isAlphanumeric || isOne(of: "!#$%&'*+-.^_`|~") { result |= token }
    if byte == 0x09 || byte >= 0x20 && byte != 0x7F { result |= fieldValue }
    if byte > 0x20 && byte < 0x7F && byte != 0x23 { result |= target }
    if isAlphanumeric || isOne(of: "-._~!$&'()*+;=:[]%") { result |= authority }
    if isAlphanumeric || isOne(of: "-._~!$&'()*+;=") { result |= registeredName }
    return result
  }

  /// Whether the byte is a tchar (RFC 9110 §5.6.2), without a table: a bit for each of ASCII.
  @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
    let low: UInt64 = 0x03FF_6CFA_0000_0000
    let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
    return byte < 0x80 && (byte < 0x40 ? low : high) >> UInt64(byte & 0x3F) & 1 != 0
  }

  @inline(__always) func isMember(_ byte: UInt8, _ wanted: UInt8) -> Bool {
    table[Int(byte)] & wanted != 0
  }

  /// The offset of the first byte from `start` on that is not of the class; `end` if all are.
  @inline(__always)
  func skip(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ wanted: UInt8) -> Int {
    var offset = start
    while offset < end, table[Int(bytes[offset])] & wanted != 0 { offset &+= 1 }
    return offset
  }

  /// The same for field values, eight bytes at a time while none is a control (Mycroft's trick).
  @inline(__always)
  func skipValue(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    var offset = start
    while offset &+ 8 <= end {
      let word = UInt64(
        littleEndian: UnsafeRawPointer(bytes + offset).loadUnaligned(as: UInt64.self))
      let below20 = (word &- ones &* 0x20) & ~word
      let seven = word ^ (ones &* 0x7F)
      let is7F = (seven &- ones) & ~seven
      let hits = (below20 | is7F) & highs
      if hits == 0 {
        offset &+= 8
        continue
      }
      // The lowest hit is a true one: borrows go upwards.
      offset &+= hits.trailingZeroBitCount &>> 3
      if bytes[offset] != 0x09 { return offset }
      offset &+= 1
    }
    return skip(bytes, offset, end, Self.fieldValue)
  }

  /// The same for field names, eight bytes at a time while all are letters or hyphens.
  @inline(__always)
  func skipName(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    var offset = start
    while offset &+ 8 <= end {
      let word = UInt64(
        littleEndian: UnsafeRawPointer(bytes + offset).loadUnaligned(as: UInt64.self))
      // Each byte has seven bits below, so no sum carries into the next one.
      let lower = (word | ones &* 0x20) & ~highs
      let isLetter = (lower &+ ones &* 0x1F) & ~(lower &+ ones &* 0x05)
      let isOther = ((word ^ ones &* 0x2D) & ~highs) &+ ones &* 0x7F
      let rest = (~isLetter & isOther | word) & highs
      if rest == 0 {
        offset &+= 8
        continue
      }
      offset &+= rest.trailingZeroBitCount &>> 3
      if bytes[offset] == 0x3A { return offset }
      break
    }
    return skip(bytes, offset, end, Self.token)
  }
}
