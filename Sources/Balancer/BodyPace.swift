// Whether a client sends its content fast enough (the rule is Apache's mod_reqtimeout: so many
// seconds, and one more for every MinRate bytes). What it waits for the endpoint does not count.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

struct BodyPace {
  /// From the first byte of content, before the rate counts.
  static let grace = Nanoseconds.seconds(10)

  /// Bytes a second; 0: no limit.
  private let rate: Int
  private var startedAt: Nanoseconds?
  private var heldSince: Nanoseconds?

  init(rate: Int?) { self.rate = rate ?? 0 }

  /// The client is held back: its time stands still.
  mutating func hold(now: Nanoseconds) {
    if startedAt != nil, heldSince == nil { heldSince = now }
  }

  /// It is the client's turn. Returns until when the next byte has to be there, where there is a
  /// limit. `received`: bytes of content so far; before the first the clock does not run, because a
  /// client may wait for "100 Continue".
  mutating func deadline(received: Int, now: Nanoseconds) -> Nanoseconds? {
    guard rate > 0, received > 0 else { return nil }
    if let heldSince, let start = startedAt { startedAt = start + (now - heldSince) }
    heldSince = nil
    let start = startedAt ?? now
    startedAt = start
    return start + Self.grace + .seconds(Double(received) / Double(rate))
  }
}
