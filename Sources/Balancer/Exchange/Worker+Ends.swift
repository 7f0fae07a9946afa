// How an attempt and an exchange end: outcomes noted, answers in the endpoint's place, the
// downstream connection kept or closed.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// The attempt at an endpoint is over without (the rest of) a response: its connection is closed,
  /// the lease ended, the outcome noted.
  mutating func releaseAttempt(_ id: ExchangeID, _ outcome: AttemptOutcome) {
    let state = exchanges[id]
    if state.pointee.upstream != .none {
      closeUpstream(state.pointee.upstream.connection)
      state.pointee.upstream = .none
    }
    _ = state.pointee.machine.take(.attemptEnded)
    endLease(id, outcome)
  }

  /// The index of the endpoint that is asked. Requires: an attempt runs.
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

  /// What an answer's status says of the endpoint that gave it.
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

  /// Keeps how long a refused request is to wait.
  mutating func noteRetryAfter(
    _ id: ExchangeID, _ head: ResponseHead, _ fields: FieldTable
  ) {
    guard head.status == 429 || head.status == 503 else { return }
    exchanges[id].pointee.retryAfterSeconds =
      UInt16(fields.retryAfterSeconds)
  }

  /// What a client that goes away says of the endpoint: something where no answer had begun for
  /// three mean response times.
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

  /// Everything was passed on.
  mutating func exchangeCompleted(_ id: ExchangeID, upstreamIsClean: Bool) {
    let state = exchanges[id]
    noteContent(id)
    let upstream = state.pointee.upstream.connection
    let endpointIndex = leasedEndpoint(id)
    let isRequestDone = state.pointee.request.isComplete
    state.pointee.upstream = .none
    if upstreamIsClean, isRequestDone, slab.upstream[upstream.index].isPersistent,
      io.unsentByteCount(upstream.connection) == 0
    {
      keepUpstream(upstream)
    } else {
      closeUpstream(upstream)
    }
    endLease(id, outcome(id, status: state.pointee.status))
    countExchange(id, endpointIndex: endpointIndex, CodeClass(status: state.pointee.status))
    logEnd(id, .success)
    // Its listener may have gone meanwhile.
    let closes =
      state.pointee.closesAfter || !isRequestDone || !state.pointee.isPersistent
    endDownstream(id, closes: closes)
  }

  /// The exchange is over, and the endpoint's.
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

  /// The client left before its answer was whole.
  private mutating func countDeparture(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool else { return }
    let traffic = plan.pools[pool].traffic
    // While it waits in the queue its content is not read.
    let departure = PoolTraffic.Departure(
      hasContent: state.pointee.hasContent,
      canBlame: state.pointee.request.isComplete || state.pointee.machine.phase == .queued,
      waited: io.now - state.pointee.startedAt, patience: traffic.patience)
    traffic.count(departure, worker: workerIndex)
  }

  /// Cuts the exchange: the client cannot be told otherwise that its response is not whole.
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

  /// Answers a client of which no exchange runs: its head did not come, or not whole.
  mutating func respond(_ client: ClientID, _ reason: LocalReason) {
    respond(openExchange(client), reason)
  }

  /// Answers in the endpoint's place.
  mutating func respond(_ id: ExchangeID, _ reason: LocalReason, retryAfter: Int = 1) {
    let state = exchanges[id]
    let client = state.pointee.client.connection
    context.metrics.countLocal(worker: workerIndex, reason)
    dropReplay(id)
    let closes = closesAfterAnswer(id)
    var writer = ByteWriter(scratch)
    reason.write(
      to: &writer, date: date.current(turn: turn), isHead: state.pointee.method == .head,
      closes: closes,
      retryAfter: retryAfter,
      added: slab.downstream[client.index].phase == .exchange
        ? responseFields(id) : ResponseFields())
    io.send(client.connection, writer.written)
    logAnswer(id, reason.status, reason.staticLabel, writer.written)
    endDownstream(id, closes: closes)
  }

  /// Gives back what the exchange holds, and ends it: `id` is not valid afterwards.
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

  /// Goes on with the connection after an answer, or lets it end. No exchange runs afterwards.
  mutating func endDownstream(_ id: ExchangeID, closes: Bool) {
    let client = clientID(id)
    let state = slab.downstream + client.index
    let isRequestDone = exchanges[id].pointee.request.isComplete
    closeExchange(id)
    guard closes || stopsAt != nil else {
      awaitNextRequest(client)
      return
    }
    // To close with bytes unread would reset the connection and take the answer back.
    let mayHaveUnread =
      !isRequestDone || !state.pointee.input.isEmpty
      || state.pointee.phase == .head
    release(&state.pointee.input)
    io.setReadLimit(client.connection, IOLoop.readMax)
    if mayHaveUnread {
      state.pointee.phase = .lingering
      reusable.append(client.index, .unfinished)
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
