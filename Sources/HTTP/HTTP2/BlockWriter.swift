// Writes blocks of HPACK (RFC 7541 §6) of what needs no memory: fields and names of the static
// table, and literals, without Huffman codes. Overflow is remembered, never written.
// HOT PATH: no allocation, no lock, no existential, no clock.

struct BlockWriter {
  /// Of a field beside its name and value: its kind, and three bytes for each length below 16 KB.
  private static let overhead = 8

  private let base: UnsafeMutablePointer<UInt8>
  private let capacity: Int
  private(set) var count = 0
  private(set) var isOver = false
  /// A field says that the content is gRPC.
  private(set) var isGRPC = false
  /// Where `content-length: 0` stands; empty: it does not.
  private var zeroLength = 0..<0

  init?(_ room: UnsafeMutableRawBufferPointer) {
    guard let base = room.baseAddress else { return nil }
    self.base = base.assumingMemoryBound(to: UInt8.self)
    capacity = room.count
  }

  /// Writes a byte that says all: an indexed field, a change of the table's size.
  @inline(__always) mutating func write(_ byte: UInt8) {
    guard count < capacity else {
      isOver = true
      return
    }
    base[count] = byte
    count &+= 1
  }

  /// Writes a field of which the static table has the name. Nobody may index secrets (§7.1.3).
  @inline(__always)
  mutating func write(_ index: Int, _ value: UnsafePointer<UInt8>, _ valueCount: Int) {
    guard hasRoom(valueCount) else { return }
    writeIndex(index)
    writeString(value, valueCount)
  }

  @inline(__always) mutating func write(_ index: Int, _ value: StaticString) {
    write(index, value.utf8Start, value.utf8CodeUnitCount)
  }

  /// Writes a field, its name in lower case, unless it is meant for one connection of HTTP/1.
  @inline(__always)
  mutating func write(
    _ known: FieldName, _ name: UnsafePointer<UInt8>, _ nameCount: Int,
    _ value: UnsafePointer<UInt8>, _ valueCount: Int
  ) {
    guard !known.isHopByHop, hasRoom(nameCount &+ valueCount) else { return }
    let start = count
    let index = StaticIndex.of(name, nameCount, known)
    if index > 0 {
      writeIndex(index)
      if index == StaticIndex.contentType {
        isGRPC = isGRPCType(UnsafeRawBufferPointer(start: value, count: valueCount))
      }
    } else {
      base[count] = 0
      count &+= 1
      writeLength(nameCount)
      Words.copyLower(name, nameCount, to: base + count)
      count &+= nameCount
    }
    writeString(value, valueCount)
    if known == .contentLength, valueCount == 1, value[0] == 0x30 { zeroLength = start..<count }
  }

  /// Takes `content-length: 0` out.
  mutating func removeZeroLength() {
    guard !zeroLength.isEmpty else { return }
    (base + zeroLength.lowerBound).update(
      from: base + zeroLength.upperBound, count: count &- zeroLength.upperBound)
    count &-= zeroLength.count
    zeroLength = 0..<0
  }

  @inline(__always) private mutating func hasRoom(_ byteCount: Int) -> Bool {
    if byteCount &+ Self.overhead <= capacity &- count { return true }
    isOver = true
    return false
  }

  /// A literal field without indexing, or never indexed, with the name's index in four bits.
  @inline(__always) private mutating func writeIndex(_ index: Int) {
    let kind: UInt8 = StaticIndex.isSecret(index) ? 0x10 : 0
    if index < 15 {
      base[count] = kind | UInt8(truncatingIfNeeded: index)
      count &+= 1
    } else {
      base[count] = kind | 15
      base[count &+ 1] = UInt8(truncatingIfNeeded: index &- 15)
      count &+= 2
    }
  }

  @inline(__always)
  private mutating func writeString(_ value: UnsafePointer<UInt8>, _ valueCount: Int) {
    writeLength(valueCount)
    (base + count).update(from: value, count: valueCount)
    count &+= valueCount
  }

  /// A length in seven bits and more (§5.1). Requires: less than 127 + 2^14.
  @inline(__always) private mutating func writeLength(_ length: Int) {
    if length < 127 {
      base[count] = UInt8(truncatingIfNeeded: length)
      count &+= 1
      return
    }
    let rest = length &- 127
    base[count] = 127
    if rest < 128 {
      base[count &+ 1] = UInt8(truncatingIfNeeded: rest)
      count &+= 2
    } else {
      base[count &+ 1] = UInt8(truncatingIfNeeded: rest & 0x7F | 0x80)
      base[count &+ 2] = UInt8(truncatingIfNeeded: rest &>> 7)
      count &+= 3
    }
  }
}
