// The canary of one endpoint: when the operator's request is sent, the result of each one, how many
// in a row were good, and how long a good one usually takes.
// Invariant: at most one is in flight, and about one a second is sent.
// A pure value; docs/health.md describes the rules.
package import Fleet
package import Primitives

package struct Canary: Sendable {
  /// The end of the last canary.
  package struct End: Sendable, Equatable {
    package var result: CanaryResult
    /// The answer's status; 0: there was no answer.
    package var status: Int
    /// For people; may quote the endpoint's answer.
    package var detail: String
    /// When it ended, monotonic.
    package var at: Nanoseconds
    /// The time from sending the request to the end.
    package var seconds: Double

    /// Whether the result is definite evidence against the endpoint.
    var isDefinite: Bool { result.isDefinite(status: status) }
  }

  static let interval = Nanoseconds.seconds(1)
  /// The number of good canaries in a row after which a client's request may try the endpoint.
  package static let goodNeeded = 2
  /// A good canary takes at most this many times the usual time. One below `lateMin` seconds is
  /// never late.
  static let lateRatio = 6.0
  static let lateMin = 0.1
  /// The shortest time after which an unanswered canary is given up, seconds; otherwise it is given
  /// up when it is late.
  static let hangMin = 2.0
  /// How long good canaries stay valid.
  private static let wordMax = Nanoseconds.seconds(5)
  /// How far the usual time moves towards that of a good canary that took longer, of a good one
  /// that was quicker (the first one may have been sent while the endpoint was slow), and of a late
  /// one (an endpoint that stays slower has a new usual time after some minutes).
  private static let share = 0.2
  private static let quickShare = 0.5
  private static let lateShare = 0.02

  package private(set) var timer: PollTimer
  package private(set) var statistics = PollStatistics()
  package private(set) var lateCount: UInt64 = 0
  package private(set) var goodInRow = 0
  package private(set) var lastGoodAt: Nanoseconds?
  package private(set) var last: End?
  /// The usual time of a good canary, seconds; 0 while unknown.
  package private(set) var usualSeconds = 0.0
  private(set) var isWanted = false

  init(now: Nanoseconds, _ random: inout RandomSource) {
    timer = PollTimer(interval: Self.interval, now: now, &random)
    timer.hasten(to: now)
  }

  /// The operator's request has changed: everything except the counters is forgotten.
  mutating func forget(now: Nanoseconds, _ random: inout RandomSource) {
    var next = Canary(now: now, &random)
    next.statistics = statistics
    next.lateCount = lateCount
    self = next
  }

  /// The schedule; nil: canaries are not wanted and none is in flight.
  var scheduled: PollTimer? { isWanted || timer.attempt != nil ? timer : nil }

  /// How often the result occurred.
  package func count(_ result: CanaryResult) -> UInt64 {
    switch result {
    case .good: statistics.successes
    case .late: lateCount
    case .failed(let kind): statistics.failures(kind)
    }
  }

  /// Whether a client's request may try the endpoint.
  func isClear(now: Nanoseconds) -> Bool {
    guard let lastGoodAt, timer.attempt == nil else { return false }
    return goodInRow >= Self.goodNeeded && now - lastGoodAt <= Self.wordMax
  }

  /// Notes whether the endpoint is ejected or sick (`isOut`), and whether it may be asked now.
  /// Returns true if the schedule has to be updated.
  mutating func look(isOut: Bool, isAsked: Bool) -> Bool {
    if !isOut { goodInRow = 0 }
    defer { isWanted = isOut && isAsked }
    return isOut && isAsked && !isWanted
  }

  /// The longest time of a good canary, seconds; nil while unknown. `poolUsual`: the pool's usual
  /// time, 0 while unknown.
  func limit(poolUsual: Double) -> Double? {
    let usual = usualSeconds > 0 ? usualSeconds : poolUsual
    return usual > 0 ? max(Self.lateMin, Self.lateRatio * usual) : nil
  }

  /// Notes that a canary is sent. Returns how long it may take. Requires: none is in flight.
  mutating func begin(
    serial: UInt64, timeout: Nanoseconds, poolUsual: Double, now: Nanoseconds,
    _ random: inout RandomSource
  ) -> Nanoseconds {
    let longest = limit(poolUsual: poolUsual).map { Nanoseconds.seconds(max($0, Self.hangMin)) }
    let timeout = min(timeout, longest ?? timeout)
    timer.begin(serial: serial, timeout: timeout, now: now, &random)
    statistics.attempts += 1
    return timeout
  }

  /// Ends the attempt with that serial; nil: it is not in flight.
  mutating func end(serial: UInt64) -> PollTimer.Attempt? { timer.end(serial: serial) }

  /// Accounts for a time in which the process was stopped.
  mutating func postpone(by pause: Nanoseconds) { timer.postpone(by: pause) }

  /// Takes the end of the attempt and returns its result.
  mutating func take(
    _ outcome: PollOutcome, of attempt: PollTimer.Attempt, poolUsual: Double,
    timeout: Nanoseconds, now: Nanoseconds, wall: Nanoseconds
  ) -> End {
    let seconds = (now - attempt.sentAt).seconds
    statistics.lastDuration = now - attempt.sentAt
    var end = End(result: .good, status: 0, detail: "", at: now, seconds: seconds)
    switch outcome {
    case .failed(let failure): (end.result, end.detail) = (.failed(failure.kind), failure.detail)
    case .connected: end.result = .failed(.badHTTP)
    case .answered(let status, let content, _):
      end.status = status
      if !(200...299).contains(status) {
        end.result = .failed(.status)
        end.detail = "\(status): \(Wording.snippet(content))"
      } else if let limit = limit(poolUsual: poolUsual), seconds > limit {
        end.result = .late
        end.detail = "\(NumberWords.fixed(seconds, 2)) s, "
        end.detail += "a good one takes at most \(NumberWords.fixed(limit, 2)) s"
      }
    }
    learn(end, poolUsual: poolUsual, timeout: timeout)
    count(end, wall: wall)
    last = end
    return end
  }

  private mutating func count(_ end: End, wall: Nanoseconds) {
    switch end.result {
    case .good:
      statistics.succeed(wall: wall)
      goodInRow += 1
      lastGoodAt = end.at
    case .late:
      lateCount += 1
      goodInRow = 0
    case .failed(let kind):
      statistics.fail(PollFailure(kind, end.detail))
      // A local failure: the canary was not sent.
      if kind != .local { goodInRow = 0 }
    }
  }

  /// The new usual time after a good canary that took `seconds`; `usual` is 0 before the first.
  static func usual(_ usual: Double, after seconds: Double) -> Double {
    if usual == 0 { return seconds }
    return usual + (seconds < usual ? quickShare : share) * (seconds - usual)
  }

  private mutating func learn(_ end: End, poolUsual: Double, timeout: Nanoseconds) {
    switch end.result {
    case .good:
      usualSeconds = Self.usual(usualSeconds, after: end.seconds)
    case .late, .failed(.timeout):
      let usual = usualSeconds > 0 ? usualSeconds : poolUsual
      usualSeconds = min(usual * (1 + Self.lateShare), timeout.seconds / Self.lateRatio)
    case .failed: break
    }
  }
}
