// When which poll has to be looked at: a binary heap by time. A timer that changes is put in
// again, and what is taken out is checked against the timer, so that old entries do no harm.
import Primitives

/// Looks at polls, the soonest first.
struct PollSchedule: Sendable {
  struct Entry: Sendable, HeapElement {
    let at: Nanoseconds
    let endpointIndex: Int32
    /// As in `PollID`.
    let source: Int32

    func isBefore(_ other: Entry) -> Bool { at < other.at }
  }

  private var heap = BinaryHeap<Entry>()

  /// The soonest look; an old entry may make it too soon.
  var next: Nanoseconds { heap.first?.at ?? .distantFuture }

  mutating func removeAll() { heap.removeAll() }

  mutating func insert(_ endpointIndex: Int, _ source: Int, at: Nanoseconds) {
    heap.insert(Entry(at: at, endpointIndex: Int32(endpointIndex), source: Int32(source)))
  }

  /// The soonest entry, where its time has come.
  mutating func take(until now: Nanoseconds) -> Entry? {
    guard let first = heap.first, first.at <= now else { return nil }
    return heap.popFirst()
  }
}
