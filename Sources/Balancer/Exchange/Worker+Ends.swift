// The ends of attempts and exchanges: notes outcomes, answers instead of the endpoint, and keeps or
// closes the client connection. Invariant: an exchange that ends holds no lease and no endpoint
// connection.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Ends an attempt that gets no response, or not the rest of it: closes the endpoint connection,
  /// ends the lease, and notes the outcome.
  mutating func releaseAttempt(_ id: ExchangeID, _ outcome: AttemptOutcome) {
    let state = exchanges[id]
    if state.pointee.upstream != .none {
      closeUpstream(state.pointee.upstream.connection)
      state.pointee.upstream = .none
    }
    _ = state.pointee.machine.take(.attemptEnded)
    endLease(id, outcome)
  }

  /// The index of the attempt's endpoint. Requires: an attempt runs.
  mutating func leasedEndpoint(_ id: ExchangeID) -> Int {
    guard let endpointIndex = exchanges[id].pointee.lease?.endpointIndex else {
      preconditionFailure("no attempt runs")
    }
    return endpointIndex
  }

  private mutating func endLease(_ id: ExchangeID, _ outcome: AttemptOutcome) {
    leaveSlot(id)
    let state = exchanges[id]
    guard let lease = state.pointee.lease.take() else { return }
    if state.pointee.isRepeat { leases.countRepeat(lease.endpointIndex, isBeginning: false) }
    guard let endpoint = plan.endpoints[lease.endpointIndex] else {
      leases.end(lease, outcome, now: io.now)
      return
    }
    leases.end(
      lease, outcome, &plan.pools[endpoint.pool].picker, endpoint.position, now: io.now)
  }

  /// The outcome of the attempt, judged by the status of its answer.
  mutating func outcome(_ id: ExchangeID, status: Int) -> AttemptOutcome {
    if status < 400 { return .completed }
    let state = exchanges[id]
    guard let endpointIndex = state.pointee.lease?.endpointIndex,
      let endpoint = plan.endpoints[endpointIndex]
    else {
      return .abandoned
    }
    return AttemptOutcome(
      status: status, failures: plan.pools[endpoint.pool].failures,
      retryAfter: .seconds(Double(state.pointee.retryAfterSeconds)))
  }

  /// Notes the `Retry-After` of an answer that refuses the request.
  mutating func noteRetryAfter(
    _ id: ExchangeID, _ head: ResponseHead, _ fields: FieldTable
  ) {
    guard head.status == 429 || head.status == 503 else { return }
    exchanges[id].pointee.retryAfterSeconds =
      UInt16(fields.retryAfterSeconds)
  }

  /// The outcome of an attempt whose client left: `.givenUp` if no answer had begun after three
  /// mean response times of the endpoint, otherwise `.abandoned`.
  mutating func outcomeOfLeaving(_ id: ExchangeID) -> AttemptOutcome {
    let state = exchanges[id]
    guard !state.pointee.machine.hasAnswer, !state.pointee.machine.isReaderBehind,
      state.pointee.request.isComplete,
      let endpointIndex = state.pointee.lease?.endpointIndex,
      let startedAt = state.pointee.lease?.startedAt
    else { return .abandoned }
    let usual = context.pickBoard.fleetResponse(endpointIndex)
    return usual > 0 && (io.now - startedAt).seconds > 3 * usual ? .givenUp : .abandoned
  }

  /// Completes an exchange of which every byte was passed on.
  mutating func exchangeCompleted(_ id: ExchangeID, upstreamIsClean: Bool) {
    let state = exchanges[id]
    noteContent(id)
    let upstream = state.pointee.upstream.connection
    let endpointIndex = leasedEndpoint(id)
    let isRequestDone = state.pointee.request.isComplete
    let call = finalCallStatus(id, upstream)
    state.pointee.upstream = .none
    if upstreamIsClean, isRequestDone, !io.isStream(upstream.connection),
      slab.upstream[upstream.index].isPersistent,
      io.unsentByteCount(upstream.connection) == 0
    {
      keepUpstream(upstream)
    } else {
      closeUpstream(upstream)
    }
    if let call {
      context.metrics.streams.countGRPC(worker: workerIndex, endpointIndex: endpointIndex, call)
      endLease(id, AttemptOutcome(call))
    } else {
      endLease(id, outcome(id, status: state.pointee.status))
    }
    countExchange(
      id, endpointIndex: endpointIndex,
      CodeClass(status: call?.httpStatus ?? state.pointee.status))
    logEnd(id, .success)
    // The client's listener may have been removed meanwhile.
    let closes =
      state.pointee.closesAfter || !isRequestDone || !state.pointee.isPersistent
    endDownstream(id, closes: closes)
  }

  /// Counts the exchange, which is over, for its endpoint.
  mutating func countExchange(_ id: ExchangeID, endpointIndex: Int, _ code: CodeClass) {
    let state = exchanges[id]
    let duration = io.now - state.pointee.startedAt
    traffic.countExchange(
      endpointIndex: endpointIndex, code: code, method: state.pointee.method, duration: duration)
    if code == .clientError, state.pointee.status == 429 {
      traffic.countTooMany(endpointIndex: endpointIndex)
    }
    let (high, low) = (state.pointee.traceHigh, state.pointee.traceLow)
    guard high | low != 0 else { return }
    timings.keepExemplar(
      endpointIndex: endpointIndex, duration: duration, traceHigh: high, traceLow: low, now: io.now)
  }

  /// Counts a client that left before its answer was complete.
  private mutating func countDeparture(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool else { return }
    let traffic = plan.pools[pool].traffic
    // The content of a request is not read while it waits in the queue.
    let departure = PoolTraffic.Departure(
      hasContent: state.pointee.hasContent,
      canBlame: state.pointee.request.isComplete || state.pointee.machine.phase == .queued,
      waited: io.now - state.pointee.startedAt, patience: traffic.patience)
    traffic.count(departure, worker: workerIndex)
  }

  /// Cuts the exchange. Nothing else tells the client that its response is incomplete.
  mutating func abortExchange(_ id: ExchangeID, _ outcome: AttemptOutcome, code: CodeClass) {
    let state = exchanges[id]
    if code == .canceled { countDeparture(id) }
    if let endpointIndex = state.pointee.lease?.endpointIndex {
      countExchange(id, endpointIndex: endpointIndex, code)
    }
    releaseAttempt(id, outcome)
    logEnd(id, code)
    // A plain close would look like the regular end of a response without a length.
    if code == .truncated { reset(clientStream(id)) }
    closeDownstream(clientID(id))
  }

  /// Answers a client without a running exchange, whose head is missing or incomplete.
  mutating func respond(_ client: ClientID, _ reason: LocalReason) {
    respond(openExchange(client), reason)
  }

  /// Answers instead of the endpoint; `retryAfter` is in seconds.
  mutating func respond(_ id: ExchangeID, _ reason: LocalReason, retryAfter: Int = 1) {
    let state = exchanges[id]
    let client = state.pointee.client.connection
    context.metrics.countLocal(worker: workerIndex, reason)
    dropReplay(id)
    let closes = closesAfterAnswer(id)
    var writer = ByteWriter(scratch)
    let added =
      slab.downstream[client.index].phase == .exchange ? responseFields(id) : ResponseFields()
    if state.pointee.isGRPC {
      reason.writeCall(to: &writer, date: date.current(turn: turn), added: added)
    } else {
      reason.write(
        to: &writer, date: date.current(turn: turn), isHead: state.pointee.method == .head,
        closes: closes, retryAfter: retryAfter, added: added)
    }
    io.send(client.connection, writer.written)
    logAnswer(id, state.pointee.isGRPC ? 200 : reason.status, reason.staticLabel, writer.written)
    endDownstream(id, closes: closes)
  }

  /// Releases everything that the exchange holds and ends it. `id` is invalid afterwards.
  mutating func closeExchange(_ id: ExchangeID) {
    let exchange = exchanges[id]
    dropReplay(id)
    leaveAdmission(id)
    giveAllowance(id)
    switch exchange.pointee.machine.end() {
    case .awaitingContent: awaitedCount -= 1
    case .pausing: pausingCount -= 1
    default: break
    }
    if !exchange.pointee.timers.isEmpty {
      cancelTimer(id, .end)
      cancelTimer(id, .wait)
    }
    assert(exchange.pointee.lease == nil && exchange.pointee.upstream == .none)
    slab.downstream[exchange.pointee.client.connection.index].exchange = .none
    exchanges.end(id)
  }

  /// Ends the exchange after an answer, and continues the client connection or lets it end.
  mutating func endDownstream(_ id: ExchangeID, closes: Bool) {
    let client = clientID(id)
    let state = slab.downstream + client.index
    let isRequestDone = exchanges[id].pointee.request.isComplete
    closeExchange(id)
    guard closes || stopsAt != nil && !sparesIdle || io.isStream(client.connection) else {
      awaitNextRequest(client)
      return
    }
    // Closing with unread bytes would reset the connection, and the answer might be lost.
    let mayHaveUnread =
      !isRequestDone || !state.pointee.input.isEmpty
      || state.pointee.phase == .head
    release(&state.pointee.input)
    io.setReadLimit(client.connection, IOLoop.readMax)
    if mayHaveUnread {
      state.pointee.phase = .lingering
      noteUnfinished(client)
      io.setPaused(client.connection, false)
      io.finish(client.connection)
      state.pointee.lingering = 0
      io.setDeadline(client.connection, io.now + Self.lingerTime)
      if io.unsentByteCount(client.connection) > 0 { setSendDeadline(client) }
    } else if io.unsentByteCount(client.connection) == 0 {
      closeDownstream(client)
    } else {
      state.pointee.phase = .closing
      setSendDeadline(client)
    }
  }
}
