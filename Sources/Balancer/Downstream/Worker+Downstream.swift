// Client connections: reads heads, passes request content to the endpoint, and handles clients that
// stall, pipeline or leave. Invariant: a client is read only as fast as its endpoint takes the
// bytes, and no further request is parsed while an exchange runs.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  mutating func accepted(_ id: ClientID) {
    if io.isStream(id.connection) {
      acceptedStream(id)
      return
    }
    context.metrics.countAccept(worker: workerIndex)
    context.control.connections[workerIndex].add(1, at: Int(io.tag(id.connection)))
    let index = id.index
    (slab.downstream + index).initialize(to: Downstream())
    clientCount += 1
    makeClientRoom()
    io.setReadLimit(id.connection, Self.headReadMax)
    guard identifyPeer(id, io.tag(id.connection)) else {
      refusePreface(id)
      return
    }
    if slab.downstream[index].phase == .preface {
      // The client is not known before the PROXY header is complete.
      io.setDeadline(
        id.connection, io.now + (plan.listener(io.tag(id.connection))?.headTimeout ?? .seconds(10)))
      reusable.append(index, .unfinished)
    } else if let tls = plan.tls(io.tag(id.connection)) {
      beginSecure(
        id, io.tag(id.connection), tls.context, UnsafeRawBufferPointer(start: nil, count: 0))
    } else if admitConnection(id) {
      expectHead(id)
      reusable.append(index, .silent)
    }
  }

  /// Begins to read requests after the PROXY header; `rest` holds the bytes after that header.
  mutating func beginHeads(_ id: ClientID, _ tag: UInt32, _ rest: UnsafeRawBufferPointer) {
    slab.downstream[id.index].phase = .head
    guard admitConnection(id) else { return }
    expectHead(id)
    reusable.append(id.index, .silent)
    if !rest.isEmpty { parseHead(id, tag, rest) }
  }

  /// Waits for the first byte of a head.
  mutating func expectHead(_ id: ClientID) {
    let state = slab.downstream + id.index
    state.pointee.hasDeadlineForHead = false
    let timeout = plan.listener(io.tag(id.connection))?.idleTimeout ?? Self.idleTimeoutOfNone
    io.setDeadline(id.connection, io.now + timeout)
  }

  mutating func downstreamReceived(_ id: ClientID, _ tag: UInt32) {
    let state = slab.downstream + id.index
    let received = UnsafeRawBufferPointer(io.received)
    switch state.pointee.phase {
    case .lingering: state.pointee.hasSentMore = true
    case .closing, .multiplexed: break
    case .preface: receivePreface(id, tag, received)
    case .tunnel: tunnelReceived(fromClient: exchangeID(id), received)
    case .exchange:
      if exchanges[exchangeID(id)].pointee.request.isComplete {
        holdPipelined(id, received)
      } else if exchanges[exchangeID(id)].pointee.machine.phase == .awaitingContent {
        contentReceived(exchangeID(id), received)
      } else {
        relayRequest(exchangeID(id), received)
      }
    case .head:
      guard state.pointee.input.block != nil else {
        parseHead(id, tag, received)
        return
      }
      guard hold(received, in: &state.pointee.input) else {
        respond(id, .overloaded)
        return
      }
      // Without a new line the head cannot be complete.
      let hasLine = received.contains(0x0A)
      if hasLine || state.pointee.input.end >= Self.headReadMax {
        parseHead(id, tag, state.pointee.input.bytes)
      }
    }
  }

  /// Parses the head at the start of `bytes`, which belong to the loop or the connection's input.
  private mutating func parseHead(
    _ id: ClientID, _ tag: UInt32, _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + id.index
    var head = RequestHead()
    switch requests.parse(bytes, into: &head) {
    case .complete:
      beginExchange(id, tag, head, bytes)
    case .rejected(.unsupportedVersion) where isHTTP2(bytes, tag): beginStreams(id, bytes)
    case .rejected(let error):
      let exchange = openExchange(id)
      exchanges[exchange].pointee.method = head.method
      reportRefusal(exchange, error, .answered(Int16(LocalReason(error).status)))
      respond(exchange, LocalReason(error))
    case .incomplete:
      if !state.pointee.hasDeadlineForHead {
        state.pointee.hasDeadlineForHead = true
        reusable.append(id.index, .unfinished)
        io.setDeadline(id.connection, io.now + (plan.listener(tag)?.headTimeout ?? .seconds(10)))
      }
      if state.pointee.input.block == nil, !hold(bytes, in: &state.pointee.input) {
        respond(id, .overloaded)
        return
      }
      compact(&state.pointee.input)
      io.setReadLimit(
        id.connection, min(Self.headReadMax, Self.blockBytes - state.pointee.input.end))
    }
  }

  /// Checks content of the running request and passes it on unchanged.
  private mutating func relayRequest(_ id: ExchangeID, _ bytes: UnsafeRawBufferPointer) {
    let state = exchanges[id]
    guard let relayed = readRequestContent(id, bytes) else { return }
    let upstream = state.pointee.upstream.connection
    let passed = UnsafeRawBufferPointer(
      start: bytes.baseAddress.map { $0 + relayed.start }, count: relayed.end - relayed.start)
    remember(passed, for: id)
    noteUpload(id)
    sendCounted(passed, to: upstream)
    let isSent = io.unsentByteCount(upstream.connection) == 0
    setUploadDeadlines(id)
    if state.pointee.request.isComplete {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[relayed.consumedCount...])
      if !rest.isEmpty { holdPipelined(clientID(id), rest) }
    } else {
      if !isSent { setPaused(clientStream(id), true) }
      moveRemainder(id)
    }
  }

  /// Lets the kernel move the remainder of a long request that is not kept for retries.
  private mutating func moveRemainder(_ id: ExchangeID) {
    let state = exchanges[id]
    guard !state.pointee.replay.isKept, let rest = state.pointee.request.remainingCount,
      rest >= Self.moveMin
    else { return }
    io.move(
      clientID(id).connection, to: state.pointee.upstream.connection.connection, byteCount: rest)
  }

  /// Notes content that the kernel moved to the endpoint. Its length was checked with the head.
  mutating func downstreamMoved(_ id: ClientID, _ count: Int) {
    guard slab.downstream[id.index].phase == .exchange else { return }
    let state = exchanges[exchangeID(id)]
    state.pointee.request.skip(count)
    state.pointee.contentCount += count
    io.setReadLimit(id.connection, state.pointee.request.remainingCount ?? Self.headReadMax)
    noteReceived(exchangeID(id), count)
    noteUpload(exchangeID(id))
    setUploadDeadlines(exchangeID(id))
    if !state.pointee.request.isComplete,
      unsentByteCount(state.pointee.upstream) > 0
    {
      io.setPaused(id.connection, true)
    }
  }

  /// Reads the framing of request content and compacts the part that is passed on. Returns nil if
  /// the content was refused; the exchange is then over.
  mutating func readRequestContent(
    _ id: ExchangeID, _ bytes: UnsafeRawBufferPointer
  ) -> ContentReader.Relayed? {
    let state = exchanges[id]
    let relayed = state.pointee.request.relay(UnsafeMutableRawBufferPointer(mutating: bytes))
    state.pointee.contentCount += relayed.contentCount
    if state.pointee.contentCount > state.pointee.contentMax {
      refuse(id, .contentTooLarge)
      return nil
    }
    if let error = relayed.error {
      let reason = LocalReason(error)
      reportRefusal(
        id, error, state.pointee.machine.hasAnswer ? .cut : .answered(Int16(reason.status)))
      refuse(id, reason)
      return nil
    }
    // Content with a length is read to its end and no further: later bytes stay in the kernel.
    let remaining = state.pointee.request.remainingCount ?? Self.headReadMax
    io.setReadLimit(
      clientID(id).connection, state.pointee.request.isComplete ? Self.headReadMax : remaining)
    noteReceived(id, relayed.consumedCount)
    return relayed
  }

  /// Answers instead of the endpoint, or cuts an answer that has begun. The endpoint's health is
  /// not affected.
  mutating func refuse(_ id: ExchangeID, _ reason: LocalReason) {
    let state = exchanges[id]
    releaseAttempt(id, .abandoned)
    if state.pointee.machine.hasAnswer {
      logEnd(id, reason.staticLabel, isCut: true)
      closeDownstream(clientID(id))
    } else {
      respond(id, reason)
    }
  }

  /// Holds a request that came before the present one was answered, and pauses the client.
  mutating func holdPipelined(_ id: ClientID, _ bytes: UnsafeRawBufferPointer) {
    let state = slab.downstream + id.index
    guard hold(bytes, in: &state.pointee.input) else {
      abortExchange(exchangeID(id), .abandoned, code: .canceled)
      return
    }
    io.setPaused(id.connection, true)
  }

  /// Continues with the bytes in the input after an exchange.
  mutating func resumeInput(_ id: ClientID) {
    guard io.isOpen(id.connection) else { return }
    let state = slab.downstream + id.index
    guard state.pointee.phase == .head, !state.pointee.input.isEmpty,
      io.unsentByteCount(id.connection) == 0
    else { return }
    io.setPaused(id.connection, false)
    parseHead(id, io.tag(id.connection), state.pointee.input.bytes)
  }

  /// Prepares the connection for the next request after an exchange.
  mutating func awaitNextRequest(_ id: ClientID) {
    let state = slab.downstream + id.index
    state.pointee.phase = .head
    expectHead(id)
    if state.pointee.input.isEmpty { release(&state.pointee.input) }
    // The next request waits until the client has read the last answer, so that answers do not pile
    // up.
    if io.unsentByteCount(id.connection) > 0 {
      io.setPaused(id.connection, true)
      setSendDeadline(id)
    } else if state.pointee.input.isEmpty {
      io.setPaused(id.connection, false)
      io.setReadLimit(id.connection, Self.headReadMax)
      reusable.append(id.index, .idle)
    } else {
      runnable.append(id)
    }
  }

  mutating func downstreamDrained(_ id: ClientID) {
    let state = slab.downstream + id.index
    switch state.pointee.phase {
    case .closing: closeDownstream(id)
    case .lingering: io.setDeadline(id.connection, io.now + Self.lingerTime)
    case .preface, .multiplexed: break
    case .tunnel: tunnelDrained(exchangeID(id), isClient: true)
    case .head:
      expectHead(id)
      if state.pointee.input.isEmpty {
        io.setPaused(id.connection, false)
        io.setReadLimit(id.connection, Self.headReadMax)
        reusable.append(id.index, .idle)
      } else {
        runnable.append(id)
      }
    case .exchange:
      let exchange = exchanges[exchangeID(id)]
      guard exchange.pointee.machine.isReaderBehind else { return }
      _ = exchange.pointee.machine.take(.readerCaughtUp)
      if var lease = exchange.pointee.lease.take() {
        leases.resume(&lease, now: io.now)
        exchange.pointee.lease = consume lease
      }
      io.setDeadline(id.connection, nil)
      setPaused(exchange.pointee.upstream, false)
      guard exchange.pointee.machine.hasAnswer else {
        setUploadDeadlines(exchangeID(id))
        return
      }
      io.setDeadline(
        exchange.pointee.upstream.connection.connection, io.now + exchange.pointee.timeouts.idle)
    }
  }

  mutating func downstreamTimeout(_ id: ClientID) {
    let state = slab.downstream + id.index
    switch state.pointee.phase {
    case .lingering, .closing:
      if io.unsentByteCount(id.connection) > 0 ? !takesBytes(id) : !goesOnLingering(id) { cut(id) }
    case .preface: refusePreface(id)
    case .multiplexed: break
    case .head where io.isHandshaking(id.connection): handshakeTimedOut(id)
    case .head:
      if io.unsentByteCount(id.connection) > 0 {
        if !takesBytes(id) { cut(id) }
        return
      }
      // A connection without a request is closed without an answer.
      if state.pointee.hasDeadlineForHead {
        respond(id, .headTimeout)
      } else {
        closeDownstream(id)
      }
    case .exchange, .tunnel: handle(.clientTimedOut, of: exchangeID(id))
    }
  }

  /// Called at the deadline of a client that was answered before its request was complete. Returns
  /// whether the client sent more bytes since the last deadline: closing then would reset the
  /// connection, and the answer might be lost.
  private mutating func goesOnLingering(_ id: ClientID) -> Bool {
    let state = slab.downstream + id.index
    guard state.pointee.phase == .lingering, state.pointee.hasSentMore,
      state.pointee.lingering < Self.lingerCountMax
    else { return false }
    state.pointee.lingering += 1
    state.pointee.hasSentMore = false
    io.setDeadline(id.connection, io.now + Self.lingerTime)
    return true
  }

  /// Handles a client that closed, half-closed or reset the connection. The endpoint of a running
  /// exchange is told at once, so that it can stop generating.
  mutating func downstreamGone(_ id: ClientID, isCut: Bool) {
    let state = slab.downstream + id.index
    if state.pointee.exchange != .none {
      handle(.clientEnded(isReset: isCut), of: exchangeID(id))
    } else if isCut || io.unsentByteCount(id.connection) == 0 || state.pointee.phase == .lingering {
      closeDownstream(id)
    } else {
      // The client half-closed the connection; it may still read the end of its answer.
      state.pointee.phase = .closing
      setSendDeadline(id)
    }
  }

  /// Closes the connection. If bytes are unsent, the client sees a reset.
  private mutating func cut(_ id: ClientID) {
    if io.unsentByteCount(id.connection) > 0 { io.resetOnClose(id.connection) }
    closeDownstream(id)
  }

  mutating func closeDownstream(_ id: ClientID) {
    let state = slab.downstream + id.index
    release(&state.pointee.input)
    if state.pointee.exchange != .none { closeExchange(state.pointee.exchange) }
    if io.isStream(id.connection) {
      closeStream(id)
      return
    }
    leaveClient(id)
    reusable.remove(id.index)
    clientCount -= 1
    context.control.connections[workerIndex].subtract(1, at: Int(io.tag(id.connection)))
    io.close(id.connection)
  }

  // MARK: Held bytes

  /// Appends bytes, and takes a block if there is none. Returns false if there is no room.
  mutating func hold(_ bytes: UnsafeRawBufferPointer, in held: inout HeldBytes) -> Bool {
    if held.block == nil {
      guard let block = blocks.take() else { return false }
      held = HeldBytes(block: block)
    }
    compact(&held)
    guard let block = held.block, held.end + bytes.count <= Self.blockBytes else { return false }
    if let source = bytes.baseAddress {
      (block + held.end).copyMemory(from: source, byteCount: bytes.count)
    }
    held.end += bytes.count
    return true
  }

  /// Moves held bytes to the start of their block.
  private mutating func compact(_ held: inout HeldBytes) {
    guard held.start > 0, let block = held.block else { return }
    memmove(block, block + held.start, held.end - held.start)
    held.end -= held.start
    held.start = 0
  }

  mutating func release(_ held: inout HeldBytes) {
    if let block = held.block { blocks.give(block) }
    held = HeldBytes()
  }
}
