// One worker's judgement of one endpoint from its own exchanges: when to eject the endpoint, how to
// try it again (half-open: one request at a time, three good ones), and how fast it gets its share
// back. A pure value; docs/control.md describes the rules and the origin of their numbers.
// Invariant: an endpoint is half-open from its ejection to its readmission.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// How a failed attempt failed.
package enum AttemptFailure: Sendable, Equatable {
  /// The connection was refused at once: no process listens, and the attempt costs no client
  /// anything.
  case refused
  /// The connection was cut before any part of the answer was passed on: the process is gone.
  case unreachable
  /// The answer was cut or malformed after a part of it was passed on: a client has lost it.
  case truncated
  /// A status that counts as a failure.
  case status
  /// The answer was not valid HTTP.
  case malformed
  /// The attempt timed out.
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

/// The facts about the pool that passive health needs.
struct PassiveContext {
  var policy: EjectionPolicy
  /// The fleet's mean response time, seconds.
  var fleetResponse: Double
  /// The scrape interval, seconds.
  var interval: Double
  /// The number of balancers, this one included.
  var balancers: Double
  /// The other endpoints have (next to) no failures.
  var othersAreClean: Bool
  /// The limit of ejected endpoints allows one more.
  var mayEject = true
  /// The last two canaries at the endpoint were good.
  var isCanaryGood = false

  /// The time for which a scrape or a failure counts as recent.
  var recent: Nanoseconds { .seconds(3 * max(interval, 1)) }
}

/// The passive health of one endpoint in the view of one worker.
package struct PassiveHealth: Sendable {
  /// The longest cooldown of an endpoint that cuts connections: its trials cost clients little.
  private static let unreachableCooldownMax = Nanoseconds.seconds(10)
  private static let firstCooldown = 2.0
  /// The longest cooldown of an endpoint that answers every request with an error: it may recover
  /// soon.
  private static let failingCooldownMax = Nanoseconds.seconds(8)
  /// The shortest time of refusing everything after which an endpoint is ejected, seconds.
  private static let refusalTimeMin = 2.0
  /// The time between two trials that cost no client anything.
  private static let idleCooldown = Nanoseconds.milliseconds(500)
  /// A failure that took longer than this is noticed by the client whose request is retried.
  private static let quick = Nanoseconds.seconds(1)
  /// The time without evidence after which an ejection may end: no request tries the endpoint.
  private static let silence = Nanoseconds.seconds(60)
  /// The same for an endpoint that refused connections: a test connection shows whether it still
  /// does.
  private static let refusedSilence = Nanoseconds.seconds(5)
  /// The same if checks, its page or other balancers report that it is back.
  private static let noticedSilence = Nanoseconds.seconds(2)
  /// The share at which a slow start begins, and the share after good canaries.
  private static let rampMin = 0.3
  private static let canaryRampMin = 0.65
  private static let longAgo = Nanoseconds(.min / 4)

  /// The end of the cooldown; only trials reach the endpoint earlier.
  package private(set) var ejectedUntil = Nanoseconds.zero
  /// The earliest time at which a request that can be retried elsewhere may try the ejected
  /// endpoint.
  package private(set) var trialFrom = Nanoseconds.zero
  /// The pool has a canary, which tries the endpoint before requests of clients do. Kept over
  /// reloads.
  var hasCanary = false
  /// The endpoint was ejected and has not given enough good answers since.
  package private(set) var isHalfOpen = false
  /// The decayed share of failures, over about a hundred attempts.
  private(set) var slowFailureRatio = 0.0
  private var failureRatio = 0.0
  private(set) var failsInRow = 0
  private var samples = 0
  private var ejections = 0
  private var trialsGood = 0
  private var othersGood: UInt64 = 0
  private var wasUnreachable = false
  /// A trial has cost a client a part of its answer: until readmission, no trial counts as free.
  private var hasTruncated = false
  /// The time when the present ejection began.
  package private(set) var ejectedSince = Nanoseconds.zero
  /// The last time that a trial or a notice gave evidence about the ejected endpoint.
  package private(set) var lastEvidenceAt = Nanoseconds.zero
  /// From this time on, a successful test connection to the endpoint ends the ejection.
  private(set) var forgetAt = Nanoseconds.distantFuture
  /// The reason of the present ejection; nil: not ejected.
  package private(set) var reason: EjectionReason?
  private var rampStart = Self.longAgo
  private var rampMin = Self.rampMin
  /// Canaries were good since the ejection began.
  private var isCleared = false
  private var lastSuccess = Self.longAgo
  private var lastFailure = Self.longAgo
  private var suspectedAt = Self.longAgo
  private var windowStart = Self.longAgo
  private var windowFails = 0
  /// The endpoint's refusals since it last completed a request.
  private(set) var refusals = Refusals()
  /// The share of client errors among its answers.
  private(set) var clientErrors = ClientErrorShare()
  /// The decayed mean of its response times, seconds, and the number of answers since it was added
  /// or readmitted.
  private(set) var meanResponse = 0.0
  private(set) var responseCount = 0

  /// The share of its weight: 0.3, or 0.65 after good canaries, rising to 1 during the slow start.
  @inline(__always)
  func ramp(now: Nanoseconds, slowStart: Nanoseconds) -> Double {
    let passed = now - rampStart
    if passed >= slowStart { return 1 }
    return rampMin + (1 - rampMin) * max(0, passed.seconds) / slowStart.seconds
  }

  /// The time when the slow start ends.
  func rampEnd(slowStart: Nanoseconds) -> Nanoseconds {
    rampStart < .zero ? .zero : rampStart + slowStart
  }

  /// Whether nothing listens at the address. Using such an endpoint never helps the pool.
  var isDead: Bool { isHalfOpen && reason == .refused }

  /// Whether picks may use the endpoint while they respect ejections. `isRepeatable`: a failed
  /// request is retried at another endpoint, so that no client notices.
  @inline(__always)
  func mayBePicked(now: Nanoseconds, load: Int32, isRepeatable: Bool = false) -> Bool {
    if !isHalfOpen { return now >= ejectedUntil }
    return load == 0
      && (now >= ejectedUntil || isRepeatable && now >= trialFrom && !hasCanary)
  }

  /// Begins a slow start when the endpoint takes requests again after a health check or an operator
  /// had taken it out.
  mutating func beginSlowStart(now: Nanoseconds) {
    rampStart = now
    rampMin = Self.rampMin
  }

  /// Notes an attempt, sent at `sentAt`, that ended well or with a client error that is not the
  /// endpoint's fault. Returns true if this ends an ejection.
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
    // A request sent before the ejection is no trial, and only the canary shortens the cooldown.
    if hasCanary, now < ejectedUntil, let sentAt, sentAt < ejectedSince { return false }
    trialsGood += 1
    noteEvidence(at: now)
    guard trialsGood >= trialsNeeded else { return false }
    readmit(now: now)
    return true
  }

  /// Readmits the endpoint, after good answers of its own or to another worker.
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

  /// Adds the duration of a complete answer.
  @inline(__always)
  mutating func noteResponse(_ seconds: Double) {
    responseCount += 1
    // The first answers form a plain mean.
    meanResponse += (seconds - meanResponse) / Double(min(responseCount, 50))
  }

  /// The number of good trials in a row that readmission takes. It grows with each ejection for an
  /// endpoint that answered errors, since half of its answers may be good ones.
  private var trialsNeeded: Int {
    // One completed request shows that an overloaded endpoint has room again.
    if reason == .overloaded { return 1 }
    return wasUnreachable ? 3 : min(3 + 2 * max(0, ejections - 1), 9)
  }

  /// Notes an attempt that failed after `took`. Returns true if this ejects the endpoint, until
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
    // A refused connection is retried elsewhere, whatever the endpoint did before.
    let isFree =
      failure != .timeout && took <= Self.quick && (failure == .refused || !hasTruncated)
    var isHit = isHalfOpen || isAtLimit(failure, now: now, context)
    if let ratio = context.policy.errorRatio, samples >= 6, failureRatio > ratio { isHit = true }
    // A slow endpoint under overload is not broken. If the operator counts failures, these count
    // too.
    if failure == .timeout, context.policy.failsMax == nil,
      now - lastSuccess <= .seconds(3 * context.fleetResponse)
    {
      isHit = false
    }
    // If nothing listens there is no doubt: such an endpoint is ejected even beyond the limit.
    guard isHit, now >= ejectedUntil, isHalfOpen || context.mayEject || failure == .refused else {
      // A failure during a cooldown was a free trial or came late: it does not extend the cooldown.
      if isHalfOpen {
        trialsGood = 0
        if !hasCanary {
          trialFrom = isFree ? max(trialFrom, now + Self.idleCooldown) : ejectedUntil
        }
        noteEvidence(at: now)
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

  /// Notes an attempt that was answered with a refusal (429, 503, or a 4xx that is this endpoint's
  /// fault); `load` requests are left in flight there. The endpoint is passed over for a while if
  /// others have room. Returns true if this ejects it: it completed nothing for some seconds in
  /// which others completed requests (`othersSucceed`), and has nothing in flight that it may yet
  /// complete.
  mutating func refused(
    _ reason: EjectionReason, now: Nanoseconds, load: Int32, retryAfter: Nanoseconds = .zero,
    othersSucceed: Bool, _ context: PassiveContext
  ) -> Bool {
    // Completed requests make room, but do not provide a missing model.
    let isOverload = reason == .overloaded
    if !isOverload { clientErrors.note(isError: true) }
    refusals.note(now: now, load: isOverload ? load : 0, retryAfter: retryAfter)
    if isHalfOpen {
      trialsGood = 0
      if !hasCanary { trialFrom = max(trialFrom, now + Self.idleCooldown) }
      noteEvidence(at: now)
      guard now >= ejectedUntil else { return false }
    } else {
      let timeMin = max(Self.refusalTimeMin, isOverload ? 3 * context.fleetResponse : 0)
      guard context.mayEject, othersSucceed, refusals.count >= 3, !isOverload || load == 0,
        now - refusals.since >= .seconds(timeMin)
      else { return false }
    }
    ejections += 1
    reject(until: now + cooldown(.status, isFree: false, context), reason, now: now)
    trialFrom = now + Self.idleCooldown
    if hasCanary { leaveToCanary(now: now, context) }
    wasUnreachable = false
    return true
  }

  /// Whether the endpoint has reached the number of failures that ejects it.
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

  /// Ejects an endpoint whose answers take far longer than those of the others. Returns the end of
  /// the cooldown.
  mutating func ejectSlow(now: Nanoseconds, _ context: PassiveContext) -> Nanoseconds {
    ejections += 1
    responseCount = 0
    reject(until: now + cooldown(.timeout, isFree: false, context), .slow, now: now)
    if hasCanary { leaveToCanary(now: now, context) }
    wasUnreachable = false
    return ejectedUntil
  }

  /// Leaves the end of the ejection to canaries, with the longest cooldown as a limit. Good
  /// canaries end the first cooldown at once. A later cooldown lasts as long as it would without
  /// canaries, since clients may send requests that differ from the canary.
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
    trialsGood = 0
    othersGood = 0
    noteEvidence(at: now)
  }

  /// Notes evidence about the ejected endpoint.
  private mutating func noteEvidence(at time: Nanoseconds) {
    lastEvidenceAt = max(lastEvidenceAt, time)
    let silence = reason == .refused ? Self.refusedSilence : Self.silence
    forgetAt = max(ejectedUntil, lastEvidenceAt) + silence
  }

  /// Notes that another worker got evidence about the endpoint at that time.
  mutating func noteOthersNotice(at time: Nanoseconds) {
    if isHalfOpen, time > lastEvidenceAt { noteEvidence(at: time) }
  }

  /// Notes a report that the endpoint is back: if no request tries it, a test connection is made
  /// soon.
  private mutating func noteNotice(now: Nanoseconds) {
    if isHalfOpen { forgetAt = min(forgetAt, now + Self.noticedSilence) }
  }

  /// Whether there was no evidence about the endpoint for so long that a test connection is due.
  /// `load`: requests that it is answering.
  func isForgotten(now: Nanoseconds, load: Int32) -> Bool {
    isHalfOpen && load == 0 && now >= forgetAt
  }

  /// Notes that a test connection to the endpoint is being made, which takes at most `timeout`.
  mutating func beginConnectionTrial(timeout: Nanoseconds, now: Nanoseconds) {
    forgetAt = now + timeout + Self.refusedSilence
  }

  /// Notes that the test connection failed.
  mutating func connectionFailed(now: Nanoseconds) {
    guard isHalfOpen else { return }
    reason = .refused
    wasUnreachable = true
    noteEvidence(at: now)
  }

  /// Adopts an ejection by another worker of this process, which began at `since` and allows free
  /// trials from `trialFrom`.
  mutating func adopt(
    ejectedUntil until: Nanoseconds, trialFrom from: Nanoseconds, since: Nanoseconds,
    _ reason: EjectionReason
  ) {
    if until > ejectedUntil { reject(until: until, reason, now: since) }
    trialFrom = min(max(from, .zero), ejectedUntil)
  }

  /// Another worker's trial has just failed: there is one trial at a time in the whole process.
  mutating func postponeTrial(until: Nanoseconds) {
    if isHalfOpen { trialFrom = max(trialFrom, until) }
  }

  /// Takes a notice that was given `count` times. `chance` is uniform in 0..<1.
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
      noteEvidence(at: now)
    case .othersOutage:
      if !isHalfOpen { suspectedAt = now }
    case .stalled:
      reject(until: now, .stalled, now: now)
      // The watchdog has already waited.
      ejectedUntil = now
      wasUnreachable = true
    case .recovered:
      if isHalfOpen { ejectedUntil = min(ejectedUntil, now) }
      noteNotice(now: now)
    case .checked:
      // Good checks count as most of the trials: one good answer to a request is enough.
      guard isHalfOpen, !hasCanary else { return }
      ejectedUntil = min(ejectedUntil, now)
      trialsGood = max(trialsGood, trialsNeeded - 1)
      noteNotice(now: now)
    case .canary:
      guard isHalfOpen, hasCanary else { return }
      guard context.isCanaryGood else {
        trialsGood = 0
        isCleared = false
        ejectedUntil = max(ejectedUntil, now + context.policy.failTimeout)
        noteEvidence(at: now)
        return
      }
      isCleared = true
      ejectedUntil = min(ejectedUntil, max(now, trialFrom))
      trialsGood = max(trialsGood, trialsNeeded - 1)
      if ejectedUntil <= now { noteNotice(now: now) }
    case .othersSuccesses:
      othersGood += count
      guard isHalfOpen, othersGood >= 3, !hasCanary else { return }
      ejectedUntil = min(ejectedUntil, now)
      noteNotice(now: now)
    }
  }
}
