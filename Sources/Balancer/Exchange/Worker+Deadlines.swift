// Deadlines of connections and timers of exchanges. A connection has one deadline, for what its
// peer has to do next; an exchange has two timers, for its whole time and for a wait. Invariant: a
// peer that takes bytes, however slowly, gets the same time again. To check that costs one system
// call each time that a peer was slower than steelyard.
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

  /// Sets the timer of a wait. The client has no deadline until the wait ends.
  mutating func setWaitTimer(_ id: ExchangeID, _ deadline: Nanoseconds) {
    io.setDeadline(clientID(id).connection, nil)
    setTimer(id, .wait, deadline)
  }

  /// Handles a timer of an exchange that has expired.
  mutating func exchangeTimer(_ loopIndex: Int) {
    let (index, timer) = ExchangeTimers.at(loopIndex)
    let id = exchanges.id(at: index)
    exchanges[id].pointee.timers.remove(timer)
    // A time that the client has given is no fault of the endpoint.
    let isOfClient = io.now >= exchanges[id].pointee.callEndsAt
    handle(
      timer == .wait ? .waitEnded : .timeEnded(isClientLate: isOfClient || isClientLate(id)),
      of: id)
  }

  /// Whether the request is incomplete and the endpoint has every byte received so far.
  private mutating func isClientLate(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.upstream != .none && !state.pointee.request.isComplete
      && unsentByteCount(state.pointee.upstream) == 0
  }

  /// Sets the deadlines until the response begins. Either the endpoint has to answer or to take the
  /// bytes that wait for it, or the client has to send more.
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

  /// Sets the deadline of a client that has bytes to take.
  mutating func setSendDeadline(_ id: ClientID) {
    let state = slab.downstream + id.index
    state.pointee.untakenNoted = io.untakenByteCount(id.connection)
    let exchange = state.pointee.exchange
    let timeout =
      plan.listener(io.tag(id.connection))?.sendTimeout
      ?? (exchange == .none ? .seconds(60) : exchanges[exchange].pointee.timeouts.idle)
    io.setDeadline(id.connection, io.now + timeout)
  }

  /// Called at the deadline of a client that has bytes to take. Returns whether it took some, and
  /// then sets the next deadline.
  mutating func takesBytes(_ id: ClientID) -> Bool {
    let state = slab.downstream + id.index
    guard io.untakenByteCount(id.connection) < state.pointee.untakenNoted else { return false }
    setSendDeadline(id)
    return true
  }

  /// Handles an endpoint that did not begin its answer in time, or did not take the request.
  mutating func answerTimedOut(_ id: ExchangeID) {
    let upstream = exchanges[id].pointee.upstream.connection
    io.ask(upstream.connection, silentSince: exchanges[id].pointee.sentAt)
    if io.unsentByteCount(upstream.connection) == 0 {
      attemptFailed(id, .firstByteTimeout, isUnsent: false)
    } else if io.untakenByteCount(upstream.connection) < slab.upstream[upstream.index].untakenNoted
    {
      setUploadDeadlines(id)
    } else {
      attemptFailed(id, .sendTimeout, isUnsent: false)
    }
  }

  /// Moves all times of running exchanges by `pause`, during which the process was stopped, so that
  /// no exchange seems older.
  mutating func postponeExchanges(_ pause: Nanoseconds) {
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
