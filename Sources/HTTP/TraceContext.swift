// Identifiers that tie one request's traces together: `X-Request-Id`, and W3C Trace Context
// level 1 (https://www.w3.org/TR/trace-context-1/ §3.2). Malformed ones are replaced, never
// repaired.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// `X-Request-Id`.
public enum RequestID {
  /// The longest that is passed on, and room enough for one that is made.
  public static let byteCountMax = 128

  /// Whether a client's own may be passed on: 1...128 bytes of visible ASCII, so that it fits into
  /// any log line.
  public static func isAcceptable(_ text: UnsafeRawBufferPointer) -> Bool {
    guard (1...byteCountMax).contains(text.count) else { return false }
    for byte in text where byte <= 0x20 || byte >= 0x7F { return false }
    return true
  }

  /// Writes 32 hexadecimal digits; returns 32. Requires: room for them.
  public static func write(_ high: UInt64, _ low: UInt64, to room: UnsafeMutableRawPointer) -> Int {
    Hex.write(high, to: room)
    Hex.write(low, to: room + 16)
    return 32
  }
}

/// `traceparent`: the trace, the caller's span in it, and whether the caller records.
@frozen public struct TraceParent: Equatable, Sendable {
  public static let byteCount = 55

  public var traceHigh: UInt64
  public var traceLow: UInt64
  public var span: UInt64
  /// Bit 0: sampled.
  public var flags: UInt8

  public init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, flags: UInt8) {
    self.traceHigh = traceHigh
    self.traceLow = traceLow
    self.span = span
    self.flags = flags
  }

  /// Reads `00-<32 hex>-<16 hex>-<2 hex>`, in lower case as §3.2.2 has it. A higher version may go
  /// on after another "-" (§3.2.4); "ff" is none, and neither is an identifier of zeros.
  public init?(_ text: UnsafeRawBufferPointer) {
    guard text.count >= Self.byteCount, text[2] == 0x2D, text[35] == 0x2D, text[52] == 0x2D,
      let version = Hex.read(text, 0, 2), let high = Hex.read(text, 3, 16),
      let low = Hex.read(text, 19, 16), let span = Hex.read(text, 36, 16),
      let flags = Hex.read(text, 53, 2), version != 0xFF, high | low != 0, span != 0,
      text.count == Self.byteCount || version > 0 && text[Self.byteCount] == 0x2D
    else { return nil }
    // What a later version's other flags mean is not known here (§3.2.4).
    self.init(
      traceHigh: high, traceLow: low, span: span,
      flags: UInt8(truncatingIfNeeded: version == 0 ? flags : flags & 1))
  }

  /// Appends it as version 00.
  public func write(to writer: inout ByteWriter) {
    withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 8) { room in
      guard let base = room.baseAddress else { return }
      base.storeBytes(of: 0x30, as: UInt8.self)
      base.storeBytes(of: 0x30, toByteOffset: 1, as: UInt8.self)
      base.storeBytes(of: 0x2D, toByteOffset: 2, as: UInt8.self)
      Hex.write(traceHigh, to: base + 3)
      Hex.write(traceLow, to: base + 19)
      base.storeBytes(of: 0x2D, toByteOffset: 35, as: UInt8.self)
      Hex.write(span, to: base + 36)
      base.storeBytes(of: 0x2D, toByteOffset: 52, as: UInt8.self)
      Hex.write(flags, to: base + 53)
      writer.append(base, Self.byteCount)
    }
  }
}

private enum Hex {
  /// `count` digits of lower-case hexadecimal.
  static func read(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64? {
    var value: UInt64 = 0
    for index in start..<start + count {
      switch text[index] {
      case 0x30...0x39: value = value << 4 | UInt64(text[index] - 0x30)
      case 0x61...0x66: value = value << 4 | UInt64(text[index] - 0x57)
      default: return nil
      }
    }
    return value
  }

  /// Sixteen digits.
  static func write(_ value: UInt64, to room: UnsafeMutableRawPointer) {
    room.storeBytes(of: digits(UInt32(truncatingIfNeeded: value >> 32)), as: UInt64.self)
    room.storeBytes(
      of: digits(UInt32(truncatingIfNeeded: value)), toByteOffset: 8, as: UInt64.self)
  }

  /// Two digits.
  static func write(_ value: UInt8, to room: UnsafeMutableRawPointer) {
    let (high, low) = (value >> 4, value & 15)
    room.storeBytes(of: high < 10 ? 0x30 + high : 0x57 + high, as: UInt8.self)
    room.storeBytes(of: low < 10 ? 0x30 + low : 0x57 + low, toByteOffset: 1, as: UInt8.self)
  }

  /// Eight digits, as they lie in memory: the nibbles are spread over a word's bytes, the first
  /// one lowest, and all become digits at once.
  private static func digits(_ value: UInt32) -> UInt64 {
    var word = UInt64(value.byteSwapped)
    word = (word | word << 16) & 0x0000_FFFF_0000_FFFF
    word = (word | word << 8) & 0x00FF_00FF_00FF_00FF
    word = (word >> 4 | word << 8) & 0x0F0F_0F0F_0F0F_0F0F
    // 10 and more become letters: 0x27 lies between "9" + 1 and "a".
    let letters = (word &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return (word &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).littleEndian
  }
}
