// Whether a client sends its content fast enough. The rule is that of Apache's mod_reqtimeout: a
// number of seconds, plus one second for every MinRate bytes. Invariant: time in which steelyard
// does not read from the client does not count.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

struct BodyPace {
  /// The time from the first byte of content before the rate counts.
  static let grace = Nanoseconds.seconds(10)

  /// Bytes per second; 0: no limit.
  private let rate: Int
  /// `.distantFuture` before the first byte.
  private var startedAt = Nanoseconds.distantFuture
  /// `.distantFuture` while steelyard waits for the client.
  private var heldSince = Nanoseconds.distantFuture

  init(rate: Int?) { self.rate = rate ?? 0 }

  /// Stops the clock while the client is held back.
  mutating func hold(now: Nanoseconds) {
    if startedAt != .distantFuture, heldSince == .distantFuture { heldSince = now }
  }

  /// Accounts for a time in which the process was stopped.
  mutating func postpone(by pause: Nanoseconds) {
    if startedAt != .distantFuture { startedAt = startedAt + pause }
    if heldSince != .distantFuture { heldSince = heldSince + pause }
  }

  /// Starts the clock again. Returns the time when the next byte is due; nil: no limit applies.
  /// `received` is the content so far, bytes. The clock does not run before the first byte, because
  /// a client may wait for "100 Continue".
  mutating func deadline(received: Int, now: Nanoseconds) -> Nanoseconds? {
    guard rate > 0, received > 0 else { return nil }
    if startedAt == .distantFuture { startedAt = now }
    if heldSince != .distantFuture { startedAt = startedAt + (now - heldSince) }
    heldSince = .distantFuture
    return startedAt + Self.grace + .seconds(Double(received) / Double(rate))
  }
}
