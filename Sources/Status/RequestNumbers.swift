// What became of a pool's requests, as rates: every request is an arrival, and then answered,
// refused or given up; of those answered, how many with 4xx and 5xx.
import Primitives

/// Requests a second over the last ten seconds; nil before that is known.
package struct RequestNumbers: Sendable, Equatable {
  /// Requests that came, whatever became of them.
  package var arrivals: Double?
  /// Ended with an endpoint's answer, of whatever status, or one that the endpoint cut.
  package var answered: Double?
  /// Refused by steelyard, by a rate limit too.
  package var refused: Double?
  /// Their clients left before the answer was whole.
  package var givenUp: Double?
  /// Of those answered: with 4xx.
  package var clientErrors: Double?
  /// Of those answered: with 5xx, or cut.
  package var serverErrors: Double?

  /// Nothing is known.
  package init() {}

  /// Of two pools together; what is known of neither stays unknown.
  static func + (a: Self, b: Self) -> Self {
    func sum(_ path: KeyPath<Self, Double?>) -> Double? {
      guard let x = a[keyPath: path] else { return b[keyPath: path] }
      return x + (b[keyPath: path] ?? 0)
    }
    var result = Self()
    result.arrivals = sum(\.arrivals)
    result.answered = sum(\.answered)
    result.refused = sum(\.refused)
    result.givenUp = sum(\.givenUp)
    result.clientErrors = sum(\.clientErrors)
    result.serverErrors = sum(\.serverErrors)
    return result
  }
}

/// How a pool's requests fared within the window, in counts.
struct RequestSums: Sendable {
  /// Requests that came.
  var arrivals = CounterWindow()
  /// Refused for another reason than a rate limit.
  var refusals = CounterWindow()
  /// Refused by a rate limit: the operator's own wish, and no failure.
  var limited = CounterWindow()
  /// Clients that left before their answer was whole.
  var givenUp = CounterWindow()
  /// Of those, the ones that had waited long for a first byte: failures.
  var overdue = CounterWindow()

  mutating func take(_ pool: PoolReading, now: Nanoseconds) {
    arrivals.take(Double(pool.arrivals), now: now)
    refusals.take(Double(pool.refusals), now: now)
    limited.take(Double(pool.limited), now: now)
    givenUp.take(Double(pool.givenUp), now: now)
    overdue.take(Double(pool.overdue), now: now)
  }

  /// Requests whose clients did not get what they asked for. `traffic` is of the same window.
  func failures(_ traffic: TrafficSums) -> Double {
    traffic.errors + refusals.increase + overdue.increase
  }

  /// Requests that are over, but for those that a rate limit refused.
  func asked(_ traffic: TrafficSums) -> Double {
    traffic.answered + refusals.increase + givenUp.increase
  }

  /// Failures of those that are over; nil where none is.
  func failureRatio(_ traffic: TrafficSums) -> Double? {
    let asked = asked(traffic)
    return asked > 0 ? min(1, failures(traffic) / asked) : nil
  }

  func numbers(_ traffic: TrafficSums) -> RequestNumbers {
    var numbers = RequestNumbers()
    numbers.arrivals = arrivals.rate
    numbers.refused = refusals.rate.map { $0 + (limited.rate ?? 0) }
    numbers.givenUp = givenUp.rate
    guard let seconds = arrivals.length, seconds > 0 else { return numbers }
    numbers.answered = traffic.answered / seconds
    numbers.clientErrors = traffic.clientErrors / seconds
    numbers.serverErrors = traffic.errors / seconds
    return numbers
  }
}
