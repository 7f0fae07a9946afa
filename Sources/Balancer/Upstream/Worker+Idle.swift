// Endpoint connections that are kept for further exchanges: which are, which of them is taken, and
// what becomes of a request whose kept connection the endpoint had closed already.
// Invariant: on a kept connection everything was received; one with anything to read is closed
// (RFC 9112 §6.3: what follows an answer must not become another request's).
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// A request that found its kept connection closed is told so within a round trip. What ends
  /// later had the request, and is a failure of the endpoint's.
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
    // A second less than the endpoint says: a request must not meet the close on its way.
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
    if io.hasInput(id.connection) {
      idle.noteEarlyEnd(endpointIndex, now: io.now)
      closeUpstream(id)
      return
    }
    release(&state.pointee.input)
    state.pointee.phase = .idle
    state.pointee.exchange = .none
    state.pointee.idleSince = io.now
    state.pointee.idleUntil = io.now + longest
    io.setPaused(id.connection, false)
    io.setDeadline(id.connection, io.now + longest)
    idle.insert(id, in: slab)
  }

  /// A kept connection, for the exchange; nil where there is none that is worth a try.
  mutating func takeIdle(_ endpointIndex: Int, for exchangeID: ExchangeID) -> EndpointConnectionID?
  {
    guard let newest = idle.newest(endpointIndex) else { return nil }
    // A request that could not be made again does not go where connections end unannounced.
    if idle.endsEarly(endpointIndex, now: io.now), !mayBeSentAgain(exchangeID) { return nil }
    var next = newest
    while true {
      let state = slab.upstream + next.index
      if io.now < state.pointee.idleUntil, !io.hasInput(next.connection) {
        idle.remove(next, in: slab)
        state.pointee.isReused = true
        state.pointee.phase = .head
        return next
      }
      endIdle(next)
      guard let other = idle.newest(endpointIndex) else { return nil }
      next = other
    }
  }

  /// Whether the whole request is kept and has the same effect twice as once.
  private mutating func mayBeSentAgain(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.isIdempotent && state.pointee.request.isComplete && isKept(id)
  }

  /// Something came on a kept connection, its end or bytes that nobody asked for, or it was kept
  /// long enough.
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
    connections.closed(state.pointee.endpointIndex)
    io.close(id.connection)
  }

  // MARK: Closed before the request came

  /// Whether the connection ended because it was closed while it was kept, as far as can be told.
  func isStale(_ id: EndpointConnectionID) -> Bool {
    let state = slab.upstream[id.index]
    return state.isReused
      && io.now - exchanges[state.exchange].pointee.sentAt <= Self.staleMax
  }

  /// The endpoint closed a kept connection before a byte of the answer came, which is no failure of
  /// its: the request is sent once more, on a new connection to the same endpoint, where that is
  /// safe (RFC 9112 §9.3.1). It is where it may be repeated, and where no byte of it was taken:
  /// with its end the endpoint's kernel acknowledges all that it has received until then.
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

  /// Whether no byte of the request was acknowledged when the endpoint ended the connection.
  /// `isEnded`: by an end; a reset acknowledges nothing. Costs a system call.
  func isUntaken(_ id: EndpointConnectionID, isEnded: Bool) -> Bool {
    let sentCount = slab.upstream[id.index].sentCount
    return sentCount == 0 || isEnded && io.untakenByteCount(id.connection) >= sentCount
  }

  /// Sends on a kept connection. False where there is none, or none that takes the first byte.
  mutating func sendOnKept(_ exchangeID: ExchangeID, _ endpointIndex: Int) -> Bool {
    while let upstream = takeIdle(endpointIndex, for: exchangeID) {
      if send(exchangeID, to: upstream, endpointIndex: endpointIndex) { return true }
      // Nothing went out: as good as never tried.
      exchanges[exchangeID].pointee.upstream = .none
      idle.noteEnd(slab.upstream[upstream.index], now: io.now)
      closeUpstream(upstream)
    }
    return false
  }
}
