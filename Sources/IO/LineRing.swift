// Passes whole lines from one thread to another through memory of fixed size. Lines that do not fit
// are rejected, and neither thread ever waits for the other.
// Invariant: taken ≤ written ≤ taken + byteCount; only the producer moves `written`, only the
// consumer `taken`. The bytes between `taken` and `written` belong to the consumer.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Synchronization

/// A ring of bytes with one producing and one consuming thread.
public final class LineRing: Sendable {
  public let byteCount: Int
  // SAFETY: set once; the two threads use disjoint parts, handed over by release and acquire.
  nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
  private let written = Atomic<UInt64>(0)
  private let taken = Atomic<UInt64>(0)

  /// Memory that is never touched is not resident. Requires: byteCount > 0.
  public init(byteCount: Int = 1 << 20) {
    guard let memory = sy_map(byteCount) else { fatalError("out of memory for a log's ring") }
    self.byteCount = byteCount
    self.memory = memory
  }

  deinit { sy_unmap(memory, byteCount) }

  /// The number of bytes to be taken. Any thread.
  public var pendingCount: Int {
    let taken = taken.load(ordering: .relaxed)
    return Int(written.load(ordering: .relaxed) &- taken)
  }

  /// Appends all of the bytes; returns false if there is no room for them. Producer only.
  public func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let end = written.load(ordering: .relaxed)
    let used = Int(end &- taken.load(ordering: .acquiring))
    guard let source = bytes.baseAddress, bytes.count <= byteCount - used else {
      return bytes.isEmpty
    }
    let offset = Int(end % UInt64(byteCount))
    let first = min(bytes.count, byteCount - offset)
    (memory + offset).copyMemory(from: source, byteCount: first)
    if first < bytes.count {
      memory.copyMemory(from: source + first, byteCount: bytes.count - first)
    }
    written.store(end &+ UInt64(bytes.count), ordering: .releasing)
    return true
  }

  /// The number of bytes that can be taken now. Consumer only.
  func readableCount() -> Int {
    Int(written.load(ordering: .acquiring) &- taken.load(ordering: .relaxed))
  }

  /// The next contiguous bytes, at most `readableCount`; valid until `release`.
  func next() -> UnsafeRawBufferPointer {
    let offset = Int(taken.load(ordering: .relaxed) % UInt64(byteCount))
    return UnsafeRawBufferPointer(
      start: memory + offset, count: min(readableCount(), byteCount - offset))
  }

  /// Passes all present bytes to `body` and removes them, in two parts if they wrap around the
  /// ring's end. Consumer only.
  public func takeAll(_ body: (UnsafeRawBufferPointer) -> Void) {
    var rest = readableCount()
    while rest > 0 {
      let bytes = next()
      body(bytes)
      release(bytes.count)
      rest -= bytes.count
    }
  }

  /// Removes the first bytes of `next`.
  func release(_ count: Int) {
    taken.store(taken.load(ordering: .relaxed) &+ UInt64(count), ordering: .releasing)
  }
}
