// Resolves the host names that a `NameWatch` wants resolved, on threads of its own.
package import Fleet
package import IO
package import Primitives

/// Names and their addresses. Control thread only.
package struct NameDriver: Sendable {
  package private(set) var watch = NameWatch()
  private let pool: LookupPool

  /// `waker` is the control loop's. Errors: those of eventfd.
  package init(waker: Waker) throws(IOError) { pool = try LookupPool(asker: waker) }

  /// Takes the names of a configuration. New names are looked up at the next `turn`.
  package mutating func apply(_ fleet: Fleet, now: Nanoseconds) { watch.apply(fleet, now: now) }

  /// Takes answers and starts lookups that are due. Returns true if addresses have changed.
  package mutating func turn(now: Nanoseconds, wall: Nanoseconds) -> Bool {
    var isChanged = false
    for answer in pool.take() {
      let found = answer.addresses.map { NameAnswer.addresses($0.map(HostAddress.init)) }
      if watch.finished(answer.host, found ?? .failed(answer.failure), now: now, wall: wall) {
        isChanged = true
      }
    }
    for host in watch.due(now: now) { pool.ask(host) }
    return isChanged
  }

  /// Waits until every name was looked up once, for `span` at most. Blocks.
  package mutating func tryAll(atMost span: Nanoseconds) {
    let deadline = Clock.now + span
    _ = turn(now: Clock.now, wall: Clock.wall)
    while !watch.isTried, Clock.now < deadline {
      Clock.pause(.milliseconds(2))
      _ = turn(now: Clock.now, wall: Clock.wall)
    }
  }
}
