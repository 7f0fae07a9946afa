// When which probe has to be looked at: a binary heap by time. A timer that changes is put in
// again, and what is taken out is checked against the timer, so that old entries do no harm.
import Primitives

/// Looks at probes, the soonest first.
struct ProbeSchedule: Sendable {
  struct Entry: Sendable {
    let at: Nanoseconds
    let slot: Int32
    /// The index of the scrape source, −1 for the health probe.
    let source: Int32
  }

  private var heap: [Entry] = []

  /// The soonest look; an old entry may make it too soon.
  var next: Nanoseconds { heap.first?.at ?? .distantFuture }

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  mutating func insert(_ slot: Int, _ source: Int, at: Nanoseconds) {
    heap.append(Entry(at: at, slot: Int32(slot), source: Int32(source)))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].at < heap[parent].at else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// The soonest entry, where its time has come.
  mutating func take(until now: Nanoseconds) -> Entry? {
    guard let first = heap.first, first.at <= now else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].at < heap[child].at { child += 1 }
      guard heap[child].at < heap[parent].at else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return first
  }
}
