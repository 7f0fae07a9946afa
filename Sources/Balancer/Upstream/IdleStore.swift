// Lists the connections that are kept for further exchanges, by endpoint. Invariant: a connection
// is in a list exactly while its phase is `idle`.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO
import Primitives

/// The idle connections of each endpoint, the most recent first.
struct IdleStore: ~Copyable {
  /// The longest idle time of a connection that ends early. An endpoint that closes a connection so
  /// soon after an answer does so after every answer: an idle timeout would take seconds.
  private static let earlyMax = Nanoseconds.milliseconds(500)
  /// The time for which an early end is remembered.
  private static let memory = Nanoseconds.seconds(2)

  private let heads: UnsafeMutablePointer<EndpointConnectionID>
  private let counts: UnsafeMutablePointer<Int32>
  private let earlyUntil: UnsafeMutablePointer<Nanoseconds>
  let endpointLimit: Int

  init(endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    heads = .allocate(capacity: endpointLimit)
    heads.initialize(repeating: .none, count: endpointLimit)
    counts = .allocate(capacity: endpointLimit)
    counts.initialize(repeating: 0, count: endpointLimit)
    earlyUntil = .allocate(capacity: endpointLimit)
    earlyUntil.initialize(repeating: .zero, count: endpointLimit)
  }

  deinit {
    heads.deallocate()
    counts.deallocate()
    earlyUntil.deallocate()
  }

  func count(_ endpointIndex: Int) -> Int { Int(counts[endpointIndex]) }

  /// The number of idle connections by endpoint index.
  var countsByEndpoint: UnsafePointer<Int32> { UnsafePointer(counts) }

  /// A connection of the endpoint with the most idle connections; nil: no connection is idle.
  var spare: EndpointConnectionID? {
    var fullest = 0
    for endpointIndex in 0..<endpointLimit where counts[endpointIndex] > counts[fullest] {
      fullest = endpointIndex
    }
    return endpointLimit > 0 ? newest(fullest) : nil
  }

  func newest(_ endpointIndex: Int) -> EndpointConnectionID? {
    heads[endpointIndex] == .none ? nil : heads[endpointIndex]
  }

  /// Whether the endpoint has recently closed connections right after an answer without announcing
  /// the close.
  func endsEarly(_ endpointIndex: Int, now: Nanoseconds) -> Bool { now < earlyUntil[endpointIndex] }

  /// Notes that a connection ended while it was idle, or when it was taken again.
  mutating func noteEnd(_ connection: Upstream, now: Nanoseconds) {
    if now - connection.idleSince <= Self.earlyMax {
      noteEarlyEnd(connection.endpointIndex, now: now)
    }
  }

  /// Notes that a connection ended right after an answer.
  mutating func noteEarlyEnd(_ endpointIndex: Int, now: Nanoseconds) {
    earlyUntil[endpointIndex] = now + Self.memory
  }

  mutating func insert(_ id: EndpointConnectionID, in slab: borrowing ConnectionSlab) {
    let entry = slab.upstream + id.index
    let endpointIndex = entry.pointee.endpointIndex
    entry.pointee.previous = .none
    entry.pointee.next = heads[endpointIndex]
    if heads[endpointIndex] != .none {
      slab.upstream[heads[endpointIndex].index].previous = id
    }
    heads[endpointIndex] = id
    counts[endpointIndex] += 1
  }

  mutating func remove(_ id: EndpointConnectionID, in slab: borrowing ConnectionSlab) {
    let entry = slab.upstream[id.index]
    if entry.previous != .none {
      slab.upstream[entry.previous.index].next = entry.next
    } else {
      heads[entry.endpointIndex] = entry.next
    }
    if entry.next != .none { slab.upstream[entry.next.index].previous = entry.previous }
    counts[entry.endpointIndex] -= 1
  }
}
