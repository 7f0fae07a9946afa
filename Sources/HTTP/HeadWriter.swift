// Appends a head to memory of fixed size. Overflow is remembered, never written.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Writes text into a buffer that somebody else owns.
@frozen public struct HeadWriter {
  @usableFromInline let base: UnsafeMutableRawPointer
  public let capacity: Int
  public private(set) var count = 0
  /// Something did not fit: what was written is not to be used.
  public private(set) var hasOverflowed = false

  public init(_ room: UnsafeMutableRawBufferPointer) {
    precondition(room.baseAddress != nil)
    base = room.baseAddress.unsafelyUnwrapped
    capacity = room.count
  }

  /// What was written so far.
  public var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  @inline(__always)
  public mutating func append(_ source: UnsafeRawPointer, _ byteCount: Int) {
    guard byteCount <= capacity - count else {
      hasOverflowed = true
      return
    }
    (base + count).copyMemory(from: source, byteCount: byteCount)
    count += byteCount
  }

  /// Requires: `text` is ASCII.
  @inline(__always)
  public mutating func append(_ text: StaticString) {
    append(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
  }

  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if let source = bytes.baseAddress { append(source, bytes.count) }
  }

  /// In decimal. Requires: number ≥ 0.
  public mutating func append(number: Int) {
    var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
    withUnsafeMutableBytes(of: &digits) { room in
      guard let end = room.baseAddress?.advanced(by: 24) else { return }
      var start = end
      var rest = number
      repeat {
        start -= 1
        start.storeBytes(of: UInt8(0x30 + rest % 10), as: UInt8.self)
        rest /= 10
      } while rest > 0
      append(UnsafeRawPointer(start), end - start)
    }
  }
}
