// Whose turn it is, and how long it may take. The loop has one deadline a connection: the client's
// is the earlier of its own and of the exchange's end, the endpoint's is that of what it has to do
// next. A peer that takes bytes, however slowly, gets the same time again; to know that costs one
// system call for each time that a peer was slower than we are.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker {
  /// Sets the client's deadline; where the exchange has an end, that counts too.
  mutating func setClientDeadline(_ id: ClientID, _ deadline: Nanoseconds?) {
    let exchange = slab.downstream[id.index].exchange
    let end = exchange == .none ? .distantFuture : exchanges[exchange].pointee.endsAt
    if end == .distantFuture {
      io.setDeadline(id.connection, deadline)
    } else {
      io.setDeadline(id.connection, min(deadline ?? end, end))
    }
  }

  /// Whose turn it is until the response begins: the endpoint's, to answer or to take what waits
  /// for it, or the client's, to send more.
  mutating func setUploadDeadlines(_ id: ExchangeID) {
    let state = exchanges[id]
    let upstream = state.pointee.upstream.connection
    let other = slab.upstream + upstream.index
    guard other.pointee.phase == .head, !state.pointee.isUpstreamPaused else {
      state.pointee.pace.hold(now: io.now)
      return
    }
    if io.unsentByteCount(upstream.connection) > 0 {
      other.pointee.untakenNoted = io.untakenByteCount(upstream.connection)
      state.pointee.pace.hold(now: io.now)
      setClientDeadline(clientID(id), nil)
      io.setDeadline(upstream.connection, io.now + state.pointee.timeouts.send)
    } else if state.pointee.request.isComplete {
      setClientDeadline(clientID(id), nil)
      io.setDeadline(upstream.connection, io.now + state.pointee.timeouts.firstByte)
    } else {
      io.setDeadline(upstream.connection, nil)
      let timeout =
        plan.listener(io.tag(clientID(id).connection))?.bodyTimeout ?? state.pointee.timeouts.idle
      let late = state.pointee.pace.deadline(received: state.pointee.contentCount, now: io.now)
      setClientDeadline(clientID(id), min(io.now + timeout, late ?? .distantFuture))
    }
  }

  /// The client has bytes to take.
  mutating func setSendDeadline(_ id: ClientID) {
    let state = slab.downstream + id.index
    state.pointee.untakenNoted = io.untakenByteCount(id.connection)
    let exchange = state.pointee.exchange
    let timeout =
      plan.listener(io.tag(id.connection))?.sendTimeout
      ?? (exchange == .none ? .seconds(60) : exchanges[exchange].pointee.timeouts.idle)
    setClientDeadline(id, io.now + timeout)
  }

  /// At the deadline of a client with bytes to take: whether it took some and goes on.
  mutating func takesBytes(_ id: ClientID) -> Bool {
    let state = slab.downstream + id.index
    guard io.untakenByteCount(id.connection) < state.pointee.untakenNoted else { return false }
    setSendDeadline(id)
    return true
  }

  /// The endpoint did not begin its answer, or did not take the request.
  mutating func answerTimedOut(_ id: EndpointConnectionID, of exchangeID: ExchangeID) {
    if io.unsentByteCount(id.connection) == 0 {
      attemptFailed(exchangeID, .firstByteTimeout, isUnsent: false)
    } else if io.untakenByteCount(id.connection) < slab.upstream[id.index].untakenNoted {
      setUploadDeadlines(exchangeID)
    } else {
      attemptFailed(exchangeID, .sendTimeout, isUnsent: false)
    }
  }

  /// The process was stopped for so long, which is nobody's fault: no exchange is older for it.
  mutating func excusePause(_ pause: Nanoseconds) {
    down.postpone(by: pause)
    for index in 0..<io.capacity {
      guard let id = exchange(at: index) else { continue }
      let exchange = exchanges[id]
      if exchange.pointee.endsAt != .distantFuture {
        exchange.pointee.endsAt = exchange.pointee.endsAt + pause
      }
      exchange.pointee.pace.postpone(by: pause)
      guard var lease = exchange.pointee.lease.take() else { continue }
      leases.postpone(&lease, by: pause)
      exchange.pointee.lease = consume lease
    }
  }

  /// The exchange has taken all the time that it may.
  mutating func exchangeTimedOut(_ id: ExchangeID) {
    let state = exchanges[id]
    let upstream = state.pointee.upstream.connection
    // An endpoint is not to be blamed for a client that is slow to send or to read.
    let isClients =
      state.pointee.isUpstreamPaused || upstream == .none
      || !state.pointee.request.isComplete && io.unsentByteCount(upstream.connection) == 0
    if state.pointee.hasResponse {
      abortExchange(id, isClients ? .abandoned : .failed(.timeout), code: .truncated)
    } else if isClients {
      releaseAttempt(id, .abandoned)
      respond(id, .exchangeTimeout)
    } else {
      attemptFailed(id, .exchangeTimeout, isUnsent: false)
    }
  }
}
