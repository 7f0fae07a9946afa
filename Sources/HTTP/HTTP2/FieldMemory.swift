// Memory for the HPACK state of connections: blocks from free lists by size, and what coders share
// of one thread. Invariant: after warm-up nothing is allocated; a freed block is the next one used.
// HOT PATH: no lock, no existential, no clock; a block is allocated once and then reused.
import CNghttp2

/// The memory of all `HeadCoder` of one thread. Requires: it outlives them.
public final class FieldMemory {
  let store: UnsafeMutablePointer<FieldStore>

  /// `byteCountMax` bounds `reservedByteCount`: beyond it coders run out of memory.
  public init(byteCountMax: Int = .max) {
    store = .allocate(capacity: 1)
    store.initialize(to: FieldStore(byteCountMax: byteCountMax))
    store.pointee.callbacks.pointee = nghttp2_mem(
      mem_user_data: store,
      malloc: { count, user in FieldStore.at(user).pointee.take(count) },
      free: { block, user in FieldStore.at(user).pointee.give(block) },
      calloc: { count, size, user in FieldStore.at(user).pointee.takeZeroed(count, size) },
      realloc: { block, count, user in FieldStore.at(user).pointee.resize(block, to: count) })
  }

  deinit {
    assert(liveByteCount == 0, "a coder outlives its memory")
    store.deinitialize(count: 1)
    store.deallocate()
  }

  /// The memory of the blocks in use, their headers included.
  public var liveByteCount: Int { store.pointee.liveByteCount }
  /// The memory taken from the system; it is not given back before the end.
  public var reservedByteCount: Int { store.pointee.reservedByteCount }
  /// How many times memory was taken from the system.
  public var allocationCount: Int { store.pointee.chunkCount }
}

/// The free lists, and rooms that every coder of the thread uses in turn.
///
/// A block is a header of eight bytes, with its size class, and what is given out. The sizes are 32
/// bytes and then 48, 64, 96, 128, 192, … 192 KB: nghttp2's longest value (64 KB) fits, decoded in
/// a room of twice its encoded length.
struct FieldStore: ~Copyable {
  private static let classCount = 26
  private static let headerBytes = 8
  private static let chunkBytes = 65_536
  /// Larger blocks have a chunk of their own.
  private static let sharedBytesMax = 8_192
  /// At the start of a chunk: the chunk before it.
  private static let linkBytes = 16

  /// The most fields of a decoded head, pseudo-fields included.
  static let fieldsMax = 200
  static let scratchBytes = HeadParser.byteCountMax

  /// What nghttp2 is given; it keeps the address.
  let callbacks = UnsafeMutablePointer<nghttp2_mem>.allocate(capacity: 1)
  let classes = ByteClasses()
  /// Pseudo-fields and cookies of the head that is decoded.
  let scratch = UnsafeMutablePointer<UInt8>.allocate(capacity: scratchBytes)

  private let byteCountMax: Int
  private(set) var liveByteCount = 0
  private(set) var reservedByteCount = 0
  private(set) var chunkCount = 0
  private var lists = InlineArray<26, UnsafeMutableRawPointer?>(repeating: nil)
  private var chunks: UnsafeMutableRawPointer?
  /// What is left of the newest shared chunk.
  private var rest: UnsafeMutableRawPointer?
  private var restBytes = 0

  init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

  deinit {
    var next = chunks
    while let chunk = next {
      next = chunk.load(as: UnsafeMutableRawPointer?.self)
      chunk.deallocate()
    }
    callbacks.deallocate()
    scratch.deallocate()
  }

  @inline(__always)
  static func at(_ user: UnsafeMutableRawPointer?) -> UnsafeMutablePointer<FieldStore> {
    user.unsafelyUnwrapped.assumingMemoryBound(to: FieldStore.self)
  }

  /// The smallest class whose blocks hold `total` bytes, header included. 33...48 → 1, 49...64 → 2.
  @inline(__always) private static func sizeClass(_ total: Int) -> Int {
    if total <= 32 { return 0 }
    let bits = Int.bitWidth &- 1 &- (total &- 1).leadingZeroBitCount
    return (bits &- 5) &* 2 &+ ((total &- 1) >> (bits &- 1) & 1) &+ 1
  }

  /// The bytes of a block of the class, header included.
  @inline(__always) private static func size(_ index: Int) -> Int {
    index & 1 == 0 ? 32 << (index >> 1) : 48 << (index >> 1)
  }

  /// A block with arbitrary content, aligned to eight bytes; nil: there is no memory.
  mutating func take(_ count: Int) -> UnsafeMutableRawPointer? {
    guard count >= 0, count <= Self.size(Self.classCount - 1) - Self.headerBytes else { return nil }
    let index = Self.sizeClass(count &+ Self.headerBytes)
    if let block = lists[index] {
      lists[index] = block.load(as: UnsafeMutableRawPointer?.self)
      liveByteCount &+= Self.size(index)
      return block
    }
    guard let header = carve(Self.size(index)) else { return nil }
    header.storeBytes(of: index, as: Int.self)
    liveByteCount &+= Self.size(index)
    return header + Self.headerBytes
  }

  /// Requires: the block came from here and was not given back; or nil.
  mutating func give(_ block: UnsafeMutableRawPointer?) {
    guard let block else { return }
    let index = (block - Self.headerBytes).load(as: Int.self)
    block.storeBytes(of: lists[index], as: UnsafeMutableRawPointer?.self)
    lists[index] = block
    liveByteCount &-= Self.size(index)
  }

  mutating func takeZeroed(_ count: Int, _ size: Int) -> UnsafeMutableRawPointer? {
    let (total, isOver) = count.multipliedReportingOverflow(by: size)
    guard !isOver, let block = take(total) else { return nil }
    block.initializeMemory(as: UInt8.self, repeating: 0, count: total)
    return block
  }

  mutating func resize(
    _ block: UnsafeMutableRawPointer?, to count: Int
  ) -> UnsafeMutableRawPointer? {
    guard let block else { return take(count) }
    let index = (block - Self.headerBytes).load(as: Int.self)
    let room = Self.size(index) - Self.headerBytes
    if count <= room { return block }
    guard let larger = take(count) else { return nil }
    larger.copyMemory(from: block, byteCount: room)
    give(block)
    return larger
  }

  /// Memory that was not used before.
  private mutating func carve(_ count: Int) -> UnsafeMutableRawPointer? {
    if count > Self.sharedBytesMax { return chunk(count) }
    if restBytes < count {
      guard let fresh = chunk(Self.chunkBytes) else { return nil }
      (rest, restBytes) = (fresh, Self.chunkBytes)
    }
    defer {
      rest = rest.unsafelyUnwrapped + count
      restBytes -= count
    }
    return rest
  }

  private mutating func chunk(_ count: Int) -> UnsafeMutableRawPointer? {
    let total = count + Self.linkBytes
    guard total <= byteCountMax - reservedByteCount else { return nil }
    let chunk = UnsafeMutableRawPointer.allocate(byteCount: total, alignment: 16)
    chunk.storeBytes(of: chunks, as: UnsafeMutableRawPointer?.self)
    chunks = chunk
    reservedByteCount += total
    chunkCount += 1
    return chunk + Self.linkBytes
  }
}
