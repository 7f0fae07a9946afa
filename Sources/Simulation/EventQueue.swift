// Future events, ordered by time and then by insertion: a binary heap, and a plain queue for events
// that are inserted in the order of their times (time-outs, which are most of all events).
import Primitives

/// An event in the future.
struct Event: HeapElement {
  enum Kind: UInt8 {
    /// A request arrives.
    case arrival
    /// The endpoint (`index`) has finished a job, if `stamp` is still its generation.
    case completion
    /// The balancer gives up request `index` of generation `stamp`.
    case timeout
    /// The balancer (`index`) has timers that are due.
    case control
    /// A scrape (`index`) reaches the endpoint.
    case scrape
    /// The scraped page reaches the balancer.
    case page
    /// Fault `index` of the script begins (stamp 1) or ends (0).
    case fault
    /// The antagonist of the endpoint (`index`) starts or stops.
    case antagonist
    /// The endpoint (`index`) warms up by one step.
    case warmth
    /// The endpoint answers request `index` of generation `stamp` at once with a failure.
    case refusal
    /// The endpoint answers request `index` of generation `stamp`, which takes no slot.
    case answer
    /// The client of request `index` of generation `stamp` has read the answer, or goes away.
    case read
    case leave
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

  func isBefore(_ other: Event) -> Bool {
    at == other.at ? order < other.order : at < other.at
  }
}

struct EventQueue {
  private var heap = BinaryHeap<Event>()
  private var count: UInt64 = 0
  /// Ascending.
  private var line: [Event] = []
  private var lineHead = 0

  mutating func push(_ event: Event) {
    var event = event
    event.order = count
    count += 1
    heap.insert(event)
  }

  /// Inserts an event that is not before any event inserted by this method; it costs next to
  /// nothing.
  mutating func pushLast(_ event: Event) {
    assert(line.last.map { $0.at <= event.at } ?? true)
    var event = event
    event.order = count
    count += 1
    line.append(event)
  }

  mutating func pop() -> Event? {
    guard lineHead < line.count else { return heap.popFirst() }
    let next = line[lineHead]
    if let first = heap.first, first.isBefore(next) { return heap.popFirst() }
    lineHead += 1
    if lineHead > 4_096, lineHead * 2 > line.count {
      line.removeFirst(lineHead)
      lineHead = 0
    }
    return next
  }
}
