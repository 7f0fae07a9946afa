// The picker's part in passive health: it notes outcomes, adopts other workers' ejections, and
// finds endpoints that are far slower than the others. Invariant: the number of ejected endpoints
// is limited.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

extension Picker {
  /// The number of answers that a mean response time needs.
  private static let slowSamples = 20
  /// The largest number of other endpoints whose client errors are compared.
  private static let othersMax = 64

  /// Notes an attempt, sent at `sentAt`, that ended well. Returns true if this readmits the
  /// endpoint.
  package mutating func succeeded(
    _ position: Int, now: Nanoseconds, sentAt: Nanoseconds? = nil, isClientError: Bool = false
  ) -> Bool {
    guard
      candidates[position].health.succeeded(
        now: now, sentAt: sentAt, isClientError: isClientError)
    else { return false }
    recount()
    return true
  }

  /// Notes a refused attempt at an endpoint with `load` requests left in flight. Returns the end of
  /// the cooldown if this ejects the endpoint.
  @discardableResult
  package mutating func refused(
    _ position: Int, _ reason: EjectionReason, load: Int32, retryAfter: Nanoseconds = .zero,
    pickBoard: PickBoard, now: Nanoseconds
  ) -> Nanoseconds? {
    guard ejection.failsMax != 0 else { return nil }
    let context = context(position, pickBoard, othersAreClean: false)
    let isEjected = candidates[position].health.refused(
      reason, now: now, load: load, retryAfter: retryAfter,
      othersSucceed: othersSucceed(position), context)
    fullUntil = max(fullUntil, candidates[position].health.refusals.until)
    quickScanFrom = max(quickScanFrom, fullUntil)
    guard isEjected else { return nil }
    recount()
    return candidates[position].health.ejectedUntil
  }

  /// Whether another endpoint completed a request since this one began to refuse all.
  private func othersSucceed(_ position: Int) -> Bool {
    let since = candidates[position].health.refusals.since
    return candidates.indices.contains {
      $0 != position && candidates[$0].health.refusals.lastCompleted >= since
    }
  }

  /// Whether a client error is this endpoint's fault: it gives far more of them than the other
  /// endpoints do. If requests are bound to endpoints by a key or a session, it may just as well be
  /// the client's fault.
  package func blamesClientError(_ position: Int) -> Bool {
    guard ejection.failsMax != 0, !bindsClients else { return false }
    let health = candidates[position].health
    if health.isHalfOpen, health.reason == .clientErrors { return true }
    var (ratios, answers, count) = (0.0, 0.0, 0)
    for step in 1..<max(1, min(candidates.count, Self.othersMax + 1)) {
      let other = candidates[(position + step) % candidates.count]
      guard other.isEligible, other.health.clientErrors.answers > 0 else { continue }
      ratios += other.health.clientErrors.ratio
      answers += other.health.clientErrors.answers
      count += 1
    }
    guard count > 0 else { return false }
    var share = health.clientErrors
    share.note(isError: true)
    return share.isFarAbove(others: ratios / Double(count), othersAnswers: answers)
  }

  /// Notes an attempt that failed after `took`. Returns the end of the cooldown if this ejects the
  /// endpoint.
  @discardableResult
  package mutating func failed(
    _ position: Int, _ failure: AttemptFailure, took: Nanoseconds = .zero, pickBoard: PickBoard,
    now: Nanoseconds
  ) -> Nanoseconds? {
    guard ejection.failsMax != 0 else { return nil }
    let context = context(position, pickBoard, othersAreClean: othersAreClean(position))
    guard candidates[position].health.failed(failure, took: took, now: now, context) else {
      return nil
    }
    recount()
    return candidates[position].health.ejectedUntil
  }

  /// Notes the duration of a complete answer. Returns the end of the cooldown if this ejects the
  /// endpoint for being far slower than the others, which the pool has to allow.
  @discardableResult
  package mutating func answered(
    _ position: Int, in duration: Nanoseconds, pickBoard: PickBoard, now: Nanoseconds
  ) -> Nanoseconds? {
    guard let slowRatio = ejection.slowRatio, ejection.failsMax != 0 else { return nil }
    candidates[position].health.noteResponse(duration.seconds)
    let health = candidates[position].health
    guard !health.isHalfOpen, health.responseCount % Self.slowSamples == 0, mayEject(position),
      isSlow(position, slowRatio)
    else { return nil }
    let context = context(position, pickBoard, othersAreClean: true)
    let until = candidates[position].health.ejectSlow(now: now, context)
    recount()
    return until
  }

