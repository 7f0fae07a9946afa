// Whose turn it is, and how long it may take. A connection has one deadline, that of what its peer
// has to do next; an exchange has two timers, for its whole time and for a wait. A peer that takes
// bytes, however slowly, gets the same time again; to know that costs one system call for each time
// that a peer was slower than we are.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Sets or moves a timer of the exchange.
  mutating func setTimer(_ id: ExchangeID, _ timer: ExchangeTimers, _ deadline: Nanoseconds) {
    exchanges[id].pointee.timers.insert(timer)
    io.setTimer(timer.loopIndex(id.index), deadline)
  }

  mutating func cancelTimer(_ id: ExchangeID, _ timer: ExchangeTimers) {
    guard exchanges[id].pointee.timers.contains(timer) else { return }
    exchanges[id].pointee.timers.remove(timer)
    io.setTimer(timer.loopIndex(id.index), nil)
  }

  /// Until then the exchange waits, and its client has nothing to do.
  mutating func setWaitTimer(_ id: ExchangeID, _ deadline: Nanoseconds) {
    io.setDeadline(clientID(id).connection, nil)
    setTimer(id, .wait, deadline)
  }

  /// A timer of an exchange has expired.
  mutating func exchangeTimer(_ loopIndex: Int) {
    let (index, timer) = ExchangeTimers.at(loopIndex)
    let id = exchanges.id(at: index)
    exchanges[id].pointee.timers.remove(timer)
    handle(timer == .wait ? .waitEnded : .timeEnded(isClientLate: isClientLate(id)), of: id)
  }

  /// Whether the client has not sent its request, and the endpoint has all that there is of it.
  private mutating func isClientLate(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.upstream != .none && !state.pointee.request.isComplete
      && unsentByteCount(state.pointee.upstream) == 0
  }

  /// Whose turn it is until the response begins: the endpoint's, to answer or to take what waits
  /// for it, or the client's, to send more.
  mutating func setUploadDeadlines(_ id: ExchangeID) {
    let state = exchanges[id]
    let upstream = state.pointee.upstream.connection
    let other = slab.upstream + upstream.index
    guard other.pointee.phase == .head, !state.pointee.machine.isReaderBehind else {
      state.pointee.pace.hold(now: io.now)
      return
    }
    if io.unsentByteCount(upstream.connection) > 0 {
      other.pointee.untakenNoted = io.untakenByteCount(upstream.connection)
      state.pointee.pace.hold(now: io.now)
      io.setDeadline(clientID(id).connection, nil)
      io.setDeadline(upstream.connection, io.now + state.pointee.timeouts.send)
    } else if state.pointee.request.isComplete {
      io.setDeadline(clientID(id).connection, nil)
      io.setDeadline(upstream.connection, io.now + state.pointee.timeouts.firstByte)
    } else {
      io.setDeadline(upstream.connection, nil)
      let timeout =
        plan.listener(io.tag(clientID(id).connection))?.bodyTimeout ?? state.pointee.timeouts.idle
      let late = state.pointee.pace.deadline(received: state.pointee.contentCount, now: io.now)
      io.setDeadline(
        clientID(id).connection, min(io.now + timeout, late ?? .distantFuture))
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
    io.setDeadline(id.connection, io.now + timeout)
  }

  /// At the deadline of a client with bytes to take: whether it took some and goes on.
  mutating func takesBytes(_ id: ClientID) -> Bool {
    let state = slab.downstream + id.index
    guard io.untakenByteCount(id.connection) < state.pointee.untakenNoted else { return false }
    setSendDeadline(id)
    return true
  }

  /// The endpoint did not begin its answer, or did not take the request.
  mutating func answerTimedOut(_ id: ExchangeID) {
    let upstream = exchanges[id].pointee.upstream.connection
    if io.unsentByteCount(upstream.connection) == 0 {
      attemptFailed(id, .firstByteTimeout, isUnsent: false)
    } else if io.untakenByteCount(upstream.connection) < slab.upstream[upstream.index].untakenNoted
    {
      setUploadDeadlines(id)
    } else {
      attemptFailed(id, .sendTimeout, isUnsent: false)
    }
  }

  /// The process was stopped for so long, which is nobody's fault: no exchange is older for it.
  mutating func excusePause(_ pause: Nanoseconds) {
    down.postpone(by: pause)
    for index in 0..<io.capacity {
      guard let id = exchange(at: index) else { continue }
      let exchange = exchanges[id]
      exchange.pointee.pace.postpone(by: pause)
      guard var lease = exchange.pointee.lease.take() else { continue }
      leases.postpone(&lease, by: pause)
      exchange.pointee.lease = consume lease
    }
  }
}
