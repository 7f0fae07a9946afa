// The leases of each endpoint in the order in which they were taken, so that the oldest is always
// known: a doubly linked list for each endpoint, over entries in one block.
// Invariant: an entry is in one list or in none; start times do not decrease along a list.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Primitives

/// The attempts of one worker that are in flight at each endpoint, oldest first.
struct OutstandingList: ~Copyable {
  private struct Entry {
    var startedAt: Int64
    var older: Int32
    /// In a free entry: the next free entry.
    var newer: Int32
  }
  private static let none: Int32 = -1

  private let entries: UnsafeMutablePointer<Entry>
  private let capacity: Int
  private let oldestOf: UnsafeMutablePointer<Int32>
  private let newestOf: UnsafeMutablePointer<Int32>
  private var free = Self.none
  /// The number of entries ever used. Memory after them was never touched.
  private var usedCount: Int32 = 0

  /// Room for `capacity` attempts. Memory that was never used is not resident.
  init(endpointLimit: Int, capacity: Int) {
    guard let memory = sy_map(capacity * MemoryLayout<Entry>.stride) else {
      fatalError("out of memory for \(capacity) exchanges")
    }
    entries = memory.bindMemory(to: Entry.self, capacity: capacity)
    self.capacity = capacity
    oldestOf = .allocate(capacity: endpointLimit)
    oldestOf.initialize(repeating: Self.none, count: endpointLimit)
    newestOf = .allocate(capacity: endpointLimit)
    newestOf.initialize(repeating: Self.none, count: endpointLimit)
  }

  deinit {
    sy_unmap(entries, capacity * MemoryLayout<Entry>.stride)
    oldestOf.deallocate()
    newestOf.deallocate()
  }

  /// The time when the oldest attempt at the endpoint began; nil: there is none.
  @inline(__always)
  func oldest(_ endpointIndex: Int) -> Nanoseconds? {
    let entry = oldestOf[endpointIndex]
    return entry == Self.none ? nil : Nanoseconds(entries[Int(entry)].startedAt)
  }

  /// Adds an attempt that begins now. Requires: fewer than `capacity` attempts are in flight, and
  /// no attempt that was added earlier began later.
  @inline(__always)
  mutating func append(_ endpointIndex: Int, startedAt: Nanoseconds) -> Int32 {
    var entry = free
    if entry == Self.none {
      precondition(usedCount < capacity, "more attempts in flight than exchanges")
      entry = usedCount
      usedCount += 1
    } else {
      free = entries[Int(entry)].newer
    }
    let last = newestOf[endpointIndex]
    entries[Int(entry)] = Entry(startedAt: startedAt.rawValue, older: last, newer: Self.none)
    if last == Self.none {
      oldestOf[endpointIndex] = entry
    } else {
      entries[Int(last)].newer = entry
    }
    newestOf[endpointIndex] = entry
    return entry
  }

  /// Adds an attempt that began earlier and was not counted for a while. If another one began
  /// later, the attempt counts as being as young as that one.
  mutating func appendLate(_ endpointIndex: Int, startedAt: Nanoseconds) -> Int32 {
    let last = newestOf[endpointIndex]
    guard last != Self.none else { return append(endpointIndex, startedAt: startedAt) }
    return append(
      endpointIndex, startedAt: max(startedAt, Nanoseconds(entries[Int(last)].startedAt)))
  }

  /// Whether the entry is the endpoint's oldest attempt.
  @inline(__always)
  func isOldest(_ entry: Int32, _ endpointIndex: Int) -> Bool { oldestOf[endpointIndex] == entry }

  /// Removes an entry. Requires: it was appended for this endpoint and not removed since.
  @inline(__always)
  mutating func remove(_ entry: Int32, _ endpointIndex: Int) {
    let (older, newer) = (entries[Int(entry)].older, entries[Int(entry)].newer)
    if older == Self.none {
      oldestOf[endpointIndex] = newer
    } else {
      entries[Int(older)].newer = newer
    }
    if newer == Self.none {
      newestOf[endpointIndex] = older
    } else {
      entries[Int(newer)].older = older
    }
    entries[Int(entry)].newer = free
    free = entry
  }
}
