// Failed attempts: retried at another endpoint if that is safe and the budget covers it; otherwise
// the endpoint's own answer is passed on, or steelyard answers. Invariant: a retry that the budget
// has to cover is paid for before it is made.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Handles an attempt that failed before a byte of a response was passed on: retries if that is
  /// safe, otherwise answers. `isStale`: the connection was closed while it was kept, which is no
  /// failure of the endpoint.
  mutating func attemptFailed(
    _ id: ExchangeID, _ reason: LocalReason, isUnsent: Bool, isStale: Bool = false
  ) {
    let endpointIndex = leasedEndpoint(id)
    let failure = takeFailure(id, reason)
    let isRefused = isUnsent && reason == .connectFailed
    releaseAttempt(
      id, isStale ? .abandoned : isRefused ? .failed(.refused) : reason.outcome)
    if let cause = cause(id, reason, endpointIndex, isUnsent: isUnsent),
      mayRepeat(id, cause, endpointIndex)
    {
      if let failure { report(id, failure, endpointIndex: endpointIndex, .repeated) }
      exchanges[id].pointee.isRepeat = true
      attemptAgain(id)
      return
    }
    if let failure { report(id, failure, endpointIndex: endpointIndex, failureEnd(id, reason)) }
    answerFailed(id, reason, endpointIndex: endpointIndex)
  }

  /// Retries at once at another endpoint. If there is none, retries after a pause at an endpoint
  /// that has failed.
  private mutating func attemptAgain(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool,
      !plan.pools[pool].picker.hasOther(
        load: leases.load, tried: state.pointee.tried, room: room(pool))
    else {
      attempt(id)
      return
    }
    let pause = RetryPause.length(after: Int(state.pointee.pauseCount), chance: random.unit())
    _ = state.pointee.machine.take(.pauseBegan)
    state.pointee.pauseCount += 1
    pausingCount += 1
    renewRequestID(id)
    setWaitTimer(id, io.now + pause)
    // No endpoint takes the remainder of the request yet.
    if !state.pointee.request.isComplete { setPaused(clientStream(id), true) }
  }

  /// The cause of the failure for the retry rules; nil: the failure is never retried.
  private mutating func cause(
    _ id: ExchangeID, _ reason: LocalReason, _ endpointIndex: Int, isUnsent: Bool
  ) -> RetryCause? {
    if isUnsent { return .unsent }
    let state = exchanges[id]
    switch reason {
    case .connectFailed, .badResponse: return .cut
    case .endpointDown: return .down
    case .firstByteTimeout, .sendTimeout:
      guard let pool = state.pointee.pool else { return nil }
      // A timeout of an ejected endpoint is no sign of overload, and trials run one at a time.
      return plan.pools[pool].retries.repeatsTimeouts || isEjected(endpointIndex, pool)
        ? .timeout : nil
    default: return nil
    }
  }

  /// Whether the endpoint is in its cooldown or half-open.
  private mutating func isEjected(_ endpointIndex: Int, _ pool: Int) -> Bool {
    guard let endpoint = plan.endpoints[endpointIndex], endpoint.pool == pool else { return false }
    return plan.pools[pool].picker.candidates[endpoint.position].health.isHalfOpen
  }

  /// Whether the endpoint is ejected and its answer is again a failure of the kind that ejected it.
  private mutating func isFailedTrial(_ status: Int, _ endpointIndex: Int, _ pool: Int) -> Bool {
    guard isEjected(endpointIndex, pool), let position = plan.endpoints[endpointIndex]?.position
    else { return false }
    if status >= 500 { return true }
    let reason = plan.pools[pool].picker.candidates[position].health.reason
    return reason == .clientErrors || reason == .overloaded && status == 429
  }

  /// Retries a request whose answer is a failure, if that is safe. Returns whether it did; no byte
  /// of the answer was passed on then.
  mutating func repeatsAnswer(
    _ id: ExchangeID, _ head: ResponseHead, _ fields: FieldTable
  ) -> Bool {
    let state = exchanges[id]
    guard let endpointIndex = state.pointee.lease?.endpointIndex, let pool = state.pointee.pool
    else { return false }
    guard
      isFailedTrial(head.status, endpointIndex, pool)
        || plan.pools[pool].retries.statuses.contains(head.status),
      mayRepeat(id, .status, endpointIndex, isOverload: head.status == 429 || head.status == 503)
    else { return false }
    keepAnswer(id, head, fields, endpointIndex)
    releaseAttempt(id, outcome(id, status: head.status))
    state.pointee.isRepeat = true
    attempt(id)
    return true
  }

  /// Whether the failed attempt may be retried; if so, the retry is paid for and counted.
  /// `isOverload`: retry only if another endpoint has room, as far as the worker knows.
  mutating func mayRepeat(
    _ id: ExchangeID, _ cause: RetryCause, _ endpointIndex: Int, isOverload: Bool = false
  ) -> Bool {
    let state = exchanges[id]
    let retry = RetryCase(
      cause, isIdempotent: state.pointee.isIdempotent, isKept: isKept(id),
      retriesLeft: Int(state.pointee.retriesLeft))
    guard let pool = state.pointee.pool else {
      context.metrics.resilience.count(
        worker: workerIndex, endpointIndex: endpointIndex, .noEndpoint)
      return false
    }
    if let refusal = refusal(id, retry, pool, isOverload: isOverload) {
      context.metrics.resilience.count(worker: workerIndex, endpointIndex: endpointIndex, refusal)
      return false
    }
    state.pointee.retriesLeft -= 1
    context.metrics.resilience.count(worker: workerIndex, endpointIndex: endpointIndex, cause)
    leases.countRetry(endpointIndex, isCharged: retry.isCharged)
    if retry.isCharged { plan.pools[pool].budget.withdraw() }
    return true
  }

  private mutating func refusal(
    _ id: ExchangeID, _ retry: RetryCase, _ pool: Int, isOverload: Bool
  ) -> RetryRefusal? {
    let state = exchanges[id]
    if let refusal = retry.refusal { return refusal }
    if !retry.mayReturn,
      !plan.pools[pool].picker.hasOther(
        load: leases.load, tried: state.pointee.tried, room: room(pool),
        avoidingFull: isOverload ? io.now : nil)
    {
      return .noEndpoint
    }
    if let max = plan.pools[pool].breakers.retriesMax,
      leases.sum(.retriesInFlight, plan.pools[pool].endpointIndexes) >= UInt64(max)
    {
      return .breaker
    }
    guard retry.isCharged else { return nil }
    observeBudget(pool)
    return plan.pools[pool].budget.covers ? nil : .budget
  }

  // MARK: Answers

  /// Answers an exchange without a successful attempt: with the kept answer of an endpoint if there
  /// is one, otherwise with steelyard's own. `endpointIndex` is that of the last attempt; nil: none
  /// was made.
  mutating func answerFailed(_ id: ExchangeID, _ reason: LocalReason, endpointIndex: Int? = nil) {
    let state = exchanges[id]
    let kept = state.pointee.kept
    guard kept.held.isEmpty else {
      let count = kept.held.end
      io.send(clientID(id).connection, kept.held.bytes)
      let (status, headCount) = (Int(kept.status), Int(kept.headCount))
      state.pointee.status = status
      noteSent(id, head: headCount, content: count - headCount)
      countExchange(id, endpointIndex: Int(kept.endpointIndex), CodeClass(status: status))
      logEnd(id, .success)
      endDownstream(id, closes: kept.closes || !state.pointee.request.isComplete)
      return
    }
    if let endpointIndex {
      countExchange(id, endpointIndex: endpointIndex, .serverError)
    } else if let refusal = RefusalCounts.Reason(reason), let pool = state.pointee.pool {
      plan.pools[pool].refusals.count(refusal, worker: workerIndex)
    }
    respond(id, reason)
  }

  /// Answers an exchange for which no endpoint was picked: none may be used, or none has room.
  mutating func answerUnpicked(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool, plan.pools[pool].picker.hasEligible,
      let first = plan.pools[pool].endpointIndexes.first
    else {
      answerFailed(id, .noEndpoint)
      return
    }
    // Endpoints may be used, but none has room.
    context.metrics.resilience.count(
      worker: workerIndex, endpointIndex: first, hasRoom(pool) ? .endpoints : .requests)
    answerFailed(id, .breakerOpen)
  }

  /// Keeps an answer that was received completely, in case no better answer comes.
  mutating func keepAnswer(
    _ id: ExchangeID, _ head: ResponseHead, _ fields: FieldTable, _ endpointIndex: Int
  ) {
    let state = exchanges[id]
    let isOld = state.pointee.version == .http10
    if isOld, head.framing == .chunked { return }
    let rest = UnsafeRawBufferPointer(rebasing: fields.bytes[head.end...])
    var content = ContentReader(head.framing)
    let relayed = content.relay(UnsafeMutableRawBufferPointer(mutating: rest))
    guard relayed.error == nil, content.isComplete else { return }
    release(&state.pointee.kept.held)
    guard let block = blocks.take() else { return }
    let closes =
      !state.pointee.isPersistent || stopsAt != nil || !state.pointee.request.isComplete
    var writer = ByteWriter(
      UnsafeMutableRawBufferPointer(start: block, count: Self.blockBytes))
    let forwarded = ForwardedResponse(
      head: head, fields: fields, isChunked: head.framing == .chunked,
      confirmsKeepAlive: isOld && state.pointee.isPersistent, closes: closes,
      added: responseFields(id), date: ownDate(head))
    forwarded.write(to: &writer)
    state.pointee.kept.headCount = Int32(writer.count)
    writer.append(UnsafeRawBufferPointer(rebasing: rest[0..<relayed.end]))
    guard !writer.hasOverflowed else {
      blocks.give(block)
      return
    }
    state.pointee.kept.held = HeldBytes(block: block, end: writer.count)
    state.pointee.kept.status = Int16(head.status)
    state.pointee.kept.endpointIndex = Int32(endpointIndex)
    state.pointee.kept.closes = closes
  }

  // MARK: Budgets and breakers

  /// Whether a half-open endpoint may fail this request without the client noticing: the request
  /// can be retried.
  mutating func isRepeatable(_ id: ExchangeID, _ pool: Int) -> Bool {
    let state = exchanges[id]
    guard plan.pools[pool].picker.hasHalfOpen, state.pointee.isIdempotent,
      state.pointee.retriesLeft > 0, state.pointee.request.isComplete, isKept(id)
    else { return false }
    observeBudget(pool)
    return plan.pools[pool].budget.covers
  }

  /// Begins the accounts of the pools' retry budgets at the present counters.
  mutating func beginBudgets() {
    for pool in plan.pools.indices {
      let endpointIndexes = plan.pools[pool].endpointIndexes
      let retries = leases.sum(.retries, endpointIndexes)
      plan.pools[pool].budget.begin(
        now: io.now, requests: leases.sum(.started, endpointIndexes) &- retries,
        retries: leases.sum(.chargedRetries, endpointIndexes))
    }
  }

  private mutating func observeBudget(_ pool: Int) {
    guard plan.pools[pool].budget.isDue(now: io.now) else { return }
    let started = leases.sum(.started, plan.pools[pool].endpointIndexes)
    let retries = leases.sum(.retries, plan.pools[pool].endpointIndexes)
    let charged = leases.sum(.chargedRetries, plan.pools[pool].endpointIndexes)
    plan.pools[pool].budget.observe(
      now: io.now, requests: started &- retries, retries: charged)
  }

  /// Whether the pool's breaker allows another exchange.
  mutating func hasRoom(_ pool: Int) -> Bool {
    guard let max = plan.pools[pool].breakers.requestsMax else { return true }
    // The exchanges of all pools are an upper bound that needs no sum.
    if leases.count + plan.pools[pool].othersInFlight < max { return true }
    return leases.inFlight(plan.pools[pool].endpointIndexes) < max
  }

  /// The limits of each endpoint of the pool and their present use.
  mutating func room(_ pool: Int) -> EndpointRoom {
    let breakers = plan.pools[pool].breakers
    var room = EndpointRoom()
    if let max = breakers.endpointRequestsMax { room.requestsMax = Int32(max) }
    guard breakers.limitsConnections else { return room }
    room.connections = UnsafePointer(connections.total)
    room.idle = idle.countsByEndpoint
    room.multiplexed = multiplexed.countsByEndpoint
    if let max = breakers.endpointConnectionsMax { room.connectionsMax = Int32(max) }
    if let max = breakers.connectionsMax,
      connections.sum(plan.pools[pool].endpointIndexes) >= max
    {
      room.connectionsMax = 0
    }
    return room
  }

  /// Whether an idle connection should be closed, because another worker has no room for a
  /// connection of its own.
  mutating func isNeededElsewhere(_ endpointIndex: Int, _ pool: Int) -> Bool {
    let breakers = plan.pools[pool].breakers
    guard breakers.limitsConnections, context.evidence.workerCount > 1 else { return false }
    if let max = breakers.endpointConnectionsMax, connections.total[endpointIndex] >= max {
      return true
    }
    guard let max = breakers.connectionsMax else { return false }
    return connections.sum(plan.pools[pool].endpointIndexes) >= max
  }
}
