// Counts the exchanges at each endpoint over all workers, for pools that admit as many as the
// endpoints have slots. Invariant: a count is never above the limit with which it was taken.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Synchronization

/// The number of occupied slots of each endpoint, over all workers.
package final class SlotCounts: Sendable {
  private static let stride = 16
  private let endpointLimit: Int
  // SAFETY: initialised once, never reassigned, freed in deinit; access is atomic.
  private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<Int>>

  /// Makes counts of 0 for endpoint indexes below `endpointLimit`. Allocates.
  package init(endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    let cellCount = max(1, endpointLimit) * Self.stride
    let memory = UnsafeMutableRawPointer.allocate(byteCount: cellCount * 8, alignment: 128)
    cells = memory.bindMemory(to: Atomic<Int>.self, capacity: cellCount)
    for index in 0..<cellCount { (cells + index).initialize(to: Atomic(0)) }
  }

  deinit { UnsafeMutableRawPointer(cells).deallocate() }

  /// The number of occupied slots of the endpoint. Any thread.
  package subscript(endpointIndex: Int) -> Int {
    cells[endpointIndex * Self.stride].load(ordering: .sequentiallyConsistent)
  }

  /// Takes a slot of the endpoint if fewer than `limit` are taken.
  package func tryEnter(_ endpointIndex: Int, _ limit: Int) -> Bool {
    let cell = cells + endpointIndex * Self.stride
    var seen = cell.pointee.load(ordering: .sequentiallyConsistent)
    while seen < limit {
      let (isDone, found) = cell.pointee.compareExchange(
        expected: seen, desired: seen + 1, ordering: .sequentiallyConsistent)
      if isDone { return true }
      seen = found
    }
    return false
  }

  /// Gives a slot back. Requires: called once for each successful `tryEnter`.
  package func leave(_ endpointIndex: Int) {
    let before = cells[endpointIndex * Self.stride].subtract(1, ordering: .sequentiallyConsistent)
      .oldValue
    assert(before > 0)
  }
}
