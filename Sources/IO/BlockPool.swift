// Blocks of one size, for heads and for sent requests that are kept. Last in, first out: the next
// block taken is still in the cache. Pages of a block become resident only when they are touched.
// HOT PATH: no lock, no existential, no clock; a block is allocated once and then reused.

/// A bounded stock of equal memory blocks. Blocks that were not given back are freed with the pool.
public struct BlockPool: ~Copyable {
  public let byteCount: Int
  private let countMax: Int
  private var free: [UnsafeMutableRawPointer] = []
  private var count = 0
  @usableFromInline var usedCount = 0

  /// Requires: byteCount > 0. At most `countMax` blocks are in use at a time.
  public init(byteCount: Int, countMax: Int) {
    self.byteCount = byteCount
    self.countMax = countMax
    free.reserveCapacity(64)
  }

  deinit { for block in free { block.deallocate() } }

  /// The memory of the blocks in use.
  @inlinable public var usedByteCount: Int { usedCount * byteCount }

  /// A block with arbitrary content; nil: all are in use.
  public mutating func take() -> UnsafeMutableRawPointer? {
    if let block = free.popLast() {
      usedCount += 1
      return block
    }
    guard count < countMax else { return nil }
    count += 1
    usedCount += 1
    return UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
  }

  /// Requires: the block came from `take` and was not given back.
  public mutating func give(_ block: UnsafeMutableRawPointer) {
    usedCount -= 1
    free.append(block)
  }
}
