// Refusals of an endpoint: answers that say that it has no room (429, 503) or does not serve the
// request (4xx where other endpoints give none). They tell since when it gives no other answers,
// and how long it is passed over for endpoints with room. A pure value; docs/retries.md describes
// the rules. Invariant: overload is no failure, and nothing here ejects an endpoint by itself.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

struct Refusals: Sendable {
  /// The first wait, seconds, if the answer names none. Each further refusal in a row doubles it.
  private static let firstWait = 0.025
  private static let waitMax = 1.0
  /// The longest Retry-After (RFC 9110 §10.2.3) that is honoured.
  static let retryAfterMax = Nanoseconds.seconds(5)

  /// The number of refusals since a request was completed.
  private(set) var count = 0
  private(set) var lastCompleted = Nanoseconds(.min / 4)
  /// The time of the first of those refusals.
  private(set) var since = Nanoseconds.zero
  /// The time until which the endpoint is passed over, while at least `load` requests are in flight
  /// there: each request that ends makes room.
  private(set) var until = Nanoseconds.zero
  private var load: Int32 = 0
  /// The number of refusals since the last successful request that was sent after a refusal.
  private var streak = 0
  private var notedAt = Nanoseconds.zero

  /// Whether endpoints with room should be preferred to this one.
  @inline(__always)
  func isFull(now: Nanoseconds, load: Int32) -> Bool { now < until && load >= self.load }

  /// Notes a refusal with `load` requests left in flight. `retryAfter` is the wait that the
  /// endpoint asks for; zero: none.
  mutating func note(now: Nanoseconds, load: Int32, retryAfter: Nanoseconds) {
    if count == 0 { since = now }
    count += 1
    streak += 1
    notedAt = now
    self.load = load
    let wait = min(Self.waitMax, Self.firstWait * Double(1 << min(streak - 1, 6)))
    until = now + (retryAfter > .zero ? min(retryAfter, Self.retryAfterMax) : .seconds(wait))
  }

  /// Notes that a request sent at `sentAt` was completed.
  mutating func completed(now: Nanoseconds, sentAt: Nanoseconds) {
    lastCompleted = now
    count = 0
    guard sentAt >= notedAt else { return }
    streak = 0
    until = .zero
  }
}

/// The share of client errors among about thirty answers of an endpoint.
struct ClientErrorShare: Sendable {
  private static let keep = 0.97
  private(set) var answers = 0.0
  private(set) var errors = 0.0

  /// The share of errors, 0…1; 0 before the first answer.
  var ratio: Double { answers > 0 ? errors / answers : 0 }

  mutating func note(isError: Bool) {
    answers = answers * Self.keep + 1
    errors = errors * Self.keep + (isError ? 1 : 0)
  }

  /// Whether the share is too far above the others' share to be chance: three standard deviations
  /// of the difference of two shares. `others` is the mean of the others' shares, and
  /// `othersAnswers` is the sum of their answers.
  ///
  /// Six errors in six answers beside four good ones of the others are enough (3.2), four are not
  /// (2.8).
  func isFarAbove(others: Double, othersAnswers: Double) -> Bool {
    let difference = ratio - others
    guard difference > 0, othersAnswers > 0 else { return false }
    let pooled = (errors + others * othersAnswers) / (answers + othersAnswers)
    let variance = pooled * (1 - pooled) * (1 / answers + 1 / othersAnswers)
    return difference * difference > 9 * variance
  }
}
