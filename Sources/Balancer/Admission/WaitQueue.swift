// The waiting exchanges of one worker, one queue for each pool, ordered by priority and then by
// arrival. Invariant: entries are linked through a slab, so that removal from any position is O(1)
// and nothing is allocated after start.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Fleet
package import Primitives

/// Queues of slab indexes.
package struct WaitQueue: ~Copyable {
  private static let levelCount = QueuePriority.allCases.count

  private struct Entry {
    /// Queue index + 1; 0: the entry does not wait.
    var line: Int32
    var level: Int32
    var previous: Int32
    var next: Int32
    var arrivedAt: Nanoseconds
  }
  private struct Ends {
    var first: Int32 = -1
    var last: Int32 = -1
  }

  private let entries: UnsafeMutablePointer<Entry>
  private let capacity: Int
  /// The ends of the lists, by queue and level.
  private var ends: [Ends] = []
  private var counts: [Int] = []
  /// The number of waiting entries in all queues.
  package private(set) var count = 0

  /// Requires: capacity > 0.
  package init(capacity: Int) {
    self.capacity = capacity
    guard let memory = sy_map(capacity * MemoryLayout<Entry>.stride) else {
      fatalError("out of memory for \(capacity) waiting connections")
    }
    entries = memory.bindMemory(to: Entry.self, capacity: capacity)
  }

  deinit { sy_unmap(entries, capacity * MemoryLayout<Entry>.stride) }

  /// Makes room for more queues and keeps the existing ones. Allocates.
  package mutating func setLineCount(_ lineCount: Int) {
    while counts.count < lineCount {
      counts.append(0)
      for _ in 0..<Self.levelCount { ends.append(Ends()) }
    }
  }

  /// The number of queues.
  package var lineCount: Int { counts.count }

  /// The number of entries that wait in the queue.
  package func count(_ line: Int) -> Int { counts[line] }

  /// Whether the entry waits in any queue.
  package func isWaiting(_ index: Int) -> Bool { entries[index].line != 0 }

  /// Inserts the entry after those of its level that arrived earlier or at the same time. Requires:
  /// the entry does not wait.
  package mutating func insert(
    _ index: Int, line: Int, level: Int, arrivedAt: Nanoseconds
  ) {
    assert(!isWaiting(index) && (0..<Self.levelCount).contains(level))
    let list = line * Self.levelCount + level
    // Arrivals come in order; only an entry that waits again is inserted farther to the front.
    var previous = ends[list].last
    while previous >= 0, entries[Int(previous)].arrivedAt > arrivedAt {
      previous = entries[Int(previous)].previous
    }
    let next = previous >= 0 ? entries[Int(previous)].next : ends[list].first
    entries[index] = Entry(
      line: Int32(line + 1), level: Int32(level), previous: previous, next: next,
      arrivedAt: arrivedAt)
    if previous >= 0 {
      entries[Int(previous)].next = Int32(index)
    } else {
      ends[list].first = Int32(index)
    }
    if next >= 0 {
      entries[Int(next)].previous = Int32(index)
    } else {
      ends[list].last = Int32(index)
    }
    counts[line] += 1
    count += 1
  }

  /// Removes the entry from any position. Requires: the entry waits.
  package mutating func remove(_ index: Int) {
    assert(isWaiting(index))
    let entry = entries[index]
    let line = Int(entry.line) - 1
    let list = line * Self.levelCount + Int(entry.level)
    if entry.previous >= 0 {
      entries[Int(entry.previous)].next = entry.next
    } else {
      ends[list].first = entry.next
    }
    if entry.next >= 0 {
      entries[Int(entry.next)].previous = entry.previous
    } else {
      ends[list].last = entry.previous
    }
    entries[index].line = 0
    counts[line] -= 1
    count -= 1
  }

  /// The entry to be admitted next; nil: the queue is empty.
  package func first(_ line: Int) -> Int? {
    for list in line * Self.levelCount..<(line + 1) * Self.levelCount
    where ends[list].first >= 0 {
      return Int(ends[list].first)
    }
    return nil
  }

  /// The entry after `index` in its queue, over all levels; nil: it is the last.
  package func next(after index: Int) -> Int? {
    let entry = entries[index]
    if entry.next >= 0 { return Int(entry.next) }
    let line = Int(entry.line) - 1
    let list = line * Self.levelCount
    for later in list + Int(entry.level) + 1..<list + Self.levelCount
    where ends[later].first >= 0 {
      return Int(ends[later].first)
    }
    return nil
  }

  /// The priority and arrival of the queue's first entry in one number. The lowest key of all
  /// workers is admitted first. `.max`: the queue is empty.
  package func key(_ line: Int) -> UInt64 {
    guard let first = first(line) else { return .max }
    let time = UInt64(max(0, entries[first].arrivedAt.rawValue)) & (1 << 60 - 1)
    return UInt64(entries[first].level) << 60 | time
  }

  /// The arrival time of the entry that has waited longest; nil: the queue is empty.
  package func oldest(_ line: Int) -> Nanoseconds? {
    var oldest: Nanoseconds?
    for list in line * Self.levelCount..<(line + 1) * Self.levelCount
    where ends[list].first >= 0 {
      let arrivedAt = entries[Int(ends[list].first)].arrivedAt
      oldest = min(oldest ?? arrivedAt, arrivedAt)
    }
    return oldest
  }
}
