// What happens when, in order of time and then of its being told: a binary heap.
import Primitives

/// One thing that will happen.
struct Event {
  enum Kind: UInt8 {
    /// A request arrives.
    case arrival
    /// An endpoint (`index`) has finished a job, if `stamp` is still its generation.
    case completion
    /// A client's patience ends: request `index` of generation `stamp`.
    case timeout
    /// A balancer (`index`) wants to look at its clock.
    case control
    /// A scrape (`index`) reaches the endpoint.
    case scrape
    /// Its page reaches the balancer.
    case page
    /// Fault `index` of the script begins (stamp 1) or ends (0).
    case fault
    /// The antagonist of the endpoint (`index`) comes or goes.
    case antagonist
    /// The endpoint (`index`) gets a little warmer.
    case warmth
    /// The endpoint (`index`) answers request `stamp` at once, with a failure.
    case refusal
  }
  let at: Nanoseconds
  fileprivate(set) var order: UInt64 = 0
  let kind: Kind
  let index: Int
  let stamp: UInt64

  init(_ kind: Kind, at: Nanoseconds, index: Int = 0, stamp: UInt64 = 0) {
    self.at = at
    self.kind = kind
    self.index = index
    self.stamp = stamp
  }

  fileprivate func isBefore(_ other: Event) -> Bool {
    at == other.at ? order < other.order : at < other.at
  }
}

struct EventQueue {
  private var heap: [Event] = []
  private var count: UInt64 = 0

  mutating func push(_ event: Event) {
    var event = event
    event.order = count
    count += 1
    heap.append(event)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].isBefore(heap[parent]) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> Event? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if heap.isEmpty { return first }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { break }
      if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
      guard heap[child].isBefore(heap[parent]) else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return first
  }
}
