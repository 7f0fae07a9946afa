// Readiness of descriptors, edge-triggered and registered once (epoll(7)). A loop of its own, so
// that a change of the proxy's loop never changes what the proxy is measured with.
// Invariant: a descriptor is in the ready ring at most once; a closed one is reported no more.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import IO

struct Poller: ~Copyable {
  /// A descriptor (−1: the turn is over) and epoll's bits.
  struct Event {
    var fd: Int32
    var bits: UInt32

    var isReadable: Bool { bits & (EPOLLIN.rawValue | Self.ends) != 0 }
    var isWritable: Bool { bits & EPOLLOUT.rawValue != 0 }
    /// The peer sends no more, or is gone.
    var isHangup: Bool { bits & Self.ends != 0 }
    var isError: Bool { bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }

    private static var ends: UInt32 {
      EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
    }
  }

  private static let eventsMax = 512

  private let epoll: Int32
  /// Descriptors are below this.
  let capacity: Int
  private let events: UnsafeMutablePointer<epoll_event>
  private var eventCount = 0
  private var eventIndex = 0
  /// By descriptor: counts its uses, so that an event of an earlier one is known.
  private let generations: UnsafeMutablePointer<UInt32>
  private let isInReady: UnsafeMutablePointer<Bool>
  private let ready: UnsafeMutablePointer<Int32>
  private var readyHead = 0
  private var readyCount = 0
  private var readyBudget = -1

  /// Errors: epoll_create1's.
  init(capacity: Int) throws(IOError) {
    let created = sy_epoll_create()
    guard created >= 0 else { throw IOError("epoll_create1", -created) }
    epoll = Int32(created)
    self.capacity = capacity
    events = .allocate(capacity: Self.eventsMax)
    generations = .allocate(capacity: capacity)
    generations.initialize(repeating: 0, count: capacity)
    isInReady = .allocate(capacity: capacity)
    isInReady.initialize(repeating: false, count: capacity)
    ready = .allocate(capacity: capacity)
  }

  deinit {
    sy_close(epoll)
    events.deallocate()
    generations.deallocate()
    isInReady.deallocate()
    ready.deallocate()
  }

  /// Reports the descriptor from now on; listeners as long as there is something (`isLevel`).
  mutating func add(_ fd: Int32, isLevel: Bool = false) -> Bool {
    guard fd >= 0, Int(fd) < capacity else { return false }
    generations[Int(fd)] &+= 1
    let edge = EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    let bits = EPOLLIN.rawValue | (isLevel ? 0 : edge)
    let data = UInt64(generations[Int(fd)]) << 32 | UInt64(fd)
    return sy_epoll_add(epoll, fd, bits, data) >= 0
  }

  /// Reports it no more; it stays open.
  mutating func remove(_ fd: Int32) {
    generations[Int(fd)] &+= 1
    _ = sy_epoll_remove(epoll, fd)
  }

  mutating func close(_ fd: Int32) {
    generations[Int(fd)] &+= 1
    sy_close(fd)
  }

  /// Reports the descriptor as readable in the next turn, or at the end of this one.
  mutating func again(_ fd: Int32) {
    guard !isInReady[Int(fd)] else { return }
    isInReady[Int(fd)] = true
    var tail = readyHead + readyCount
    if tail >= capacity { tail -= capacity }
    ready[tail] = fd
    readyCount += 1
  }

  /// Waits at most so long (−1: for ever); not at all while something is to be reported again.
  mutating func wait(milliseconds: Int32) {
    eventCount = max(
      0, sy_epoll_wait(epoll, events, Int32(Self.eventsMax), readyCount > 0 ? 0 : milliseconds))
    eventIndex = 0
    readyBudget = -1
  }

  mutating func next() -> Event {
    while eventIndex < eventCount {
      let event = events + eventIndex
      eventIndex += 1
      let data = sy_event_data(event)
      let fd = Int32(truncatingIfNeeded: data & 0xFFFF_FFFF)
      if generations[Int(fd)] == UInt32(truncatingIfNeeded: data >> 32) {
        return Event(fd: fd, bits: sy_event_bits(event))
      }
    }
    if readyBudget < 0 { readyBudget = readyCount }
    guard readyBudget > 0 else { return Event(fd: -1, bits: 0) }
    readyBudget -= 1
    let fd = ready[readyHead]
    readyHead = readyHead + 1 == capacity ? 0 : readyHead + 1
    readyCount -= 1
    isInReady[Int(fd)] = false
    // It may have been closed since: a read of whoever has the number now finds nothing.
    return Event(fd: fd, bits: EPOLLIN.rawValue)
  }
}
