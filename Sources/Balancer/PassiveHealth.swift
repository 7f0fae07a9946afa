// What one worker thinks of one endpoint from its own exchanges: when to leave it alone, how to try
// it again (half-open: one request at a time, three good ones), how fast it gets its share back.
// A pure value; docs/control.md tells the rules and where their numbers come from.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// How a failed attempt failed.
package enum AttemptFailure: Sendable, Equatable {
  /// No connection, at once: the process is gone, and to find that out costs no client anything.
  case refused
  /// Cut before any of the answer was passed on: the process is gone.
  case unreachable
  /// Cut, or no HTTP, after a part of the answer was passed on: a client has lost it.
  case truncated
  /// A status that counts as a failure.
  case status
  /// An answer that is no HTTP.
  case malformed
  /// Given up for its time.
  case timeout

  var reason: EjectionReason {
    switch self {
    case .refused: .refused
    case .unreachable: .unreachable
    case .truncated: .truncated
    case .status: .status
    case .malformed: .malformed
    case .timeout: .timeout
    }
  }
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
  /// Not so many are ejected that this one has to stay.
  var mayEject = true
  /// The last two canaries there were good.
  var isCanaryGood = false

  /// For how long a scrape or a failure counts as recent.
  var recent: Nanoseconds { .seconds(3 * max(interval, 1)) }
}

