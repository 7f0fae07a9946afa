// Asks what the sources of endpoints want to know: host names are resolved on threads of their own.
package import Fleet
package import IO
package import Primitives

/// All sources of endpoints. Control thread only.
package struct DiscoveryDriver: Sendable {
  package private(set) var names = NameSource()
  private let pool: LookupPool

  /// `waker` is the control loop's. Errors: those of eventfd.
  package init(waker: Waker) throws(IOError) { pool = try LookupPool(asker: waker) }

  /// Takes the names of a configuration. New names are looked up at the next `turn`.
  package mutating func apply(_ fleet: Fleet, now: Nanoseconds) { names.apply(fleet, now: now) }

  /// The earliest time at which `turn` has something to do, answers apart.
  package var nextDue: Nanoseconds { names.nextDue }

  /// Takes answers, asks what is due, and returns what has changed.
  package mutating func turn(now: Nanoseconds, wall: Nanoseconds) -> [MemberUpdate] {
    var updates: [MemberUpdate] = []
    for answer in pool.take() {
      let found = answer.addresses.map { NameAnswer.addresses($0.map(HostAddress.init)) }
      updates += names.finished(
        answer.host, found ?? .failed(answer.failure), now: now, wall: wall)
    }
    for host in names.due(now: now) { pool.ask(host) }
    return updates
  }

  /// Waits until every name was looked up once, for `span` at most. Blocks.
  package mutating func tryAll(atMost span: Nanoseconds) {
    let deadline = Clock.now + span
    _ = turn(now: Clock.now, wall: Clock.wall)
    while !names.isTried, Clock.now < deadline {
      Clock.pause(.milliseconds(2))
      _ = turn(now: Clock.now, wall: Clock.wall)
    }
  }
}
