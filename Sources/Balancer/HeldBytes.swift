// Bytes that were received but are not complete yet, in a part of a block. Invariant: 0 <= start <=
// end <= the size of the block.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem

/// A block of memory; the bytes in `start..<end` are valid.
struct HeldBytes {
  var block: UnsafeMutableRawPointer?
  private var startOffset: Int32
  private var endOffset: Int32

  init(block: UnsafeMutableRawPointer? = nil, end: Int = 0) {
    self.block = block
    startOffset = 0
    endOffset = Int32(truncatingIfNeeded: end)
  }

  var start: Int {
    get { Int(startOffset) }
    set { startOffset = Int32(truncatingIfNeeded: newValue) }
  }
  var end: Int {
    get { Int(endOffset) }
    set { endOffset = Int32(truncatingIfNeeded: newValue) }
  }
  var isEmpty: Bool { startOffset == endOffset }
  var bytes: UnsafeRawBufferPointer {
    guard let block else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: block + start, count: end - start)
  }

  /// The address after the first occurrence of the text; nil: it does not occur.
  func endOfFirst(_ text: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
    guard let block, let wanted = text.baseAddress, end - start >= text.count else { return nil }
    for offset in start...end - text.count
    where memcmp(block + offset, wanted, text.count) == 0 {
      return block + offset + text.count
    }
    return nil
  }
}
