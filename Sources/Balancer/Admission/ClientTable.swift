// Counts the open connections of each client over all workers, without a lock: one word for each
// client holds its tag and its count.
// Invariant: a connection counts in one cell, and is subtracted from that same cell.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Synchronization

/// Counts connections by the hash of the client's network.
package final class ClientTable: Sendable {
  /// The decision on a new connection.
  package enum Verdict: Sendable, Equatable {
    /// The connection counts in this cell; pass it to `leave`.
    case entered(Int32)
    /// The client has as many connections as the limit allows.
    case refused
    /// The table has no room for another client: the connection is accepted without being counted.
    case uncounted
  }

  /// The number of cells that are searched for one client.
  private static let probeMax = 32
  private static let countMask: UInt64 = 0xFFFF

  /// The most connections of one client.
  package let limit: Int
  private let cellCount: Int
  // SAFETY: mapped once, never reassigned, unmapped in deinit; access is atomic. The mapping's
  // zeros are atomics of value 0. A cell is 48 bits of the hash and 16 of the count; with a count
  // of 0 it is free.
  private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>

  /// Requires: limit in 1...60_000. `connectionsMax` is the total of all workers.
  package init(limit: Int, connectionsMax: Int) {
    precondition((1...60_000).contains(limit))
    self.limit = limit
    var cellCount = 1_024
    while cellCount < 2 * connectionsMax { cellCount *= 2 }
    self.cellCount = cellCount
    guard let memory = sy_map(cellCount * 8) else { fatalError("out of memory for clients") }
    cells = memory.bindMemory(to: Atomic<UInt64>.self, capacity: cellCount)
  }

  deinit { sy_unmap(cells, cellCount * 8) }

  /// Counts a new connection. If two workers accept the first connections of a client at the same
  /// instant, these may rarely count as connections of two clients.
  package func enter(_ hash: UInt64) -> Verdict {
    let tag = max(hash >> 16, 1)
    let start = Int(truncatingIfNeeded: hash & UInt64(cellCount - 1)) & ~7
    search: while true {
      var free = -1
      var freeWord: UInt64 = 0
      for probe in 0..<Self.probeMax {
        let index = (start + probe) & (cellCount - 1)
        let word = cells[index].load(ordering: .relaxed)
        if word & Self.countMask == 0 {
          if free < 0 { (free, freeWord) = (index, word) }
        } else if word >> 16 == tag {
          if word & Self.countMask >= UInt64(limit) { return .refused }
          if exchange(index, word, word + 1) { return .entered(Int32(index)) }
          continue search
        }
      }
      if free < 0 { return .uncounted }
      if exchange(free, freeWord, tag << 16 | 1) { return .entered(Int32(free)) }
    }
  }

  /// Subtracts a connection. Requires: called once for each `.entered`, with its cell.
  package func leave(_ cell: Int32) {
    let before = cells[Int(cell)].subtract(1, ordering: .relaxed).oldValue
    assert(before & Self.countMask > 0)
  }

  /// The number of counted connections. Any thread; reads the whole table.
  package var count: Int {
    (0..<cellCount).reduce(0) {
      $0 + Int(cells[$1].load(ordering: .relaxed) & Self.countMask)
    }
  }

  private func exchange(_ index: Int, _ old: UInt64, _ new: UInt64) -> Bool {
    cells[index].compareExchange(expected: old, desired: new, ordering: .relaxed).exchanged
  }
}
