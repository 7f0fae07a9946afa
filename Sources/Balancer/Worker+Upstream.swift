// Upstream connections: response heads and content on to the client, cut and late endpoints.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker {
  mutating func upstreamConnected(_ id: ConnectionID) {
    let state = slab.upstream + Int(id.index)
    if state.pointee.phase == .trial {
      endConnectionTrial(id, isConnected: true)
      return
    }
    state.pointee.phase = .head
    slab.exchange(state.pointee.downstream).pointee.sentAt = io.now
    setUploadDeadlines(state.pointee.downstream)
  }

  /// What waited to be sent upstream is gone: the client may go on sending.
  mutating func upstreamDrained(_ id: ConnectionID) {
    let state = slab.upstream[Int(id.index)]
    guard state.phase != .idle, state.phase != .trial else { return }
    if state.phase == .tunnel {
      tunnelDrained(client: state.downstream, isClient: false)
      return
    }
    if !slab.exchange(state.downstream).pointee.request.isComplete {
      io.setPaused(state.downstream, false)
    }
    setUploadDeadlines(state.downstream)
  }

  mutating func upstreamReceived(_ id: ConnectionID) {
    let state = slab.upstream + Int(id.index)
    state.pointee.heardAt = io.now
    switch state.pointee.phase {
    // Nothing was asked, so nothing can be an answer.
    case .idle: endIdle(id)
    case .trial: endConnectionTrial(id, isConnected: true)
    case .tunnel: tunnelReceived(fromEndpoint: id, UnsafeRawBufferPointer(io.received))
    case .connecting, .head: receiveHead(id)
    case .content:
      let client = state.pointee.downstream
      if !slab.exchange(client).pointee.isUpstreamPaused {
        io.setDeadline(id, io.now + slab.exchange(client).pointee.timeouts.idle)
      }
      relayResponse(id, client, UnsafeRawBufferPointer(io.received))
    }
  }

  private mutating func receiveHead(_ id: ConnectionID) {
    let state = slab.upstream + Int(id.index)
    // With a byte of the answer it is as good as new.
    state.pointee.isReused = false
    var bytes = UnsafeRawBufferPointer(io.received)
    if state.pointee.input.block != nil {
      guard hold(bytes, in: &state.pointee.input) else {
        answerRefused(state.pointee.downstream, .headTooLarge)
        return
      }
      bytes = state.pointee.input.bytes
    }
    var offset = 0
    while true {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
      let client = state.pointee.downstream
      var head = ResponseHead()
      switch responses.parse(
        rest, answering: slab.exchange(client).pointee.method, into: &head)
      {
      case .incomplete:
        if state.pointee.input.block != nil {
          state.pointee.input.start = state.pointee.input.end - rest.count
        } else if !rest.isEmpty, !hold(rest, in: &state.pointee.input) {
          attemptFailed(client, .overloaded, isUnsent: false)
          return
        }
        io.setReadLimit(id, Self.headReadMax)
        if io.unsentByteCount(client) > 0 { awaitReader(client, of: id) }
        return
      case .rejected(let error):
        answerRefused(client, error)
        return
      case .complete:
        if head.isInterim {
          guard passInterim(client, head, rest) else { return }
          offset += head.end
          continue
        }
        if head.status == 101 {
          // Only a client that offered another protocol can be told to go on in it.
          if head.isUpgrade, slab.exchange(client).pointee.asksUpgrade {
            beginTunnel(id, client, head, rest)
          } else {
            answerRefused(client, .unexpectedUpgrade)
          }
          return
        }
        beginResponse(id, client, head, rest)
        return
      }
    }
  }

  private mutating func beginResponse(
    _ id: ConnectionID, _ client: ConnectionID, _ head: ResponseHead,
    _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.upstream + Int(id.index)
    let exchange = slab.exchange(client)
    if head.status >= 400 {
      noteRetryAfter(client, head, bytes)
      if repeatsAnswer(client, head, bytes) { return }
    }
    let isOld = exchange.pointee.minorVersion == 0
    exchange.pointee.unwrapsChunks = isOld && head.framing == .chunked
    exchange.pointee.response = ContentReader(head.framing)
    let relayed = readResponse(client, UnsafeRawBufferPointer(rebasing: bytes[head.end...]))
    if let error = relayed.error {
      // Nothing was passed on yet.
      answerRefused(client, error)
      return
    }
    state.pointee.phase = .content
    state.pointee.isPersistent = head.isPersistent
    state.pointee.keepAliveSeconds = Int32(responses.keepAliveSeconds(in: bytes) ?? -1)
    dropReplay(client)
    io.setReadLimit(id, IOLoop.readMax)
    exchange.pointee.status = head.status
    exchange.pointee.closesAfter =
      !exchange.pointee.isPersistent || exchange.pointee.unwrapsChunks
      || head.framing == .untilClose || stopsAt != nil
      || !exchange.pointee.request.isComplete
    var writer = HeadWriter(scratch)
    let forwarded = ForwardedResponse(
      head: head, bytes: bytes, isChunked: head.framing == .chunked && !isOld,
      confirmsKeepAlive: isOld && exchange.pointee.isPersistent,
      closes: exchange.pointee.closesAfter, added: responseFields(client), date: ownDate(head))
    forwarded.writePassed(to: &writer, responses)
    writeAffinity(client, to: &writer)
    forwarded.writeOwn(to: &writer)
    guard !writer.hasOverflowed else {
      answerRefused(client, .headTooLarge)
      return
    }
    exchange.pointee.hasResponse = true
    noteFirstByte(client)
    let timeout = exchange.pointee.timeouts.idle
    io.setDeadline(id, io.now + timeout)
    // From here on the response's time-outs count, not the request's.
    if !exchange.pointee.request.isComplete { setClientDeadline(client, nil) }
    let content = UnsafeRawBufferPointer(rebasing: bytes[head.end...])
    passOn(id, client, content, relayed, before: writer.written)
  }

  /// The date that an answer without one is given; empty where it has one.
  mutating func ownDate(_ head: ResponseHead) -> UnsafeRawBufferPointer {
    head.hasDate ? UnsafeRawBufferPointer(start: nil, count: 0) : date.current(turn: turn)
  }

  /// Reads the framing of response content and moves together what of it is passed on.
  private mutating func readResponse(
    _ client: ConnectionID, _ bytes: UnsafeRawBufferPointer
  ) -> ContentReader.Relayed {
    let exchange = slab.exchange(client)
    // For HTTP/1.0 clients: the chunks' content alone (RFC 9112 §7.1.3).
    return exchange.pointee.response.relay(
      UnsafeMutableRawBufferPointer(mutating: bytes),
      contentOnly: exchange.pointee.unwrapsChunks)
  }

  /// Passes content on. The bytes are the loop's; they are not needed afterwards.
  private mutating func relayResponse(
    _ id: ConnectionID, _ client: ConnectionID, _ bytes: UnsafeRawBufferPointer
  ) {
    let relayed = readResponse(client, bytes)
    if let error = relayed.error {
      reportCut(client, .malformed(error))
      abortExchange(client, .failed(.truncated), code: .truncated)
      return
    }
    passOn(id, client, bytes, relayed, before: nil)
  }

  /// Passes on what was read of the content, with the head in front of it where there is one.
  private mutating func passOn(
    _ id: ConnectionID, _ client: ConnectionID, _ bytes: UnsafeRawBufferPointer,
    _ relayed: ContentReader.Relayed, before head: UnsafeRawBufferPointer?
  ) {
    if !bytes.isEmpty {
      leases.notePiece(
        slab.upstream[Int(id.index)].endpointIndex,
        isStream: slab.exchange(client).pointee.response.remainingCount == nil)
      noteContent(client)
    }
    let content = UnsafeRawBufferPointer(
      start: bytes.baseAddress.map { $0 + relayed.start }, count: relayed.end - relayed.start)
    send(client, head, content)
    afterRelay(id, client, leftOver: bytes.count - relayed.consumedCount)
  }

  /// Sends head and content, at once where they can be put together: into the room before the
  /// received bytes, which is the loop's headroom or the old head.
  mutating func send(
    _ client: ConnectionID, _ head: UnsafeRawBufferPointer?, _ content: UnsafeRawBufferPointer
  ) {
    noteSent(client, head: head?.count ?? 0, content: content.count)
    guard let head, let source = head.baseAddress else {
      if !content.isEmpty { io.send(client, content) }
      return
    }
    let received = io.received
    if let start = content.baseAddress, let base = received.baseAddress, !content.isEmpty,
      start >= UnsafeRawPointer(base), start < UnsafeRawPointer(base + received.count),
      head.count <= IOLoop.headroom
    {
      let front = UnsafeMutableRawPointer(mutating: start) - head.count
      front.copyMemory(from: source, byteCount: head.count)
      io.send(client, UnsafeRawBufferPointer(start: front, count: head.count + content.count))
    } else {
      io.send(client, head)
      if !content.isEmpty { io.send(client, content) }
    }
  }

  private mutating func afterRelay(_ id: ConnectionID, _ client: ConnectionID, leftOver: Int) {
    let state = slab.upstream + Int(id.index)
    release(&state.pointee.input)
    let exchange = slab.exchange(client)
    if exchange.pointee.response.isComplete {
      exchangeCompleted(client, upstreamIsClean: leftOver == 0)
      return
    }
    if io.unsentByteCount(client) > 0 { awaitReader(client, of: id) }
    // What has a length is not looked at: the rest of a long one goes by in the kernel.
    if let rest = exchange.pointee.response.remainingCount, rest >= Self.moveMin {
      io.move(id, to: client, byteCount: rest)
    }
  }

  /// The client is slower than the endpoint: no more is read until it has caught up.
  private mutating func awaitReader(_ client: ConnectionID, of id: ConnectionID) {
    let exchange = slab.exchange(client)
    exchange.pointee.isUpstreamPaused = true
    if var lease = exchange.pointee.lease.take() {
      leases.hold(&lease, now: io.now)
      exchange.pointee.lease = consume lease
    }
    io.setPaused(id, true)
    io.setDeadline(id, nil)
    setSendDeadline(client)
  }

  /// Content of the response went on to the client.
  mutating func upstreamMoved(_ id: ConnectionID, _ count: Int) {
    let state = slab.upstream + Int(id.index)
    guard state.pointee.phase == .content else { return }
    let client = state.pointee.downstream
    let exchange = slab.exchange(client)
    exchange.pointee.response.skip(count)
    state.pointee.heardAt = io.now
    leases.notePiece(state.pointee.endpointIndex)
    noteContent(client)
    noteSent(client, head: 0, content: count)
    io.setDeadline(id, io.now + exchange.pointee.timeouts.idle)
    afterRelay(id, client, leftOver: 0)
  }

  // MARK: Gone or late

  /// The connection ended (`errno` nil) or failed.
  mutating func upstreamGone(_ id: ConnectionID, errno: Int?) {
    let state = slab.upstream[Int(id.index)]
    let isEOF = errno == nil
    let hasBegun = state.input.block != nil
    switch state.phase {
    case .idle: endIdle(id)
    case .trial: endConnectionTrial(id, isConnected: false)
    case .connecting:
      let isRefused = IOError("connect", errno ?? 0).isRefused
      slab.exchange(state.downstream).pointee.failure =
        .connection(isRefused ? .refused : .unreachable)
      attemptFailed(state.downstream, .connectFailed, isUnsent: true)
    case .head:
      let failure: ConnectionFailure =
        hasBegun
        ? (isEOF ? .closedInHead : .resetInHead) : (isEOF ? .closedBeforeHead : .resetBeforeHead)
      slab.exchange(state.downstream).pointee.failure = .connection(failure)
      if isStale(id) {
        staleEnded(id, isEOF: isEOF)
      } else {
        attemptFailed(state.downstream, .connectFailed, isUnsent: false)
      }
    case .tunnel:
      if isEOF {
        tunnelEnded(client: state.downstream, isClient: false)
      } else {
        cutTunnel(state.downstream)
      }
    case .content:
      let exchange = slab.exchange(state.downstream)
      if isEOF, exchange.pointee.response.isUntilClose {
        exchangeCompleted(state.downstream, upstreamIsClean: false)
      } else {
        reportCut(state.downstream, .connection(isEOF ? .closedInContent : .resetInContent))
        abortExchange(state.downstream, .failed(.truncated), code: .truncated)
      }
    }
  }

  mutating func upstreamTimeout(_ id: ConnectionID) {
    let state = slab.upstream[Int(id.index)]
    switch state.phase {
    case .idle: closeIdle(id)
    case .trial: endConnectionTrial(id, isConnected: false)
    case .connecting: attemptFailed(state.downstream, .connectTimeout, isUnsent: true)
    case .head: answerTimedOut(id, of: state.downstream)
    case .tunnel: cutTunnel(state.downstream)
    case .content:
      reportCut(state.downstream, .connection(.contentTimeout))
      abortExchange(state.downstream, .failed(.timeout), code: .truncated)
    }
  }
}
