// Buffers request content up to a small size before an endpoint is picked, so that a client that
// sends slowly holds nothing of a pool until its content is complete. Content without a length may
// be one half of a conversation, so it is buffered for a moment only, and so is the content of a
// client that waits for "100 Continue". Such exchanges are limited to a share of the pool; beyond
// it they wait like others. Invariant: an exchange that waits for content has no endpoint, no lease
// and no position in a queue.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

/// The state of an exchange's request content before an endpoint gets it.
struct UploadState {
  private var allowanceIndex: Int32 = -1
  /// The content size at which an endpoint is picked, bytes.
  var waitsFor: Int32 = 0
  /// The content has no length. After a moment it may go on with a permit of the allowance.
  var mayGoEarly = false

  /// The index of the allowance of which the exchange holds a permit; −1: none.
  var allowance: Int {
    get { Int(allowanceIndex) }
    set { allowanceIndex = Int32(truncatingIfNeeded: newValue) }
  }
}

extension Worker where Loop: ~Copyable {
  /// The time for which content without a length is buffered before it is passed on as it comes,
  /// and the interval between two attempts to take the allowance.
  static var earlyTime: Nanoseconds { .milliseconds(250) }

  /// Admits the exchange or waits for its content. Requires: the content received so far is in the
  /// replay block.
  mutating func awaitContent(_ id: ExchangeID, expectsContinue: Bool, waitsFor: Int) {
    let state = exchanges[id]
    state.pointee.upload.waitsFor = Int32(truncatingIfNeeded: waitsFor)
    if hasEnoughContent(id) {
      admit(id)
      return
    }
    if expectsContinue, state.pointee.contentCount == 0 {
      if takeAllowance(id) {
        admit(id)
        return
      }
      // No endpoint can answer the expectation now, and the client may wait for this response.
      sendContinue(id)
    }
    _ = state.pointee.machine.take(.contentAwaited)
    awaitedCount += 1
    state.pointee.upload.mayGoEarly = state.pointee.request.remainingCount == nil
    noteUnfinished(clientID(id))
    state.pointee.arrivedAt = io.now
    setAwaitDeadline(id)
    setAwaitReadLimit(id)
  }

  /// Handles further content of the request.
  mutating func contentReceived(_ id: ExchangeID, _ bytes: UnsafeRawBufferPointer) {
    let state = exchanges[id]
    guard let relayed = readRequestContent(id, bytes) else { return }
    let count = relayed.end - relayed.start
    let content = UnsafeRawBufferPointer(
      start: bytes.baseAddress.map { $0 + relayed.start }, count: count)
    // A read is no longer than the room that is left in the block.
    let isHeld = hold(content, in: &state.pointee.replay.first)
    assert(isHeld)
    state.pointee.replay.contentCount += count
    let rest = UnsafeRawBufferPointer(rebasing: bytes[relayed.consumedCount...])
    if !rest.isEmpty { holdPipelined(clientID(id), rest) }
    // A client that sends too many bytes ahead is cut.
    guard exchanges.isRunning(id) else { return }
    if hasEnoughContent(id) {
      endAwait(id)
    } else {
      state.pointee.arrivedAt = io.now
      setAwaitDeadline(id)
      setAwaitReadLimit(id)
    }
  }

  /// Called when the wait has ended: continues the exchange, waits longer, or refuses the request.
  mutating func awaitTimeout(_ id: ExchangeID) {
    if exchanges[id].pointee.upload.mayGoEarly, takeAllowance(id) {
      endAwait(id)
    } else if io.now < contentDeadline(id) {
      setAwaitDeadline(id)
    } else {
      refuse(id, .contentTimeout)
    }
  }

  /// Ends the wait for content and admits the exchange.
  private mutating func endAwait(_ id: ExchangeID) {
    let state = exchanges[id]
    _ = state.pointee.machine.take(.contentCame)
    awaitedCount -= 1
    (state.pointee.arrivedAt, state.pointee.admittedAt) = (io.now, io.now)
    reusable.remove(clientID(id).index)
    cancelTimer(id, .wait)
    io.setReadLimit(
      clientID(id).connection,
      state.pointee.request.isComplete
        ? Self.headReadMax : state.pointee.request.remainingCount ?? Self.headReadMax)
    admit(id)
  }

