// The bytes that a socket has not taken yet: a chain of blocks from one pool per loop.
// Invariant: a queue owns its blocks; a freed block is the next one given out (still in cache).
// HOT PATH: no lock, no existential, no clock; a block is allocated once and then reused.
import CSystem

/// A block: this header, then the content.
struct OutputBlock {
  static let byteCount = IOLoop.outputBlockBytes
  static let contentCount = byteCount - MemoryLayout<OutputBlock>.stride
  var next: UnsafeMutablePointer<OutputBlock>?
  /// The content from `start` to `end` is unsent.
  var start: Int32
  var end: Int32
}

/// The queued bytes of a connection. A trivial type; the pool does the work.
@usableFromInline package struct OutputQueue {
  /// The last block; its next block is the first.
  private var tail: UnsafeMutablePointer<OutputBlock>?
  @usableFromInline var unsentCount: UInt32 = 0

  package init() {}

  @inlinable package internal(set) var byteCount: Int {
    get { Int(unsentCount) }
    set { unsentCount = UInt32(newValue) }
  }
  var first: UnsafeMutablePointer<OutputBlock>? { tail?.pointee.next }
  var last: UnsafeMutablePointer<OutputBlock>? { tail }

  mutating func append(_ block: UnsafeMutablePointer<OutputBlock>) {
    block.pointee.next = first ?? block
    tail?.pointee.next = block
    tail = block
  }

  /// Requires: `first` is this block.
  mutating func remove(_ block: UnsafeMutablePointer<OutputBlock>) {
    tail?.pointee.next = block.pointee.next
    if block == tail { tail = nil }
  }
}

/// The blocks of queues.
package struct OutputPool: ~Copyable {
  private var free: UnsafeMutablePointer<OutputBlock>?
  private var blockCount = 0
  private let blockCountMax: Int
  /// The number of blocks in queues.
  package let usedCount: UnsafeMutablePointer<Int>

  /// Blocks hold at most `byteCountMax` bytes. Requires: less than 4 GB.
  package init(byteCountMax: Int) {
    precondition(byteCountMax <= UInt32.max)
    blockCountMax = max(4, byteCountMax / OutputBlock.byteCount)
    usedCount = .allocate(capacity: 1)
    usedCount.initialize(to: 0)
  }

  deinit {
    usedCount.deallocate()
    var block = free
    while let current = block {
      block = current.pointee.next
      UnsafeMutableRawPointer(current).deallocate()
    }
  }

  /// Appends bytes. Returns false if the pool is exhausted: some of the bytes may then be queued,
  /// and the connection has to be closed.
  package mutating func append(
    _ bytes: UnsafeRawBufferPointer, to queue: inout OutputQueue
  ) -> Bool {
    var rest = bytes
    while let source = rest.baseAddress, !rest.isEmpty {
      if queue.last == nil || Int(queue.last!.pointee.end) == OutputBlock.contentCount {
        guard let block = take() else { return false }
        queue.append(block)
      }
      guard let tail = queue.last else { return false }
      let end = Int(tail.pointee.end)
      let count = min(rest.count, OutputBlock.contentCount - end)
      content(of: tail).advanced(by: end).copyMemory(from: source, byteCount: count)
      tail.pointee.end = Int32(end + count)
      queue.byteCount += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
    return true
  }

  /// Sends what the socket takes. Returns 0 if it took everything or would block, else the errno.
  mutating func flush(_ queue: inout OutputQueue, to fd: Int32) -> Int {
    while let head = queue.first {
      let start = Int(head.pointee.start)
      let count = Int(head.pointee.end) - start
      let sent = sy_send(fd, content(of: head).advanced(by: start), count)
      if sent == -Int(EAGAIN) { return 0 }
      if sent < 0 { return -sent }
      queue.byteCount -= sent
      if sent < count {
        head.pointee.start = Int32(start + sent)
        return 0
      }
      queue.remove(head)
      give(head)
    }
    return 0
  }

  /// The first bytes of the queue that lie together; empty: the queue is.
  package func front(_ queue: OutputQueue) -> UnsafeRawBufferPointer {
    guard let head = queue.first else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let start = Int(head.pointee.start)
    return UnsafeRawBufferPointer(
      start: content(of: head) + start, count: Int(head.pointee.end) - start)
  }

  /// Removes bytes from the front. Requires: `count` is at most that of `front`.
  package mutating func drop(_ count: Int, of queue: inout OutputQueue) {
    guard let head = queue.first else { return }
    head.pointee.start += Int32(truncatingIfNeeded: count)
    queue.byteCount -= count
    guard head.pointee.start == head.pointee.end else { return }
    queue.remove(head)
    give(head)
  }

  /// Discards the queue's bytes.
  package mutating func clear(_ queue: inout OutputQueue) {
    while let head = queue.first {
      queue.remove(head)
      give(head)
    }
    queue = OutputQueue()
  }

  /// Returns a queue's memory to the system. Requires: neither queue nor pool is used again.
  func discard(_ queue: OutputQueue) {
    var block = queue.first
    while let current = block {
      block = current == queue.last ? nil : current.pointee.next
      UnsafeMutableRawPointer(current).deallocate()
    }
  }

  func content(of block: UnsafeMutablePointer<OutputBlock>) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(block + 1)
  }

  private mutating func take() -> UnsafeMutablePointer<OutputBlock>? {
    let block: UnsafeMutablePointer<OutputBlock>
    if let first = free {
      free = first.pointee.next
      block = first
    } else {
      guard blockCount < blockCountMax else { return nil }
      blockCount += 1
      block = UnsafeMutableRawPointer.allocate(byteCount: OutputBlock.byteCount, alignment: 64)
        .bindMemory(to: OutputBlock.self, capacity: 1)
    }
    usedCount.pointee += 1
    block.initialize(to: OutputBlock(next: nil, start: 0, end: 0))
    return block
  }

  mutating func give(_ block: UnsafeMutablePointer<OutputBlock>) {
    usedCount.pointee -= 1
    block.pointee.next = free
    free = block
  }
}
