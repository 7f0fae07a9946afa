// One deadline per connection, on a hashed timer wheel with lazy re-insertion: moving a deadline
// later is a store; the entry is examined at its old tick and then moved to the right list.
// Varghese & Lauck 1987, scheme 6. Invariant: an index is in at most one list.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

import CSystem

package struct TimerWheel: ~Copyable {
  /// A tick is 2^24 ns (16.8 ms); one turn of the wheel is 1 024 ticks (17 s).
  static let tickShift: Int64 = 24
  static let bucketCount = 1024

  private struct Entry {
    /// Nanoseconds; `.max`: none.
    var deadline: Int64
    /// The bucket whose list holds the entry, plus 1; 0: it is in no list.
    var list: Int32
    var previous: Int32
    var next: Int32
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let heads: UnsafeMutablePointer<Int32>
  private let occupied: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  /// All entries up to this tick have been examined.
  private var tick: Int64
  private var count = 0

  /// Requires: capacity > 0.
  package init(capacity: Int, now: Nanoseconds) {
    self.capacity = capacity
    let memory = sy_map(capacity * MemoryLayout<Entry>.stride)
    guard let memory else { fatalError("out of memory for \(capacity) timers") }
    entries = memory.bindMemory(to: Entry.self, capacity: capacity)
    heads = .allocate(capacity: Self.bucketCount)
    heads.initialize(repeating: -1, count: Self.bucketCount)
    occupied = .allocate(capacity: Self.bucketCount / 64)
    occupied.initialize(repeating: 0, count: Self.bucketCount / 64)
    tick = now.rawValue >> Self.tickShift
  }

  deinit {
    sy_unmap(entries, capacity * MemoryLayout<Entry>.stride)
    heads.deallocate()
    occupied.deallocate()
  }

  /// Sets or moves the deadline of `index`. It expires at the first tick after it.
  package mutating func set(_ index: Int, at deadline: Nanoseconds) {
    entries[index].deadline = deadline.rawValue
    let wanted = place(deadline.rawValue)
    if entries[index].list != 0 {
      let current = Int64(entries[index].list - 1)
      // The distance from the present tick, around the wheel: an entry that is examined earlier
      // need not be moved.
      let currentDistance = (current &- tick) & Int64(Self.bucketCount - 1)
      if currentDistance <= wanted &- tick { return }
      unlink(index)
    }
    link(index, tick: wanted)
  }

  /// The deadline of `index`; `.distantFuture`: none.
  package func deadline(_ index: Int) -> Nanoseconds {
    let deadline = entries[index].deadline
    // Untouched memory is 0, which is no deadline.
    return deadline == .max || deadline == 0 ? .distantFuture : Nanoseconds(deadline)
  }

  /// Clears the deadline of `index`. The entry stays in its list, since another deadline follows
  /// nearly always.
  package mutating func cancel(_ index: Int) { entries[index].deadline = .max }

  /// The next index whose deadline has passed, which is cleared; −1: there is none.
  package mutating func expired(now: Nanoseconds) -> Int {
    let end = now.rawValue >> Self.tickShift
    if count == 0 {
      tick = max(tick, end)
      return -1
    }
    while tick < end {
      let bucket = Int((tick + 1) & Int64(Self.bucketCount - 1))
      var index = heads[bucket]
      while index >= 0 {
        let next = entries[Int(index)].next
        let deadline = entries[Int(index)].deadline
        if deadline < (tick + 1) << Self.tickShift {
          unlink(Int(index))
          entries[Int(index)].deadline = .max
          return Int(index)
        }
        if deadline == .max {
          unlink(Int(index))
          index = next
          continue
        }
        // Moved lazily. The new bucket is counted from `tick`, so that the entry can return to this
        // list only if it is a whole turn ahead: it is skipped now and examined then.
        unlink(Int(index))
        link(Int(index), tick: place(deadline))
        index = next
      }
      tick += 1
    }
    return -1
  }

  /// When `expired` has to be called next; `.distantFuture`: nothing is set.
  package func nextTick() -> Nanoseconds {
    guard count > 0 else { return .distantFuture }
    let first = Int((tick + 1) & Int64(Self.bucketCount - 1))
    var word = first >> 6
    var bits = occupied[word] & (~0 << UInt64(first & 63))
    for _ in 0...Self.bucketCount / 64 {
      if bits != 0 {
        let bucket = word << 6 + bits.trailingZeroBitCount
        let distance = Int64(bucket - first) & Int64(Self.bucketCount - 1)
        return Nanoseconds((tick + 1 + distance) << Self.tickShift)
      }
      word = (word + 1) & (Self.bucketCount / 64 - 1)
      bits = occupied[word]
    }
    return .distantFuture
  }

  /// The tick at which a deadline is examined: the one after it, at most one turn less one tick
  /// ahead.
  private func place(_ deadline: Int64) -> Int64 {
    let wanted = deadline == .max ? .max : deadline >> Self.tickShift + 1
    return min(max(wanted, tick + 1), tick + Int64(Self.bucketCount) - 1)
  }

  private mutating func link(_ index: Int, tick: Int64) {
    let bucket = Int(tick & Int64(Self.bucketCount - 1))
    let head = heads[bucket]
    entries[index].list = Int32(bucket + 1)
    entries[index].previous = -1
    entries[index].next = head
    if head >= 0 { entries[Int(head)].previous = Int32(index) }
    heads[bucket] = Int32(index)
    occupied[bucket >> 6] |= 1 << UInt64(bucket & 63)
    count += 1
  }

  private mutating func unlink(_ index: Int) {
    let bucket = Int(entries[index].list - 1)
    let (previous, next) = (entries[index].previous, entries[index].next)
    if previous >= 0 { entries[Int(previous)].next = next } else { heads[bucket] = next }
    if next >= 0 { entries[Int(next)].previous = previous }
    if heads[bucket] < 0 { occupied[bucket >> 6] &= ~(1 << UInt64(bucket & 63)) }
    entries[index].list = 0
    count -= 1
  }
}
