// The timers of an exchange, which are separate from its connections' deadlines: a connection may
// carry several exchanges, and a waiting exchange has no connection to an endpoint. Invariant:
// every exchange has the same number of timers, so that the loop's index of a timer is computed.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// The timers of one exchange that are set.
struct ExchangeTimers: OptionSet {
  let rawValue: UInt8

  /// The end of the time that the whole exchange may take.
  static let end = ExchangeTimers(rawValue: 1)
  /// The end of a wait: for content, in the queue, or before the next attempt.
  static let wait = ExchangeTimers(rawValue: 2)

  private static let each = 2

  /// The number of timers that a loop needs for `count` exchanges.
  static func count(ofExchanges count: Int) -> Int { count * each }

  /// The loop's index of a timer of the exchange at `index`. Requires: one timer.
  func loopIndex(_ index: Int) -> Int { index * Self.each + (self == .wait ? 1 : 0) }

  /// The exchange and the timer with the loop's index.
  static func at(_ loopIndex: Int) -> (exchange: Int, timer: ExchangeTimers) {
    (loopIndex / each, loopIndex % each == 1 ? .wait : .end)
  }
}
