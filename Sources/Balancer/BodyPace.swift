// Whether a client sends its content fast enough (the rule is Apache's mod_reqtimeout: so many
// seconds, and one more for every MinRate bytes). What it waits for the endpoint does not count.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

struct BodyPace {
  /// From the first byte of content, before the rate counts.
  static let grace = Nanoseconds.seconds(10)

  /// Bytes a second; 0: no limit.
  private let rate: Int
  /// `.distantFuture` before the first byte.
  private var startedAt = Nanoseconds.distantFuture
  /// `.distantFuture` while it is the client's turn.
  private var heldSince = Nanoseconds.distantFuture

  init(rate: Int?) { self.rate = rate ?? 0 }

  /// The client is held back: its time stands still.
  mutating func hold(now: Nanoseconds) {
    if startedAt != .distantFuture, heldSince == .distantFuture { heldSince = now }
  }

  /// The process was stopped for so long: that is no time that the client took.
  mutating func postpone(by pause: Nanoseconds) {
    if startedAt != .distantFuture { startedAt = startedAt + pause }
    if heldSince != .distantFuture { heldSince = heldSince + pause }
  }

  /// It is the client's turn. Returns until when the next byte has to be there, where there is a
  /// limit. `received`: bytes of content so far; before the first the clock does not run, because a
  /// client may wait for "100 Continue".
  mutating func deadline(received: Int, now: Nanoseconds) -> Nanoseconds? {
    guard rate > 0, received > 0 else { return nil }
    if startedAt == .distantFuture { startedAt = now }
    if heldSince != .distantFuture { startedAt = startedAt + (now - heldSince) }
    heldSince = .distantFuture
    return startedAt + Self.grace + .seconds(Double(received) / Double(rate))
  }
}
