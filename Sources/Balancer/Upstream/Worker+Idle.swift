// Endpoint connections that are kept for further exchanges: which connections are kept, which one a
// request takes, and how a request continues if the endpoint had already closed its kept
// connection. Invariant: every byte of a kept connection was received; a connection with anything
// to read is closed (RFC 9112 §6.3: bytes after an answer must not become the answer of another
// request).
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// The time within which a request learns that its kept connection was closed: a round trip. A
  /// connection that ends later had the request, and its end is a failure of the endpoint.
  private static var staleMax: Nanoseconds { .seconds(1) }

  /// Keeps a connection that has finished its exchange, or closes it.
  mutating func keepUpstream(_ id: EndpointConnectionID) {
    let state = slab.upstream + id.index
    let endpointIndex = state.pointee.endpointIndex
    guard stopsAt == nil, !state.pointee.isPrivate, let endpoint = plan.endpoints[endpointIndex]
    else {
      closeUpstream(id)
      return
    }
    let policy = plan.pools[endpoint.pool].keepAlive
    // One second less than the endpoint announces, so that no request meets the close on its way.
    let longest =
      state.pointee.keepAliveSeconds < 0
      ? policy.idle : min(policy.idle, .seconds(Int(state.pointee.keepAliveSeconds) - 1))
    guard longest > .zero, idle.count(endpointIndex) < policy.connectionsMax,
      state.pointee.exchangeCount < policy.requestsMax ?? .max,
      !isNeededElsewhere(endpointIndex, endpoint.pool)
    else {
      closeUpstream(id)
      return
    }
    // No stream is kept: the loop below is asked itself.
    if io.base.hasInput(id.connection) {
      idle.noteEarlyEnd(endpointIndex, now: io.now)
      closeUpstream(id)
      return
    }
    release(&state.pointee.input)
    state.pointee.phase = .idle
    state.pointee.exchange = .none
    state.pointee.idleSince = io.now
    state.pointee.idleUntil = io.now + longest
    io.base.setPaused(id.connection, false)
    io.base.setDeadline(id.connection, io.now + longest)
    idle.insert(id, in: slab)
  }

  /// Takes a kept connection for the exchange; nil: there is none that is worth a try.
  mutating func takeIdle(_ endpointIndex: Int, for exchangeID: ExchangeID) -> EndpointConnectionID?
  {
    guard let newest = idle.newest(endpointIndex) else { return nil }
    // A request that cannot be sent again does not go to an endpoint that closes connections
    // unannounced.
    if idle.endsEarly(endpointIndex, now: io.now), !mayBeSentAgain(exchangeID) { return nil }
    var next = newest
    while true {
      let state = slab.upstream + next.index
      let isWanted = isSecuredAsNow(next, endpointIndex)
      if isWanted, io.now < state.pointee.idleUntil, !io.base.hasInput(next.connection) {
        idle.remove(next, in: slab)
        state.pointee.isReused = true
        state.pointee.phase = .head
        return next
      }
      if isWanted { endIdle(next) } else { closeIdle(next) }
      guard let other = idle.newest(endpointIndex) else { return nil }
      next = other
    }
  }

  /// Whether the whole request is kept and is idempotent.
  private mutating func mayBeSentAgain(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.isIdempotent && state.pointee.request.isComplete && isKept(id)
  }

  /// Ends a kept connection on which something was received (its end or unrequested bytes), or
  /// which was kept long enough.
  mutating func endIdle(_ id: EndpointConnectionID) {
    let state = slab.upstream[id.index]
    if io.now < state.idleUntil { idle.noteEnd(state, now: io.now) }
    closeIdle(id)
  }

  mutating func closeIdle(_ id: EndpointConnectionID) {
    idle.remove(id, in: slab)
    closeUpstream(id)
  }

  mutating func closeUpstream(_ id: EndpointConnectionID) {
    let state = slab.upstream + id.index
    release(&state.pointee.input)
    if !io.isStream(id.connection) { connections.closed(state.pointee.endpointIndex) }
    io.close(id.connection)
  }

  // MARK: Closed before the request came

  /// Whether the connection probably ended because the endpoint closed it while it was kept.
  func isStale(_ id: EndpointConnectionID) -> Bool {
    let state = slab.upstream[id.index]
    return state.isReused
      && io.now - exchanges[state.exchange].pointee.sentAt <= Self.staleMax
  }

  /// Handles a kept connection that the endpoint closed before the first byte of the answer, which
  /// is no failure of the endpoint. The request is sent again on a new connection to the same
  /// endpoint, if that is safe (RFC 9112 §9.3.1). It is safe if the request may be repeated, or if
  /// no byte of it was taken: with the connection's end the endpoint's kernel acknowledges every
  /// byte that it has received.
  mutating func staleEnded(_ exchangeID: ExchangeID, isEOF: Bool) {
    let exchange = exchanges[exchangeID]
    let id = exchange.pointee.upstream.connection
    let state = slab.upstream[id.index]
    idle.noteEnd(state, now: io.now)
    let isUntaken = isUntaken(id, isEnded: isEOF)
    guard isKept(exchangeID), isUntaken || exchange.pointee.isIdempotent else {
      attemptFailed(exchangeID, .connectFailed, isUnsent: false, isStale: true)
      return
    }
    if !isUntaken { renewRequestID(exchangeID) }
    exchange.pointee.failure = nil
    exchange.pointee.upstream = .none
    _ = exchange.pointee.machine.take(.asked)
    closeUpstream(id)
    context.metrics.resilience.count(
      worker: workerIndex, endpointIndex: state.endpointIndex, RetryCause.stale)
    connectAndSend(exchangeID, state.endpointIndex)
  }

  /// Whether no byte of the request was acknowledged when the connection ended. `isEnded`: it was
  /// closed; a reset acknowledges nothing. Makes a system call.
  func isUntaken(_ id: EndpointConnectionID, isEnded: Bool) -> Bool {
    let sentCount = slab.upstream[id.index].sentCount
    return sentCount == 0 || isEnded && io.untakenByteCount(id.connection) >= sentCount
  }

  /// Sends the request on a kept connection. Returns false if there is none, or none that takes the
  /// first byte.
  mutating func sendOnKept(_ exchangeID: ExchangeID, _ endpointIndex: Int) -> Bool {
    while let upstream = takeIdle(endpointIndex, for: exchangeID) {
      if send(exchangeID, to: upstream, endpointIndex: endpointIndex) { return true }
      // No byte was sent, so this does not count as an attempt.
      exchanges[exchangeID].pointee.upstream = .none
      idle.noteEnd(slab.upstream[upstream.index], now: io.now)
      closeUpstream(upstream)
    }
    return false
  }
}
