// Appends a head to memory of fixed size. Overflow is remembered, never written.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Writes text into a buffer that somebody else owns.
@frozen public struct ByteWriter {
  @usableFromInline let base: UnsafeMutableRawPointer
  public let capacity: Int
  @usableFromInline var end = 0
  /// Something did not fit: the written bytes must not be used.
  @usableFromInline var isOver = false

  /// Bytes written.
  @inlinable public var count: Int { end }
  @inlinable public var hasOverflowed: Bool { isOver }

  @inlinable public init(_ room: UnsafeMutableRawBufferPointer) {
    precondition(room.baseAddress != nil)
    base = room.baseAddress.unsafelyUnwrapped
    capacity = room.count
  }

  /// The written bytes.
  @inlinable public var written: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: end)
  }

  @inlinable @inline(__always)
  public mutating func append(_ source: UnsafeRawPointer, _ byteCount: Int) {
    guard byteCount <= capacity &- end else {
      isOver = true
      return
    }
    (base + end).copyMemory(from: source, byteCount: byteCount)
    end &+= byteCount
  }

  /// Requires: `text` is ASCII. Inlined, its bytes are constants of the caller's code.
  @inlinable @inline(__always)
  public mutating func append(_ text: StaticString) {
    append(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
  }

  @inlinable public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    if let source = bytes.baseAddress { append(source, bytes.count) }
  }

  /// Appends a number in decimal. Requires: number ≥ 0.
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
