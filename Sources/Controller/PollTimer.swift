// When one poll is due: every interval ± 10 %, the first one somewhere within the first interval,
// so that no two polls keep step. Each poll has its own timer; a hung one holds up none but
// itself, and a lost outcome not even that.
package import Primitives

/// The schedule of one poll of one endpoint.
package struct PollTimer: Sendable {
  /// The poll that is under way.
  package struct Attempt: Sendable, Equatable {
    package let serial: UInt64
    package let sentAt: Nanoseconds
    /// When nobody will report of it any more.
    let lostAt: Nanoseconds

    fileprivate func later(by pause: Nanoseconds) -> Attempt {
      Attempt(serial: serial, sentAt: sentAt + pause, lostAt: lostAt + pause)
    }
  }

  /// Each interval is this share shorter or longer, at most.
  package static let jitterRatio = 0.1
  /// With long intervals a first number is wanted sooner than that.
  package static let firstSpreadMax = Nanoseconds.seconds(10)

  package private(set) var interval: Nanoseconds
  /// When the next one is due, if none is under way then.
  package private(set) var dueAt: Nanoseconds
  package private(set) var attempt: Attempt?

  package init(interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource) {
    self.interval = interval
    let spread = min(interval, Self.firstSpreadMax)
    dueAt = now + .seconds(spread.seconds * random.unit())
  }

  /// When `due` or `lost` has to be looked at next.
  package var nextLook: Nanoseconds { attempt?.lostAt ?? dueAt }

  package func isDue(_ now: Nanoseconds) -> Bool { attempt == nil && now >= dueAt }

  package func isLost(_ now: Nanoseconds) -> Bool { attempt.map { now >= $0.lostAt } ?? false }

  /// A poll is sent now. Requires: none is under way.
  package mutating func begin(
    serial: UInt64, timeout: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    assert(attempt == nil)
    let lostAfter = Nanoseconds(timeout.rawValue * 2) + .seconds(1)
    attempt = Attempt(serial: serial, sentAt: now, lostAt: now + lostAfter)
    let jitter = 1 + Self.jitterRatio * (2 * random.unit() - 1)
    dueAt = now + .seconds(interval.seconds * jitter)
  }

  /// The poll is over; nil where that attempt is not under way.
  package mutating func end(serial: UInt64) -> Attempt? {
    guard let ended = attempt, ended.serial == serial else { return nil }
    attempt = nil
    return ended
  }

  /// The next one is due no later than `at`.
  package mutating func hasten(to at: Nanoseconds) { dueAt = min(dueAt, at) }

  /// The process was stopped for so long: the attempt under way is no older for it.
  package mutating func postpone(by pause: Nanoseconds) {
    attempt = attempt?.later(by: pause)
  }

  /// A new interval, after a reload. A poll that is due sooner stays due then.
  package mutating func setInterval(
    _ interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    guard interval != self.interval else { return }
    self.interval = interval
    dueAt = min(dueAt, PollTimer(interval: interval, now: now, &random).dueAt)
  }
}
