// Blocks of one size for heads and what was sent of a request, last in first out: the next one
// given is still in the cache. Pages of a block are resident only once they were touched.
// HOT PATH: no lock, no existential, no clock; a block is allocated once and then reused.

/// A bounded stock of equal blocks of memory. Blocks not given back die with their owner.
public struct BlockPool: ~Copyable {
  public let byteCount: Int
  private let countMax: Int
  private var free: [UnsafeMutableRawPointer] = []
  private var count = 0
  @usableFromInline var usedCount = 0

  /// Requires: byteCount > 0. At most `countMax` blocks are out at a time.
  public init(byteCount: Int, countMax: Int) {
    self.byteCount = byteCount
    self.countMax = countMax
    free.reserveCapacity(64)
  }

  deinit { for block in free { block.deallocate() } }

  /// Memory of the blocks that are out.
  @inlinable public var usedByteCount: Int { usedCount * byteCount }

  /// A block with arbitrary content, or nil when all are in use.
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
