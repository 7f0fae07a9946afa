// May a signal's last number still be believed? Its age counts from when the scrape was *sent*:
// counting from receipt would make a slow page look young.
package import Primitives

/// How far a number may be believed.
package enum Freshness: UInt8, Sendable, CaseIterable {
  /// At most three intervals old.
  case fresh
  /// Older, but at most ten intervals, or 30 s where that is longer.
  case stale
  /// Older still: nothing to go by.
  case expired
  /// No number yet, or none since the process behind the page began anew.
  case blackout

  /// The value of a metric label, finite by construction.
  package var label: String {
    switch self {
    case .fresh: "fresh"
    case .stale: "stale"
    case .expired: "expired"
    case .blackout: "blackout"
    }
  }

  /// Whether a law may use the number.
  package var isUsable: Bool { self == .fresh || self == .stale }

  /// When a number becomes stale. Range: the interval is positive.
  package static func staleAge(interval: Nanoseconds) -> Nanoseconds {
    Nanoseconds(interval.rawValue * 3)
  }

  /// When a number expires.
  package static func expiryAge(interval: Nanoseconds) -> Nanoseconds {
    max(Nanoseconds(interval.rawValue * 10), .seconds(30))
  }
}

/// What is known of one signal of one endpoint.
package struct SignalState: Sendable, Equatable {
  /// Of the last page that was read; nil before the first.
  package private(set) var reading: SignalReading?
  /// The last number; nil in blackout.
  package private(set) var value: Double?
  /// When the scrape that brought `value` was sent.
  package private(set) var valueAt = Nanoseconds.zero

  package init() {}

  /// Takes a page's reading. A missing number leaves the last one to grow old.
  package mutating func take(_ reading: SignalReading, sentAt: Nanoseconds) {
    self.reading = reading
    guard let number = reading.value else { return }
    value = number
    valueAt = sentAt
  }

  /// The process behind the page began anew: what it said before is no longer true.
  package mutating func restart() { value = nil }

  /// How far `value` may be believed at `now`.
  package func freshness(now: Nanoseconds, interval: Nanoseconds) -> Freshness {
    guard value != nil else { return .blackout }
    let age = now - valueAt
    if age <= Freshness.staleAge(interval: interval) { return .fresh }
    return age <= Freshness.expiryAge(interval: interval) ? .stale : .expired
  }
}
