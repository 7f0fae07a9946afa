// A block of 64-bit cells, each with one writing thread and any number of readers. A writer does a
// relaxed load and a relaxed store, never a locked read-modify-write.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc
public import Synchronization

/// Counters or gauges that one thread writes and others sum when asked for them.
public final class CellBlock: Sendable {
  // SAFETY: initialised once, never reassigned, freed in deinit; access is atomic.
  @usableFromInline nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>
  // SAFETY: what `calloc` gave, for `free`.
  private nonisolated(unsafe) let room: UnsafeMutableRawPointer
  public let count: Int

  /// All cells are 0 at first. The block shares no cache line with other memory.
  /// Requires: count > 0.
  public init(count: Int) {
    precondition(count > 0)
    self.count = count
    let byteCount = (count * 8 + 255) / 128 * 128
    // Zeroed by the kernel, which is a cell of 0: cells that are never written take no memory.
    guard let memory = calloc(byteCount + 128, 1) else {
      fatalError("out of memory for \(count) cells")
    }
    room = memory
    let start = (UInt(bitPattern: memory) + 127) / 128 * 128 - UInt(bitPattern: memory)
    cells = (memory + Int(start)).bindMemory(to: Atomic<UInt64>.self, capacity: byteCount / 8)
  }

  deinit { free(room) }

  /// Any thread. The result may be older than other cells read before it.
  @inlinable public subscript(index: Int) -> UInt64 {
    assert(index >= 0 && index < count)
    return cells[index].load(ordering: .relaxed)
  }

  /// Writing thread only.
  @inlinable public func store(_ value: UInt64, at index: Int) {
    assert(index >= 0 && index < count)
    cells[index].store(value, ordering: .relaxed)
  }

  /// Writing thread only. Wraps around at 2^64.
  @inlinable public func add(_ amount: UInt64, at index: Int) {
    store(self[index] &+ amount, at: index)
  }

  /// Writing thread only. Requires: the cell is at least `amount`.
  @inlinable public func subtract(_ amount: UInt64, at index: Int) {
    assert(self[index] >= amount)
    store(self[index] &- amount, at: index)
  }
}
