// The canary of one endpoint: when the operator's request is sent, how each one came out, how many
// in a row were good, and how long a good one usually takes.
// Invariant: at most one is in flight, and about one a second is sent.
// A pure value; docs/health.md tells the rules.
import Fleet
package import Primitives

/// How a canary came out.
package enum CanaryResult: Sendable, Equatable {
  case good
  /// A good answer that took far longer than usual.
  case late
  case failed(ProbeFailure.Kind)

  /// For metrics, log and JSON: finite, stable.
  package var label: String {
    switch self {
    case .good: "good"
    case .late: "late"
    case .failed(let kind): kind.label
    }
  }

  /// All that a canary can come to.
  package static let all: [CanaryResult] = [
    .good, .late, .failed(.status), .failed(.timeout), .failed(.refused), .failed(.unreachable),
    .failed(.cut), .failed(.badHTTP), .failed(.tooLarge), .failed(.local),
  ]

  /// Whether it speaks against the endpoint beyond doubt. A redirect, a client error and an answer
  /// that is too long may be the fault of the operator's request; what failed on our side says
  /// nothing.
  func isDefinite(status: Int) -> Bool {
    switch self {
    case .good, .failed(.local), .failed(.tooLarge): false
    case .failed(.status): status >= 500
    case .late, .failed: true
    }
  }
}

package struct Canary: Sendable {
  /// How the last one ended.
  package struct End: Sendable, Equatable {
    package var result: CanaryResult
    /// Of the answer; 0: there was none.
    package var status: Int
    /// For people; may quote the endpoint.
    package var detail: String
    /// Monotonic.
    package var at: Nanoseconds
    /// From sending to the end.
    package var seconds: Double

    /// Whether it speaks against the endpoint beyond doubt.
    var isDefinite: Bool { result.isDefinite(status: status) }
  }

  static let interval = Nanoseconds.seconds(1)
  /// So many in a row have to be good before a client's request tries the endpoint.
  package static let goodNeeded = 2
  /// A good one takes no more than so many times what is usual, and what is quicker than
  /// `lateMin` is never late, seconds.
  static let lateRatio = 6.0
  static let lateMin = 0.1
  /// One that is not answered is given up after so long, or when it is late, seconds.
  static let hangMin = 2.0
  /// A good word is believed for so long.
  private static let wordMax = Nanoseconds.seconds(5)
  /// How far a good one that took longer moves what is usual, and one that was quicker: the first
  /// one may have come while the endpoint was slow. And a late one, so that what is slower for good
  /// is usual after some minutes.
  private static let share = 0.2
  private static let quickShare = 0.5
  private static let lateShare = 0.02

  package private(set) var timer: ProbeTimer
  package private(set) var statistics = ProbeStatistics()
  package private(set) var lateCount: UInt64 = 0
  package private(set) var goodInRow = 0
  package private(set) var lastGoodAt: Nanoseconds?
  package private(set) var last: End?
  /// How long a good one takes, seconds; 0 while unknown.
  package private(set) var usualSeconds = 0.0
  private(set) var isWanted = false

  init(now: Nanoseconds, _ random: inout RandomSource) {
    timer = ProbeTimer(interval: Self.interval, now: now, &random)
    timer.hasten(to: now)
  }

  /// The request is another one now: nothing is known of it but what was counted.
  mutating func forget(now: Nanoseconds, _ random: inout RandomSource) {
    var next = Canary(now: now, &random)
    next.statistics = statistics
    next.lateCount = lateCount
    self = next
  }

  /// The schedule; nil while none is sent and none under way.
  var scheduled: ProbeTimer? { isWanted || timer.attempt != nil ? timer : nil }

  /// How often that came.
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

  /// Whether the endpoint is out of favour, and whether it may be asked now. True where the
  /// schedule has to be looked at.
  mutating func look(isOut: Bool, isAsked: Bool) -> Bool {
    if !isOut { goodInRow = 0 }
    defer { isWanted = isOut && isAsked }
    return isOut && isAsked && !isWanted
  }

  /// How long a good one may take, seconds; nil while that is not known. `poolUsual`: what is usual
  /// in the pool, 0 while unknown.
  func limit(poolUsual: Double) -> Double? {
    let usual = usualSeconds > 0 ? usualSeconds : poolUsual
    return usual > 0 ? max(Self.lateMin, Self.lateRatio * usual) : nil
  }

  /// It is sent. Returns how long it may take. Requires: none is under way.
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

  /// The attempt is over; nil where that one is not under way.
  mutating func end(serial: UInt64) -> ProbeTimer.Attempt? { timer.end(serial: serial) }

  /// The process was stopped for so long.
  mutating func postpone(by pause: Nanoseconds) { timer.postpone(by: pause) }

  /// Takes the end of the attempt and says how it came out.
  mutating func take(
    _ outcome: ProbeOutcome, of attempt: ProbeTimer.Attempt, poolUsual: Double,
    timeout: Nanoseconds, now: Nanoseconds, wall: Nanoseconds
  ) -> End {
    let seconds = (now - attempt.sentAt).seconds
    statistics.lastDuration = now - attempt.sentAt
    var end = End(result: .good, status: 0, detail: "", at: now, seconds: seconds)
    switch outcome {
    case .failed(let failure): (end.result, end.detail) = (.failed(failure.kind), failure.detail)
    case .connected: end.result = .failed(.badHTTP)
    case .answered(let status, let content):
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
      statistics.fail(ProbeFailure(kind, end.detail))
      // We had no means to send it.
      if kind != .local { goodInRow = 0 }
    }
  }

  /// What is usual after a good one that took `seconds`; `usual` is 0 before the first.
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
