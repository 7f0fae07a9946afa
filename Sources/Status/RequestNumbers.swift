// The fate of a pool's requests, as rates: every request is an arrival, and is then answered,
// refused or given up; of the answers, how many are 4xx and 5xx.
import Primitives

/// Requests per second over the last ten seconds; nil while unknown.
package struct RequestNumbers: Sendable, Equatable {
  /// Requests received, whatever their fate.
  package var arrivals: Double?
  /// Requests that ended with an endpoint's answer of any status, or with one that the endpoint
  /// cut.
  package var answered: Double?
  /// Requests refused by steelyard, including by a rate limit.
  package var refused: Double?
  /// Requests whose clients left before the answer was complete.
  package var givenUp: Double?
  /// The part of `answered` with 4xx.
  package var clientErrors: Double?
  /// The part of `answered` with 5xx, or cut.
  package var serverErrors: Double?

  /// All rates are unknown.
  package init() {}

  /// The sum of two pools; a rate unknown for both stays unknown.
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

/// The fate of a pool's requests within the window, as counts.
struct RequestSums: Sendable {
  /// Requests received.
  var arrivals = CounterWindow()
  /// Requests refused for another reason than a rate limit.
  var refusals = CounterWindow()
  /// Requests refused by a rate limit: intended by the operator, and no failure.
  var limited = CounterWindow()
  /// Clients that left before their answer was complete.
  var givenUp = CounterWindow()
  /// The part of `givenUp` whose clients had waited long for a first byte: failures.
  var overdue = CounterWindow()
  /// gRPC calls that ended at an endpoint.
  var calls = CounterWindow()
  /// The part of `calls` whose status is a failure.
  var failedCalls = CounterWindow()

  mutating func take(_ pool: PoolReading, now: Nanoseconds) {
    arrivals.take(Double(pool.arrivals), now: now)
    refusals.take(Double(pool.refusals), now: now)
    limited.take(Double(pool.limited), now: now)
    givenUp.take(Double(pool.givenUp), now: now)
    overdue.take(Double(pool.overdue), now: now)
    calls.take(Double(pool.calls), now: now)
    failedCalls.take(Double(pool.failedCalls), now: now)
  }

  /// Requests whose clients did not get what they asked for. `traffic` is of the same window.
  func failures(_ traffic: TrafficSums) -> Double {
    traffic.errors + refusals.increase + overdue.increase
  }

  /// Requests that have ended, without those refused by a rate limit.
  func asked(_ traffic: TrafficSums) -> Double {
    traffic.answered + refusals.increase + givenUp.increase
  }

  /// The share of failures among ended requests; nil: none has ended.
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
