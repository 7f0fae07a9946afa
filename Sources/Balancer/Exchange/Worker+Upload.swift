// Content is waited for before an endpoint is asked, up to a small size: a client that sends slowly
// holds nothing of a pool until its content is there. Content without a length, which may be one
// half of a conversation, is waited for a moment only, and so is a client that wants to hear "100
// Continue"; such exchanges are a share of the pool's at most, beyond it they wait like others.
// Invariant: an exchange that waits has no endpoint, no lease and no place in a queue.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

/// An exchange's content before the endpoint gets it.
struct UploadState {
  private var allowanceIndex: Int32 = -1
  /// The size from which on the endpoint is asked.
  var waitsFor: Int32 = 0
  /// The content has no length: it is waited for a moment, then the allowance is asked.
  var mayGoEarly = false

  /// Of the pool whose allowance it holds; −1: none.
  var allowance: Int {
    get { Int(allowanceIndex) }
    set { allowanceIndex = Int32(truncatingIfNeeded: newValue) }
  }
}

extension Worker where Loop: ~Copyable {
  /// How long content without a length is waited for before it goes on as it comes, and how often
  /// the allowance is asked again.
  static var earlyTime: Nanoseconds { .milliseconds(250) }

  /// Lets the exchange in, or waits for its content. Requires: what has come of it lies in the
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
      // The endpoint has no say in it now, and the client may wait for this.
      sendContinue(id)
    }
    _ = state.pointee.machine.take(.contentAwaited)
    awaitedCount += 1
    state.pointee.upload.mayGoEarly = state.pointee.request.remainingCount == nil
    reusable.append(clientID(id).index, .unfinished)
    state.pointee.arrivedAt = io.now
    setAwaitDeadline(id)
    setAwaitReadLimit(id)
  }

  /// More of the content has come.
  mutating func contentReceived(_ id: ExchangeID, _ bytes: UnsafeRawBufferPointer) {
    let state = exchanges[id]
    guard let relayed = readRequestContent(id, bytes) else { return }
    let count = relayed.end - relayed.start
    let content = UnsafeRawBufferPointer(
      start: bytes.baseAddress.map { $0 + relayed.start }, count: count)
    // A read is no longer than the room that is left.
    let isHeld = hold(content, in: &state.pointee.replay.first)
    assert(isHeld)
    state.pointee.replay.contentCount += count
    let rest = UnsafeRawBufferPointer(rebasing: bytes[relayed.consumedCount...])
    if !rest.isEmpty { holdPipelined(clientID(id), rest) }
    // A client that sends too much ahead is cut.
    guard exchanges.isRunning(id) else { return }
    if hasEnoughContent(id) {
      endAwait(id)
    } else {
      state.pointee.arrivedAt = io.now
      setAwaitDeadline(id)
      setAwaitReadLimit(id)
    }
  }

  /// The exchange has waited for its content: it goes on, waits for longer, or is refused.
  mutating func awaitTimeout(_ id: ExchangeID) {
    if exchanges[id].pointee.upload.mayGoEarly, takeAllowance(id) {
      endAwait(id)
    } else if io.now < contentDeadline(id) {
      setAwaitDeadline(id)
    } else {
      refuse(id, .contentTimeout)
    }
  }

  /// The exchange goes on as one whose content is there.
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

  /// The content has grown: it may count like any other now.
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

  /// How long the request's content is, as far as it is known: its length, or what has come of it.
  mutating func contentByteCount(_ id: ExchangeID) -> Int {
    let state = exchanges[id]
    return state.pointee.contentCount + (state.pointee.request.remainingCount ?? 0)
  }

  /// The same, 0 while it is not known how long the content will be.
  mutating func knownContentByteCount(_ id: ExchangeID) -> Int {
    let state = exchanges[id]
    let isKnown = state.pointee.request.isComplete || state.pointee.request.remainingCount != nil
    return isKnown ? contentByteCount(id) : 0
  }

  // MARK: The allowance

  private mutating func takeAllowance(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    // A pool that is gone has nothing to take; `admit` says so.
    guard let pool = state.pointee.pool else { return true }
    let index = plan.pools[pool].allowance
    guard allowances[index].tryTake(plan.pools[pool].allowanceMax) else { return false }
    state.pointee.upload.allowance = index
    return true
  }

  /// Nothing happens where it holds none.
  mutating func giveAllowance(_ id: ExchangeID) {
    let state = exchanges[id]
    guard state.pointee.upload.allowance >= 0 else { return }
    allowances[state.pointee.upload.allowance].giveBack()
    state.pointee.upload.allowance = -1
  }

  // MARK: Deadlines

  /// Until when more has to come.
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

  /// No more is read than the block has room for, and of content with a length no more than that.
  private mutating func setAwaitReadLimit(_ id: ExchangeID) {
    let state = exchanges[id]
    let wanted = state.pointee.request.remainingCount ?? Self.headReadMax
    io.setReadLimit(clientID(id).connection, min(roomForContent(id), wanted))
  }

  /// What may be read yet: the name of a trailer field that was held back may come on top.
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
