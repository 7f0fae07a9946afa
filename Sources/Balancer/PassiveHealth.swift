// What one worker thinks of one endpoint from its own exchanges: when to leave it alone, how to try
// it again (half-open: one request at a time, three good ones), how fast it gets its share back.
// A pure value; docs/control.md tells the rules and where their numbers come from.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
package import Primitives

/// How a failed attempt failed.
package enum AttemptFailure: Sendable, Equatable {
  /// Refused, or cut before the answer was whole: the process is gone.
  case unreachable
  /// A 5xx, or an answer that is no HTTP.
  case status
  /// Given up for its time.
  case timeout
}

/// What passive health needs to know of the pool.
struct PassiveContext {
  var policy: EjectionPolicy
  /// The fleet's mean response time, seconds.
  var fleetResponse: Double
  /// Between two scrapes, seconds.
  var interval: Double
  /// How many balancers there are, this one included.
  var balancers: Double
  /// The other endpoints fail (next to) nothing.
  var othersAreClean: Bool

  /// For how long a scrape or a failure counts as news.
  var recent: Nanoseconds { .seconds(3 * max(interval, 1)) }
}

package struct PassiveHealth: Sendable {
  /// The longest rest of an endpoint that cannot be reached: trying it costs the client nothing.
  private static let unreachableRestMax = Nanoseconds.seconds(10)
  private static let firstRest = 2.0
  private static let longAgo = Nanoseconds(.min / 4)

  package private(set) var ejectedUntil = Nanoseconds.zero
  /// Was ejected and has not shown three good answers since.
  package private(set) var isHalfOpen = false
  /// Decayed share of failures, over about a hundred attempts.
  private(set) var slowFailureRatio = 0.0
  private var failureRatio = 0.0
  private var failsInRow = 0
  private var samples = 0
  private var ejections = 0
  private var probesGood = 0
  private var foreignGood: UInt64 = 0
  private var wasUnreachable = false
  private var rampStart = Self.longAgo
  private var lastSuccess = Self.longAgo
  private var lastFailure = Self.longAgo
  private var suspectedAt = Self.longAgo

  /// 0.3 rising to 1 over the slow start.
  @inline(__always)
  func ramp(now: Nanoseconds, slowStart: Nanoseconds) -> Double {
    let passed = now - rampStart
    if passed >= slowStart { return 1 }
    return 0.3 + 0.7 * max(0, passed.seconds) / slowStart.seconds
  }

  /// Whether picks may use it without being told to ignore ejection.
  @inline(__always)
  func mayBePicked(now: Nanoseconds, load: Int32) -> Bool {
    now >= ejectedUntil && !(isHalfOpen && load > 0)
  }

  /// It takes new requests again, after a probe or an operator had said no.
  mutating func beginSlowStart(now: Nanoseconds) { rampStart = now }

  /// An attempt ended well. True where this ends an ejection.
  mutating func succeeded(now: Nanoseconds) -> Bool {
    samples += 1
    slowFailureRatio *= 0.99
    failureRatio *= 0.9
    failsInRow = 0
    lastSuccess = now
    guard isHalfOpen else {
      if ejections > 0, now - rampStart > .seconds(60) { ejections = 0 }
      return false
    }
    probesGood += 1
    guard probesGood >= probesNeeded else { return false }
    isHalfOpen = false
    ejectedUntil = .zero
    failureRatio = 0
    samples = 0
    rampStart = now
    return true
  }

  /// Good trials in a row until it is back. One that answered errors has to show more of them each
  /// time: half of its answers may be good ones.
  private var probesNeeded: Int { wasUnreachable ? 3 : min(3 + 2 * max(0, ejections - 1), 9) }

  /// An attempt failed. True where the endpoint is ejected by it, until `ejectedUntil`.
  mutating func failed(
    _ failure: AttemptFailure, now: Nanoseconds, _ context: PassiveContext
  ) -> Bool {
    samples += 1
    slowFailureRatio = 0.99 * slowFailureRatio + 0.01
    failureRatio = 0.9 * failureRatio + 0.1
    failsInRow += 1
    lastFailure = now
    var needed = 3
    if failure == .unreachable {
      needed = 2
    } else if failure == .status, now - suspectedAt < context.recent {
      needed = 1
    } else if failure == .status, context.othersAreClean {
      needed = 2
    }
    switch context.policy.failsMax {
    case ..<3: needed = min(needed, context.policy.failsMax)
    case 3: break
    default: needed = context.policy.failsMax
    }
    var isHit = isHalfOpen || failsInRow >= needed || samples >= 6 && failureRatio > 0.3
    // Slow under overload is not broken.
    if failure == .timeout, now - lastSuccess <= .seconds(3 * context.fleetResponse) {
      isHit = false
    }
    guard isHit, now >= ejectedUntil else { return false }
    ejections += 1
    var rest = Nanoseconds.seconds(Self.firstRest * Double(1 << min(ejections - 1, 16)))
    if failure == .unreachable { rest = min(rest, Self.unreachableRestMax) }
    reject(until: now + min(rest, context.policy.failTimeout))
    wasUnreachable = failure != .status
    return true
  }

  private mutating func reject(until: Nanoseconds) {
    ejectedUntil = max(ejectedUntil, until)
    isHalfOpen = true
    probesGood = 0
    foreignGood = 0
  }

  /// Another worker of this process ejected it until then.
  mutating func adopt(ejectedUntil until: Nanoseconds) {
    if until > ejectedUntil { reject(until: until) }
  }

  /// Takes news that came `count` times. `chance` is uniform in 0..<1.
  mutating func take(
    _ news: HintBoard.News, count: UInt64, now: Nanoseconds, chance: Double,
    _ context: PassiveContext
  ) {
    switch news {
    case .scrapeLost:
      guard isHalfOpen || now - lastFailure < context.recent else { return }
      let until = max(ejectedUntil, now + .seconds(1.5 * max(context.interval, 0.1)))
      reject(until: until)
    case .scrapeBack:
      if isHalfOpen, wasUnreachable { ejectedUntil = min(ejectedUntil, now) }
    case .foreignFailures:
      foreignGood = 0
      guard isHalfOpen else { return }
      let rest = 2 * min(context.balancers, 8) * (0.5 + chance)
      ejectedUntil = max(ejectedUntil, now + min(.seconds(rest), context.policy.failTimeout))
    case .foreignOutage:
      if !isHalfOpen { suspectedAt = now }
    case .stalled:
      reject(until: now)
      // The pause was the watchdog's.
      ejectedUntil = now
      wasUnreachable = true
    case .recovered:
      if isHalfOpen { ejectedUntil = min(ejectedUntil, now) }
    case .foreignSuccesses:
      foreignGood += count
      if isHalfOpen, foreignGood >= 3 { ejectedUntil = min(ejectedUntil, now) }
    }
  }
}