  /// Whether the mean exceeds `ratio` times the median of the others that have enough answers.
  /// False with fewer than two others.
  private func isSlow(_ position: Int, _ ratio: Double) -> Bool {
    let mine = candidates[position].health.meanResponse
    var (slower, count) = (0, 0)
    for other in candidates.indices where other != position {
      let health = candidates[other].health
      guard !health.isHalfOpen, health.responseCount >= Self.slowSamples else { continue }
      count += 1
      if mine > ratio * health.meanResponse { slower += 1 }
    }
    return count >= 2 && 2 * slower > count
  }

  private func othersAreClean(_ position: Int) -> Bool {
    var (sum, count) = (0.0, 0)
    for other in candidates.indices
    where other != position && !candidates[other].health.isHalfOpen {
      sum += candidates[other].health.slowFailureRatio
      count += 1
    }
    return sum < 0.003 * Double(count) || count == 0
  }

  // MARK: Other workers

  /// Adopts an ejection by another worker of this process.
  package mutating func adopt(_ position: Int, _ others: Ejection) {
    guard ejection.failsMax != 0 else { return }
    candidates[position].adoptedUntil = others.cooldownUntil
    candidates[position].adoptedSince = others.since
    guard
      candidates[position].health.isHalfOpen || others.reason == .refused || mayEject(position)
    else { return }
    candidates[position].health.adopt(
      ejectedUntil: others.cooldownUntil, trialFrom: others.trialFrom, since: others.since,
      others.reason)
    recount()
  }

  /// Notes that another worker got evidence about the endpoint.
  mutating func noteOthersNotice(_ position: Int, at time: Nanoseconds) {
    candidates[position].health.noteOthersNotice(at: time)
  }

  /// Notes that another worker's trial of the endpoint failed.
  package mutating func postponeTrial(_ position: Int, until: Nanoseconds) {
    candidates[position].health.postponeTrial(until: until)
  }

  /// Adopts readmissions by other workers; `readmissions` is their number. Returns true if this
  /// readmits the endpoint here.
  package mutating func adopt(_ position: Int, readmissions: UInt64, now: Nanoseconds) -> Bool {
    let before = candidates[position].adoptedReadmissions
    guard before != readmissions else { return false }
    candidates[position].adoptedReadmissions = readmissions
    guard before != nil, candidates[position].health.isHalfOpen else { return false }
    candidates[position].health.readmit(now: now)
    recount()
    return true
  }

  // MARK: Ejections without evidence

  /// Whether the endpoint is ejected, no request tries it, and there was no evidence for a long
  /// time. False if health or drain have taken it out.
  func isForgotten(_ position: Int, now: Nanoseconds, load: Int32) -> Bool {
    candidates[position].isEligible
      && candidates[position].health.isForgotten(now: now, load: load)
  }

  /// Notes that a test connection to the endpoint is being made.
  mutating func beginConnectionTrial(
    _ position: Int, timeout: Nanoseconds, now: Nanoseconds
  ) {
    candidates[position].health.beginConnectionTrial(timeout: timeout, now: now)
  }

  /// Notes that the test connection failed.
  mutating func connectionFailed(_ position: Int, now: Nanoseconds) {
    candidates[position].health.connectionFailed(now: now)
  }

  /// Ends the ejection of an endpoint that accepts connections and gave no other evidence, unless a
  /// request tries it now. Returns the cause; nil: the ejection continues.
  mutating func forget(_ position: Int, load: Int32, now: Nanoseconds) -> ReadmissionCause? {
    let health = candidates[position].health
    guard health.isHalfOpen, load == 0 else { return nil }
    candidates[position].health.readmit(now: now)
    recount()
    return health.reason == .refused ? .connection : .silence
  }

  /// Whether this endpoint may be ejected too. The pool's share limits the number, but one endpoint
  /// may always be ejected, and so may any primary while a backup is available.
  private func mayEject(_ position: Int) -> Bool {
    var (eligible, halfOpen, backups) = (0, 0, 0)
    for candidate in candidates where candidate.isEligible && candidate.weight > 0 {
      eligible += 1
      if candidate.health.isHalfOpen {
        halfOpen += 1
      } else if candidate.isBackup {
        backups += 1
      }
    }
    return halfOpen < max(1, Int(ejection.ejectedRatioMax * Double(eligible)))
      || backups > 0 && !candidates[position].isBackup
  }

  mutating func recount() {
    halfOpenCount = candidates.reduce(0) { $0 + ($1.health.isHalfOpen ? 1 : 0) }
    rerank()
  }

  func context(
    _ position: Int, _ pickBoard: PickBoard, othersAreClean: Bool
  ) -> PassiveContext {
    let endpointIndex = candidates[position].endpointIndex
    return PassiveContext(
      policy: ejection, fleetResponse: pickBoard.fleetResponse(endpointIndex),
      interval: pickBoard.interval(endpointIndex),
      balancers: pickBoard.balancers(endpointIndex), othersAreClean: othersAreClean,
      mayEject: mayEject(position),
      isCanaryGood: pickBoard.isCanaryGood(endpointIndex))
  }
}
