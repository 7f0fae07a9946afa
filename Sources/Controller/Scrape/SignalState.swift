// Whether a signal's last number may still be used. Its age counts from when the scrape was *sent*:
// counting from receipt would make a slow page look young.
package import Primitives

/// How far a number may be trusted.
package enum Freshness: UInt8, Sendable, CaseIterable {
  /// At most three intervals old.
  case fresh
  /// Older, but at most ten intervals, or 30 s where that is longer.
  case stale
  /// Older still: the number is not used.
  case expired
  /// There is no number yet, or none since the process behind the page restarted.
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

/// The state of one signal of one endpoint.
package struct SignalState: Sendable, Equatable {
  /// The reading of the last page; nil before the first.
  package private(set) var reading: SignalReading?
  /// The last number; nil in blackout.
  package private(set) var value: Double?
  /// When the scrape that brought `value` was sent.
  package private(set) var valueAt = Nanoseconds.zero

  package init() {}

  /// Takes a page's reading. If the number is missing, the last one stays and grows old.
  package mutating func take(_ reading: SignalReading, sentAt: Nanoseconds) {
    self.reading = reading
    guard let number = reading.value else { return }
    value = number
    valueAt = sentAt
  }

  /// The process behind the page restarted: its earlier numbers no longer hold.
  package mutating func restart() { value = nil }

  /// The freshness of `value` at `now`.
  package func freshness(now: Nanoseconds, interval: Nanoseconds) -> Freshness {
    guard value != nil else { return .blackout }
    let age = now - valueAt
    if age <= Freshness.staleAge(interval: interval) { return .fresh }
    return age <= Freshness.expiryAge(interval: interval) ? .stale : .expired
  }
}
