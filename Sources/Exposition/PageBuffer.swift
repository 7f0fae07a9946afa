// The buffer of a page while it is written: capacity is ensured once a line, then bytes are copied
// without further checks.
import CSystem

/// The buffer grows by doubling.
struct PageBuffer {
  /// The bytes written.
  private(set) var bytes: [UInt8] = []

  init(byteCapacity: Int) { bytes.reserveCapacity(byteCapacity) }

  /// Returns the bytes written without copying them; the buffer is empty afterwards.
  mutating func take() -> [UInt8] {
    defer { bytes = [] }
    return bytes
  }

  /// Lets `body` write at most `byteCount` bytes.
  @inline(__always)
  mutating func write(atMost byteCount: Int, _ body: (inout PageCursor) -> Void) {
    if bytes.capacity - bytes.count < byteCount { grow(byteCount) }
    bytes.append(addingCapacity: byteCount) { span in
      span.withUnsafeMutableBufferPointer { buffer, count in
        guard let first = buffer.baseAddress else { return }
        var cursor = PageCursor(first: first, position: first)
        body(&cursor)
        count = cursor.position - first
        assert(count <= byteCount, "more than was asked for")
      }
    }
  }

  @inline(never)
  private mutating func grow(_ byteCount: Int) {
    bytes.reserveCapacity(2 * max(bytes.count, byteCount))
  }
}

/// The position of the next byte. Requires: there is capacity for everything that is put. Numbers
/// are written here and not by `NumberWords`: a page has up to 10^6 of them, exact, in the format
/// of the exposition, without a String each.
struct PageCursor {
  /// The position of its first byte.
  let first: UnsafeMutablePointer<UInt8>
  var position: UnsafeMutablePointer<UInt8>

  @inline(__always) mutating func put(_ byte: UInt8) {
    position.pointee = byte
    position += 1
  }

  @inline(__always) mutating func put(_ text: [UInt8]) {
    let count = text.count
    text.withUnsafeBufferPointer { bytes in
      if let base = bytes.baseAddress { memcpy(position, base, count) }
    }
    position += count
  }

  mutating func put(_ text: String) {
    for byte in text.utf8 { put(byte) }
  }

  /// Writes its first bytes again.
  @inline(__always) mutating func repeatFirst(_ byteCount: Int) {
    memcpy(position, first, byteCount)
    position += byteCount
  }

  /// Writes a number in decimal.
  @inline(__always) mutating func put(_ value: UInt64) {
    if value < 10 { return put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: value)) }
    var digitCount = 0
    var rest = value
    while rest > 0 {
      digitCount &+= 1
      rest /= 10
    }
    rest = value
    var digit = digitCount
    while digit > 0 {
      digit &-= 1
      let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
      position[digit] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder)
      rest = quotient
    }
    position += digitCount
  }

  /// Writes the shortest text that is read back as the same number; integers below 2^53 as
  /// integers. At most 24 bytes.
  mutating func put(_ value: Double) {
    if value.isNaN { return put("NaN") }
    if value.isInfinite { return put(value < 0 ? "-Inf" : "+Inf") }
    guard value.magnitude < 0x1p53, value == value.rounded(.towardZero) else {
      return put(value.description)
    }
    if value.sign == .minus { put(UInt8(ascii: "-")) }
    put(UInt64(value.magnitude))
  }

  /// Writes 16 lower-case hexadecimal digits.
  mutating func putHex(_ value: UInt64) {
    for shift in stride(from: UInt64(60), through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
      put(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
    }
  }
}
