// An IP address in 16 bytes that can be compared, matched with ranges and written without
// allocating. IPv4 addresses are stored as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so that sockets for
// both families and sockets for one give the same address for a client.
// HOT PATH: no allocation, no lock, no existential, no clock.

@frozen public struct IPAddress: Hashable, Sendable {
  /// In host byte order; `high` and `low` are the 128 bits.
  public var high: UInt64
  public var low: UInt64

  /// The length of the longest text, bytes.
  public static let textMax = 45

  @inlinable public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  @inlinable public init(v4: UInt32) { self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(v4)) }

  /// `::`, which no host has.
  @inlinable public static var none: IPAddress { IPAddress(high: 0, low: 0) }

  /// Requires: 4 or 16 bytes in network order.
  public init(networkOrder bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count == 4 || bytes.count == 16)
    if bytes.count == 4 {
      self.init(v4: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
    } else {
      self.init(
        high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }
  }

  public init(_ address: SocketAddress) {
    self = address.bytes.withUnsafeBytes { IPAddress(networkOrder: $0) }
  }

  @inlinable public var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }
  /// Requires: isV4.
  @inlinable public var v4: UInt32 { UInt32(truncatingIfNeeded: low) }

  // MARK: Reading

  /// Reads `10.0.0.1` or `fd00::1` (RFC 4291 §2.2), the whole of `text`; nil for anything else,
  /// including leading zeros in IPv4, zones and brackets.
  public init?(text: UnsafeRawBufferPointer) {
    guard (2...Self.textMax).contains(text.count) else { return nil }
    if text.contains(0x3A) {
      guard let address = Self.readV6(text) else { return nil }
      self = address
    } else {
      guard let value = Self.readV4(text, 0, text.count) else { return nil }
      self.init(v4: value)
    }
  }

  private static func readV4(_ text: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> UInt32? {
    var (value, part, digits, dots): (UInt32, UInt32, Int, Int) = (0, 0, 0, 0)
    for index in start..<end {
      let byte = text[index]
      if byte == 0x2E {
        guard digits > 0, dots < 3 else { return nil }
        value = value << 8 | part
        (part, digits, dots) = (0, 0, dots + 1)
      } else {
        guard (0x30...0x39).contains(byte), digits == 0 || part > 0 else { return nil }
        part = part * 10 + UInt32(byte - 0x30)
        digits += 1
        if part > 255 { return nil }
      }
    }
    return dots == 3 && digits > 0 ? value << 8 | part : nil
  }

  private static func readV6(_ text: UnsafeRawBufferPointer) -> IPAddress? {
    // Groups before and after "::", each shifted in from the right.
    var (head, tail) = (IPAddress.none, IPAddress.none)
    var (headCount, tailCount, offset) = (0, 0, 0)
    var hasGap = false
    func isColon(_ index: Int) -> Bool { index < text.count && text[index] == 0x3A }
    func push(_ value: UInt16) {
      if hasGap {
        tail.shiftIn(value)
        tailCount += 1
      } else {
        head.shiftIn(value)
        headCount += 1
      }
    }
    while offset < text.count {
      if isColon(offset), isColon(offset + 1) {
        if hasGap { return nil }
        hasGap = true
        offset += 2
        continue
      }
      if offset > 0, !(hasGap && isColon(offset - 1) && tailCount == 0) {
        guard isColon(offset) else { return nil }
        offset += 1
      }
      let start = offset
      var value = 0
      while offset < text.count, let digit = hexDigit(text[offset]), offset - start < 5 {
        value = value << 4 | digit
        offset += 1
      }
      if offset < text.count, text[offset] == 0x2E {
        guard let four = readV4(text, start, text.count) else { return nil }
        push(UInt16(four >> 16))
        push(UInt16(truncatingIfNeeded: four))
        offset = text.count
      } else {
        guard (1...4).contains(offset - start) else { return nil }
        push(UInt16(value))
      }
      if headCount + tailCount > 8 { return nil }
    }
    if !hasGap { return headCount == 8 ? head : nil }
    guard headCount + tailCount <= 7 else { return nil }
    for _ in headCount..<8 { head.shiftIn(0) }
    return IPAddress(high: head.high | tail.high, low: head.low | tail.low)
  }

  private mutating func shiftIn(_ group: UInt16) {
    high = high << 16 | low >> 48
    low = low << 16 | UInt64(group)
  }

  private static func hexDigit(_ byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte - 0x30)
    case 0x41...0x46: Int(byte - 0x41) + 10
    case 0x61...0x66: Int(byte - 0x61) + 10
    default: nil
    }
  }

  /// Reads an address with or without a port: `10.0.0.1`, `10.0.0.1:443`, `fd00::1`, `[fd00::1]`,
  /// `[fd00::1]:443`.
  public static func withPort(
    _ text: UnsafeRawBufferPointer
  ) -> (address: IPAddress, port: UInt16?)? {
    guard let first = text.first else { return nil }
    var (start, end, next) = (0, text.count, text.count)
    if first == 0x5B {
      guard let close = text.firstIndex(of: 0x5D), text[1..<close].contains(0x3A) else {
        return nil
      }
      (start, end, next) = (1, close, close + 1)
    } else if let colon = text.firstIndex(of: 0x3A), text.lastIndex(of: 0x3A) == colon {
      (end, next) = (colon, colon)
    }
    guard let address = IPAddress(text: UnsafeRawBufferPointer(rebasing: text[start..<end]))
    else { return nil }
    if next == text.count { return (address, nil) }
    guard text[next] == 0x3A, (2...6).contains(text.count - next) else { return nil }
    var port = 0
    for byte in text[(next + 1)...] {
      guard (0x30...0x39).contains(byte) else { return nil }
      port = port * 10 + Int(byte - 0x30)
    }
    guard let port = UInt16(exactly: port) else { return nil }
    return (address, port)
  }

  // MARK: Writing

  /// Writes the text (RFC 5952 §4: lower case, the first longest run of zeros as "::") and returns
  /// its length. Requires: `textMax` bytes of room.
  public func write(to room: UnsafeMutableRawPointer) -> Int {
    var count = 0
    func put(_ byte: UInt8) {
      room.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
      count += 1
    }
    if isV4 {
      var shift: UInt32 = 32
      while shift > 0 {
        shift -= 8
        let part = UInt8(truncatingIfNeeded: v4 >> shift)
        if part >= 100 { put(0x30 + part / 100) }
        if part >= 10 { put(0x30 + part / 10 % 10) }
        put(0x30 + part % 10)
        if shift > 0 { put(0x2E) }
      }
      return count
    }
    let gap = longestZeros()
    var index = 0
    while index < 8 {
      if gap.count > 1, index == gap.start {
        put(0x3A)
        put(0x3A)
        index += gap.count
        continue
      }
      if index > 0, !(gap.count > 1 && index == gap.start + gap.count) { put(0x3A) }
      let group = group(index)
      var isLeading = true
      var shift: UInt16 = 16
      while shift > 0 {
        shift -= 4
        let digit = UInt8(truncatingIfNeeded: group >> shift & 15)
        if isLeading, digit == 0, shift > 0 { continue }
        isLeading = false
        put(digit < 10 ? 0x30 + digit : 0x57 + digit)
      }
      index += 1
    }
    return count
  }

  private func group(_ index: Int) -> UInt16 {
    let half = index < 4 ? high : low
    return UInt16(truncatingIfNeeded: half >> UInt64(48 - 16 * (index & 3)))
  }

  private func longestZeros() -> (start: Int, count: Int) {
    var (best, run) = ((start: 0, count: 0), (start: 0, count: 0))
    for index in 0..<8 {
      if group(index) == 0 {
        if run.count == 0 { run.start = index }
        run.count += 1
        if run.count > best.count { best = run }
      } else {
        run.count = 0
      }
    }
    return best
  }
}
