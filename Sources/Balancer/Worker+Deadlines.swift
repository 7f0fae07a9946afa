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
  mutating func setClientDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?) {
    let end = slab.downstream[Int(id.index)].exchange?.pointee.endsAt ?? .distantFuture
    if end == .distantFuture {
      io.setDeadline(id, deadline)
    } else {
      io.setDeadline(id, min(deadline ?? end, end))
    }
  }

  /// Whose turn it is until the response begins: the endpoint's, to answer or to take what waits
  /// for it, or the client's, to send more.
  mutating func setUploadDeadlines(_ id: ConnectionID) {
    let state = slab.exchange(id)
    let upstream = state.pointee.upstream
    let other = slab.upstream + Int(upstream.index)
    guard other.pointee.phase == .head, !state.pointee.isUpstreamPaused else {
      state.pointee.pace.hold(now: io.now)
      return
    }
    if io.unsentByteCount(upstream) > 0 {
      other.pointee.untakenNoted = io.untakenByteCount(upstream)
      state.pointee.pace.hold(now: io.now)
      setClientDeadline(id, nil)
      io.setDeadline(upstream, io.now + state.pointee.timeouts.send)
    } else if state.pointee.request.isComplete {
      setClientDeadline(id, nil)
      io.setDeadline(upstream, io.now + state.pointee.timeouts.firstByte)
    } else {
      io.setDeadline(upstream, nil)
      let timeout = plan.listener(io.tag(id))?.bodyTimeout ?? state.pointee.timeouts.idle
      let late = state.pointee.pace.deadline(received: state.pointee.contentCount, now: io.now)
      setClientDeadline(id, min(io.now + timeout, late ?? .distantFuture))
    }
  }

  /// The client has bytes to take.
  mutating func setSendDeadline(_ id: ConnectionID) {
    let state = slab.downstream + Int(id.index)
    state.pointee.untakenNoted = io.untakenByteCount(id)
    let timeout =
      plan.listener(io.tag(id))?.sendTimeout ?? state.pointee.exchange?.pointee.timeouts.idle
      ?? .seconds(60)
    setClientDeadline(id, io.now + timeout)
  }

  /// At the deadline of a client with bytes to take: whether it took some and goes on.
  mutating func takesBytes(_ id: ConnectionID) -> Bool {
    let state = slab.downstream + Int(id.index)
    guard io.untakenByteCount(id) < state.pointee.untakenNoted else { return false }
    setSendDeadline(id)
    return true
  }

  /// The endpoint did not begin its answer, or did not take the request.
  mutating func answerTimedOut(_ id: ConnectionID, of client: ConnectionID) {
    if io.unsentByteCount(id) == 0 {
      attemptFailed(client, .firstByteTimeout, isUnsent: false)
    } else if io.untakenByteCount(id) < slab.upstream[Int(id.index)].untakenNoted {
      setUploadDeadlines(client)
    } else {
      attemptFailed(client, .sendTimeout, isUnsent: false)
    }
  }

  /// The process was stopped for so long, which is nobody's fault: no exchange is older for it.
  mutating func excusePause(_ pause: Nanoseconds) {
    down.postpone(by: pause)
    for index in 0..<io.capacity {
      guard let id = io.openID(at: Int32(index)), io.tag(id) != Self.upstreamTag,
        let exchange = slab.downstream[index].exchange
      else { continue }
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
  mutating func exchangeTimedOut(_ id: ConnectionID) {
    let state = slab.exchange(id)
    let upstream = state.pointee.upstream
    // An endpoint is not to be blamed for a client that is slow to send or to read.
    let isClients =
      state.pointee.isUpstreamPaused || upstream == .none
      || !state.pointee.request.isComplete && io.unsentByteCount(upstream) == 0
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