package struct PassiveHealth: Sendable {
  /// The longest cooldown of an endpoint that cuts connections: few clients pay for trying it.
  private static let unreachableCooldownMax = Nanoseconds.seconds(10)
  private static let firstCooldown = 2.0
  /// The longest cooldown of an endpoint that answers every request with an error: it is as likely
  /// to be well again soon.
  private static let failingCooldownMax = Nanoseconds.seconds(8)
  /// For how many seconds an endpoint may refuse everything, at the least.
  private static let patience = 2.0
  /// Between two trials that cost no client anything.
  private static let idleCooldown = Nanoseconds.milliseconds(500)
  /// A failure that took longer is felt by the client whose request is made again.
  private static let quick = Nanoseconds.seconds(1)
  /// After so long without a word an ejection may be over: nobody asks the endpoint anything.
  private static let silence = Nanoseconds.seconds(60)
  /// The same where it refuses connections: a connection tells whether it still does.
  private static let refusedSilence = Nanoseconds.seconds(5)
  /// The same where checks, its page or others say that it is back.
  private static let noticedSilence = Nanoseconds.seconds(2)
  /// Where a slow start begins, and where it does after good canaries.
  private static let rampMin = 0.3
  private static let canaryRampMin = 0.65
  private static let longAgo = Nanoseconds(.min / 4)

  package private(set) var ejectedUntil = Nanoseconds.zero
  /// A request that can be made again elsewhere may try it from then on, though it is ejected.
  package private(set) var trialFrom = Nanoseconds.zero
  /// The pool has a canary, which tries it before requests of clients do. It lasts over reloads.
  var hasCanary = false
  /// Was ejected and has not shown three good answers since.
  package private(set) var isHalfOpen = false
  /// Decayed share of failures, over about a hundred attempts.
  private(set) var slowFailureRatio = 0.0
  private var failureRatio = 0.0
  private(set) var failsInRow = 0
  private var samples = 0
  private var ejections = 0
  private var probesGood = 0
  private var othersGood: UInt64 = 0
  private var wasUnreachable = false
  /// A trial cost a client a part of its answer: until it is back, none is free.
  private var hasTruncated = false
  /// When the ejection that it is in began.
  package private(set) var ejectedSince = Nanoseconds.zero
  /// When it was last tried, or something was said of it, while it was ejected.
  package private(set) var heardAt = Nanoseconds.zero
  /// From when on the ejection ends where a connection to the endpoint succeeds.
  private(set) var forgetAt = Nanoseconds.distantFuture
  /// Of the ejection that it is in; nil where it is in none.
  package private(set) var reason: EjectionReason?
  private var rampStart = Self.longAgo
  private var rampMin = Self.rampMin
  /// Since it was ejected canaries were good there.
  private var isCleared = false
  private var lastSuccess = Self.longAgo
  private var lastFailure = Self.longAgo
  private var suspectedAt = Self.longAgo
  private var windowStart = Self.longAgo
  private var windowFails = 0
  /// What it refused since it completed a request.
  private(set) var refusals = Refusals()
  /// How many of its answers are client errors.
  private(set) var clientErrors = ClientErrorShare()
  /// Decayed mean of its response times, seconds, and over how many since it came (back).
  private(set) var meanResponse = 0.0
  private(set) var responseCount = 0

  /// 0.3, or 0.65 after good canaries, rising to 1 over the slow start.
  @inline(__always)
  func ramp(now: Nanoseconds, slowStart: Nanoseconds) -> Double {
    let passed = now - rampStart
    if passed >= slowStart { return 1 }
    return rampMin + (1 - rampMin) * max(0, passed.seconds) / slowStart.seconds
  }

  /// From when on the ramp is 1.
  func rampEnd(slowStart: Nanoseconds) -> Nanoseconds {
    rampStart < .zero ? .zero : rampStart + slowStart
  }

  /// Nobody listens there: no pool is better off with it in use.
  var isDead: Bool { isHalfOpen && reason == .refused }

  /// Whether picks may use it without being told to ignore ejection.
  /// `isRepeatable`: what it fails is asked of another endpoint, and no client sees it.
  @inline(__always)
  func mayBePicked(now: Nanoseconds, load: Int32, isRepeatable: Bool = false) -> Bool {
    if !isHalfOpen { return now >= ejectedUntil }
    return load == 0
      && (now >= ejectedUntil || isRepeatable && now >= trialFrom && !hasCanary)
  }

  /// It takes new requests again, after a probe or an operator had said no.
  mutating func beginSlowStart(now: Nanoseconds) {
    rampStart = now
    rampMin = Self.rampMin
  }

  /// An attempt that was sent at `sentAt` ended well, or with a client error that says nothing
  /// against the endpoint. True where this ends an ejection.
  mutating func succeeded(
    now: Nanoseconds, sentAt: Nanoseconds? = nil, isClientError: Bool = false
  ) -> Bool {
    samples += 1
    clientErrors.note(isError: isClientError)
    if !isClientError { refusals.completed(now: now, sentAt: sentAt ?? now) }
    slowFailureRatio *= 0.99
    failureRatio *= 0.9
    failsInRow = 0
    lastSuccess = now
    guard isHalfOpen else {
      if ejections > 0, now - rampStart > .seconds(60) { ejections = 0 }
      return false
    }
    // What was sent before it was ejected is no trial, and the cooldown is the canary's.
    if hasCanary, now < ejectedUntil, let sentAt, sentAt < ejectedSince { return false }
    probesGood += 1
    noteWord(at: now)
    guard probesGood >= probesNeeded else { return false }
    readmit(now: now)
    return true
  }

  /// It is back, by its own good answers or by those that another worker had.
  mutating func readmit(now: Nanoseconds) {
    isHalfOpen = false
    reason = nil
    hasTruncated = false
    ejectedUntil = .zero
    trialFrom = .zero
    forgetAt = .distantFuture
    failsInRow = 0
    windowFails = 0
    failureRatio = 0
    samples = 0
    responseCount = 0
    refusals = Refusals()
    clientErrors = ClientErrorShare()
    rampStart = now
    rampMin = isCleared ? Self.canaryRampMin : Self.rampMin
    isCleared = false
  }

  /// How long a complete answer took.
  @inline(__always)
  mutating func noteResponse(_ seconds: Double) {
    responseCount += 1
    // The first ones are an even mean.
    meanResponse += (seconds - meanResponse) / Double(min(responseCount, 50))
  }

  /// Good trials in a row until it is back. One that answered errors has to show more of them each
  /// time: half of its answers may be good ones.
  private var probesNeeded: Int {
    // One that had no room has some.
    if reason == .overloaded { return 1 }
    return wasUnreachable ? 3 : min(3 + 2 * max(0, ejections - 1), 9)
  }

  /// An attempt failed after `took`. True where the endpoint is ejected by it, until
  /// `ejectedUntil`.
  mutating func failed(
    _ failure: AttemptFailure, took: Nanoseconds = .zero, now: Nanoseconds,
    _ context: PassiveContext
  ) -> Bool {
    samples += 1
    slowFailureRatio = 0.99 * slowFailureRatio + 0.01
    failureRatio = 0.9 * failureRatio + 0.1
    failsInRow += 1
    lastFailure = now
    if failure == .truncated { hasTruncated = true }
    // A refused connection is asked for elsewhere whatever the endpoint did before.
    let isFree =
      failure != .timeout && took <= Self.quick && (failure == .refused || !hasTruncated)
    var isHit = isHalfOpen || isAtLimit(failure, now: now, context)
    if let ratio = context.policy.errorRatio, samples >= 6, failureRatio > ratio { isHit = true }
    // Slow under overload is not broken. An operator who counts failures counts these too.
    if failure == .timeout, context.policy.failsMax == nil,
      now - lastSuccess <= .seconds(3 * context.fleetResponse)
    {
      isHit = false
    }
    // Where nobody listens there is no doubt: such an endpoint is never in use for want of others.
    guard isHit, now >= ejectedUntil, isHalfOpen || context.mayEject || failure == .refused else {
      // A failure during a cooldown was a free trial, or came late: no reason for a longer one.
      if isHalfOpen {
        probesGood = 0
        if !hasCanary {
          trialFrom = isFree ? max(trialFrom, now + Self.idleCooldown) : ejectedUntil
        }
        noteWord(at: now)
      }
      return false
    }
    ejections += 1
    var cooldown = cooldown(failure, isFree: isFree, context)
    if context.policy.failsMax == nil, failure == .status || failure == .malformed {
      cooldown = min(cooldown, Self.failingCooldownMax)
    }
    reject(until: now + cooldown, failure.reason, now: now)
    if isFree { trialFrom = now + Self.idleCooldown }
    if hasCanary { leaveToCanary(now: now, context) }
    switch failure {
    case .refused, .unreachable, .timeout: wasUnreachable = true
    case .truncated, .status, .malformed: wasUnreachable = false
    }
    return true
  }

  /// An attempt was answered with a refusal (429, 503, or a 4xx that is this endpoint's fault),
  /// `load` requests are left in flight there. It is passed over for a while where others have
  /// room. True where it is ejected by it: it completed nothing for some seconds in which others
  /// completed requests (`othersSucceed`), and has nothing in flight that it may yet complete.
  mutating func refused(
    _ reason: EjectionReason, now: Nanoseconds, load: Int32, retryAfter: Nanoseconds = .zero,
    othersSucceed: Bool, _ context: PassiveContext
  ) -> Bool {
    // A completed request makes room, but no model that is missing.
    let isOverload = reason == .overloaded
    if !isOverload { clientErrors.note(isError: true) }
    refusals.note(now: now, load: isOverload ? load : 0, retryAfter: retryAfter)
    if isHalfOpen {
      probesGood = 0
      if !hasCanary { trialFrom = max(trialFrom, now + Self.idleCooldown) }
      noteWord(at: now)
      guard now >= ejectedUntil else { return false }
    } else {
      let patience = max(Self.patience, isOverload ? 3 * context.fleetResponse : 0)
      guard context.mayEject, othersSucceed, refusals.count >= 3, !isOverload || load == 0,
        now - refusals.since >= .seconds(patience)
      else { return false }
    }
    ejections += 1
    reject(until: now + cooldown(.status, isFree: false, context), reason, now: now)
    trialFrom = now + Self.idleCooldown
    if hasCanary { leaveToCanary(now: now, context) }
    wasUnreachable = false
    return true
  }

  /// Whether these are as many failures as it may have.
  private mutating func isAtLimit(
    _ failure: AttemptFailure, now: Nanoseconds, _ context: PassiveContext
  ) -> Bool {
    if let failsMax = context.policy.failsMax {
      if now - windowStart > context.policy.failTimeout {
        windowStart = now
        windowFails = 0
      }
      windowFails += 1
      return windowFails >= failsMax
    }
    switch failure {
    case .refused, .unreachable, .truncated: return failsInRow >= 2
    case .status, .malformed:
      if now - suspectedAt < context.recent { return true }
      return failsInRow >= (context.othersAreClean ? 2 : 3)
    case .timeout: return failsInRow >= 3
    }
  }

  private func cooldown(
    _ failure: AttemptFailure, isFree: Bool, _ context: PassiveContext
  ) -> Nanoseconds {
    if failure == .refused, isFree { return min(Self.idleCooldown, context.policy.failTimeout) }
    if context.policy.failsMax != nil { return context.policy.failTimeout }
    var cooldown = Nanoseconds.seconds(Self.firstCooldown * Double(1 << min(ejections - 1, 16)))
    if failure == .unreachable || failure == .refused {
      cooldown = min(cooldown, Self.unreachableCooldownMax)
    }
    return min(cooldown, context.policy.failTimeout)
  }

  /// Its answers take far longer than the others'. Until when it rests.
  mutating func ejectSlow(now: Nanoseconds, _ context: PassiveContext) -> Nanoseconds {
    ejections += 1
    responseCount = 0
    reject(until: now + cooldown(.timeout, isFree: false, context), .slow, now: now)
    if hasCanary { leaveToCanary(now: now, context) }
    wasUnreachable = false
    return ejectedUntil
  }

  /// The endpoint is ejected until canaries succeed, or for the longest cooldown where none ends.
  /// A good canary ends the first cooldown at once. A later one lasts as long as without canaries:
  /// clients may ask for something that the canary does not.
  private mutating func leaveToCanary(now: Nanoseconds, _ context: PassiveContext) {
    trialFrom = ejections <= 1 ? now : ejectedUntil
    ejectedUntil = max(ejectedUntil, now + context.policy.failTimeout)
    isCleared = false
  }

  private mutating func reject(
    until: Nanoseconds, _ reason: EjectionReason, now: Nanoseconds
  ) {
    if !isHalfOpen { ejectedSince = now }
    self.reason = reason
    if reason == .truncated { hasTruncated = true }
    ejectedUntil = max(ejectedUntil, until)
    trialFrom = ejectedUntil
    isHalfOpen = true
    probesGood = 0
    othersGood = 0
    noteWord(at: now)
  }

  /// Something was heard of it.
  private mutating func noteWord(at time: Nanoseconds) {
    heardAt = max(heardAt, time)
    let silence = reason == .refused ? Self.refusedSilence : Self.silence
    forgetAt = max(ejectedUntil, heardAt) + silence
  }

  /// Another worker heard something of it then.
  mutating func noteOthersNotice(at time: Nanoseconds) {
    if isHalfOpen, time > heardAt { noteWord(at: time) }
  }

  /// Something says that it is back: where no request tries it now, a connection does.
  private mutating func noteNotice(now: Nanoseconds) {
    if isHalfOpen { forgetAt = min(forgetAt, now + Self.noticedSilence) }
  }

  /// Whether nothing was heard of it for so long that a connection to it is worth a try.
  /// `load`: requests that it is answering.
  func isForgotten(now: Nanoseconds, load: Int32) -> Bool {
    isHalfOpen && load == 0 && now >= forgetAt
  }

  /// A connection to it is being tried, for `timeout` at most.
  mutating func beginConnectionTrial(timeout: Nanoseconds, now: Nanoseconds) {
    forgetAt = now + timeout + Self.refusedSilence
  }

  /// A connection to it was tried in vain.
  mutating func connectionFailed(now: Nanoseconds) {
    guard isHalfOpen else { return }
    reason = .refused
    wasUnreachable = true
    noteWord(at: now)
  }

  /// Another worker of this process ejected it at `since` until then, and tries it for free from
  /// `trialFrom`.
  mutating func adopt(
    ejectedUntil until: Nanoseconds, trialFrom from: Nanoseconds, since: Nanoseconds,
    _ reason: EjectionReason
  ) {
    if until > ejectedUntil { reject(until: until, reason, now: since) }
    trialFrom = min(max(from, .zero), ejectedUntil)
  }

  /// Another worker has just tried it in vain: one trial at a time in the whole process.
  mutating func postponeTrial(until: Nanoseconds) {
    if isHalfOpen { trialFrom = max(trialFrom, until) }
  }

  /// Takes notices that came `count` times. `chance` is uniform in 0..<1.
  mutating func take(
    _ notice: PickBoard.Notice, count: UInt64, now: Nanoseconds, chance: Double,
    _ context: PassiveContext
  ) {
    switch notice {
    case .scrapeLost:
      guard isHalfOpen || context.mayEject && now - lastFailure < context.recent else { return }
      let until = max(ejectedUntil, now + .seconds(1.5 * max(context.interval, 0.1)))
      let from = trialFrom
      let wasHalfOpen = isHalfOpen
      reject(until: until, wasHalfOpen ? reason ?? .scrapes : .scrapes, now: now)
      if wasHalfOpen {
        trialFrom = from
      } else if hasCanary {
        leaveToCanary(now: now, context)
      }
    case .scrapeBack:
      guard isHalfOpen, wasUnreachable, !hasCanary else { return }
      ejectedUntil = min(ejectedUntil, now)
      noteNotice(now: now)
    case .othersFailures:
      othersGood = 0
      guard isHalfOpen else { return }
      let cooldown = 2 * min(context.balancers, 8) * (0.5 + chance)
      ejectedUntil = max(ejectedUntil, now + min(.seconds(cooldown), context.policy.failTimeout))
      noteWord(at: now)
    case .othersOutage:
      if !isHalfOpen { suspectedAt = now }
    case .stalled:
      reject(until: now, .stalled, now: now)
      // The pause was the watchdog's.
      ejectedUntil = now
      wasUnreachable = true
    case .recovered:
      if isHalfOpen { ejectedUntil = min(ejectedUntil, now) }
      noteNotice(now: now)
    case .checked:
      // The checks have said most of it: the first good answer to a request says the rest.
      guard isHalfOpen, !hasCanary else { return }
      ejectedUntil = min(ejectedUntil, now)
      probesGood = max(probesGood, probesNeeded - 1)
      noteNotice(now: now)
    case .canary:
      guard isHalfOpen, hasCanary else { return }
      guard context.isCanaryGood else {
        probesGood = 0
        isCleared = false
        ejectedUntil = max(ejectedUntil, now + context.policy.failTimeout)
        noteWord(at: now)
        return
      }
      isCleared = true
      ejectedUntil = min(ejectedUntil, max(now, trialFrom))
      probesGood = max(probesGood, probesNeeded - 1)
      if ejectedUntil <= now { noteNotice(now: now) }
    case .othersSuccesses:
      othersGood += count
      guard isHalfOpen, othersGood >= 3, !hasCanary else { return }
      ejectedUntil = min(ejectedUntil, now)
      noteNotice(now: now)
    }
  }
}