  private mutating func hasEnoughContent(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    return state.pointee.request.isComplete
      || state.pointee.replay.contentCount >= Int(state.pointee.upload.waitsFor)
      || roomForContent(id) <= 0
  }

  /// Gives the allowance back once the content is large enough to count like any other.
  mutating func noteUpload(_ id: ExchangeID) {
    let state = exchanges[id]
    if var lease = state.pointee.lease.take() {
      leases.grow(&lease, to: contentByteCount(id))
      state.pointee.lease = consume lease
    }
    guard state.pointee.upload.allowance >= 0,
      state.pointee.request.isComplete
        || state.pointee.contentCount >= Int(state.pointee.upload.waitsFor)
    else { return }
    giveAllowance(id)
  }

  /// The content's length as far as it is known: its declared length, or the bytes received, in
  /// bytes.
  mutating func contentByteCount(_ id: ExchangeID) -> Int {
    let state = exchanges[id]
    return state.pointee.contentCount + (state.pointee.request.remainingCount ?? 0)
  }

  /// The same, but 0 while the content's length is unknown.
  mutating func knownContentByteCount(_ id: ExchangeID) -> Int {
    let state = exchanges[id]
    let isKnown = state.pointee.request.isComplete || state.pointee.request.remainingCount != nil
    return isKnown ? contentByteCount(id) : 0
  }

  // MARK: The allowance

  private mutating func takeAllowance(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    // A removed pool has no allowance; `admit` answers the request.
    guard let pool = state.pointee.pool else { return true }
    let index = plan.pools[pool].allowance
    guard allowances[index].tryTake(plan.pools[pool].allowanceMax) else { return false }
    state.pointee.upload.allowance = index
    return true
  }

  /// Gives the permit of the allowance back. No effect if the exchange holds none.
  mutating func giveAllowance(_ id: ExchangeID) {
    let state = exchanges[id]
    guard state.pointee.upload.allowance >= 0 else { return }
    allowances[state.pointee.upload.allowance].giveBack()
    state.pointee.upload.allowance = -1
  }

  // MARK: Deadlines

  /// The time by which more content has to arrive.
  private mutating func contentDeadline(_ id: ExchangeID) -> Nanoseconds {
    let state = exchanges[id]
    let timeout = plan.listener(io.tag(clientID(id).connection))?.bodyTimeout ?? .seconds(60)
    let late = state.pointee.pace.deadline(received: state.pointee.contentCount, now: io.now)
    return min(state.pointee.arrivedAt + timeout, late ?? .distantFuture)
  }

  private mutating func setAwaitDeadline(_ id: ExchangeID) {
    let deadline = contentDeadline(id)
    let isEarly = exchanges[id].pointee.upload.mayGoEarly
    setTimer(id, .wait, isEarly ? min(deadline, io.now + Self.earlyTime) : deadline)
  }

  /// Limits reads to the room in the block and, for content with a length, to the bytes that
  /// remain.
  private mutating func setAwaitReadLimit(_ id: ExchangeID) {
    let state = exchanges[id]
    let wanted = state.pointee.request.remainingCount ?? Self.headReadMax
    io.setReadLimit(clientID(id).connection, min(roomForContent(id), wanted))
  }

  /// The bytes that may still be read. Room is kept for the name of a trailer field that was held
  /// back.
  private mutating func roomForContent(_ id: ExchangeID) -> Int {
    Self.blockBytes - TrailerName.byteCountMax - exchanges[id].pointee.replay.first.end
  }

  private mutating func sendContinue(_ id: ExchangeID) {
    var writer = ByteWriter(scratch)
    writer.append("HTTP/1.1 100 Continue\r\n\r\n")
    io.send(clientID(id).connection, writer.written)
    noteSent(id, head: writer.count, content: 0)
  }
}
