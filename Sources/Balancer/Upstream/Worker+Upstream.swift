// Endpoint connections: passes response heads and content to the client, and handles endpoints that
// are cut off or late. Invariant: an endpoint is read only as fast as the client takes the bytes.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  mutating func upstreamConnected(_ id: EndpointConnectionID) {
    let state = slab.upstream + id.index
    if state.pointee.phase == .trial {
      endConnectionTrial(id, isConnected: true)
      return
    }
    state.pointee.phase = .head
    if !io.isStream(id.connection), io.isSecure(id.connection) {
      context.metrics.tls.countHandshake(
        worker: workerIndex, .endpoint, isResumed: io.isResumed(id.connection))
    }
    exchanges[state.pointee.exchange].pointee.sentAt = io.now
    setUploadDeadlines(state.pointee.exchange)
  }

  /// Resumes reading from the client once the endpoint has been sent every waiting byte.
  mutating func upstreamDrained(_ id: EndpointConnectionID) {
    let state = slab.upstream[id.index]
    guard state.phase != .idle, state.phase != .trial else { return }
    if state.phase == .tunnel {
      tunnelDrained(state.exchange, isClient: false)
      return
    }
    if !exchanges[state.exchange].pointee.request.isComplete {
      setPaused(clientStream(state.exchange), false)
    }
    setUploadDeadlines(state.exchange)
  }

  mutating func upstreamReceived(_ id: EndpointConnectionID) {
    let state = slab.upstream + id.index
    state.pointee.lastEvidenceAt = io.now
    switch state.pointee.phase {
    // No request was sent, so the bytes cannot be an answer.
    case .idle: endIdle(id)
    case .multiplexed: break
    case .trial: endConnectionTrial(id, isConnected: true)
    case .tunnel: tunnelReceived(fromEndpoint: id, UnsafeRawBufferPointer(io.received))
    case .connecting, .head: receiveHead(id)
    case .content:
      let exchangeID = state.pointee.exchange
      if !exchanges[exchangeID].pointee.machine.isReaderBehind {
        io.setDeadline(id.connection, io.now + exchanges[exchangeID].pointee.timeouts.idle)
      }
      relayResponse(id, exchangeID, UnsafeRawBufferPointer(io.received))
    }
  }

  private mutating func receiveHead(_ id: EndpointConnectionID) {
    let state = slab.upstream + id.index
    // An answer has begun, so the connection was not closed while it was kept.
    state.pointee.isReused = false
    var bytes = UnsafeRawBufferPointer(io.received)
    if state.pointee.input.block != nil {
      guard hold(bytes, in: &state.pointee.input) else {
        answerRefused(state.pointee.exchange, .headTooLarge)
        return
      }
      bytes = state.pointee.input.bytes
    }
    var offset = 0
    while true {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
      let exchangeID = state.pointee.exchange
      var head = ResponseHead()
      switch responses.parse(
        rest, answering: exchanges[exchangeID].pointee.method, into: &head)
      {
      case .incomplete:
        if state.pointee.input.block != nil {
          state.pointee.input.start = state.pointee.input.end - rest.count
        } else if !rest.isEmpty, !hold(rest, in: &state.pointee.input) {
          attemptFailed(exchangeID, .overloaded, isUnsent: false)
          return
        }
        io.setReadLimit(id.connection, Self.headReadMax)
        if unsentByteCount(clientStream(exchangeID)) > 0 {
          awaitReader(exchangeID, of: id)
        }
        return
      case .rejected(let error):
        answerRefused(exchangeID, error)
        return
      case .complete:
        if head.isInterim {
          guard passInterim(exchangeID, head, rest) else { return }
          offset += head.end
          continue
        }
        if head.status == 101 {
          // Only a client that offered another protocol can be told to continue in it.
          if head.isUpgrade, exchanges[exchangeID].pointee.asksUpgrade {
            beginTunnel(id, exchangeID, head, rest)
          } else {
            answerRefused(exchangeID, .unexpectedUpgrade)
          }
          return
        }
        beginResponse(id, exchangeID, head, rest)
        return
      }
    }
  }

  private mutating func beginResponse(
    _ id: EndpointConnectionID, _ exchangeID: ExchangeID, _ head: ResponseHead,
    _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.upstream + id.index
    let exchange = exchanges[exchangeID]
    let fields = responses.table(in: bytes)
    if head.status >= 400 {
      noteRetryAfter(exchangeID, head, fields)
      if repeatsAnswer(exchangeID, head, fields) { return }
    } else if exchange.pointee.isGRPC, repeatsCall(exchangeID, id, head, fields) {
      return
    }
    let isOld = exchange.pointee.version == .http10
    exchange.pointee.unwrapsChunks = isOld && head.framing == .chunked
    exchange.pointee.response = ContentReader(head.framing)
    let relayed = readResponse(exchangeID, UnsafeRawBufferPointer(rebasing: bytes[head.end...]))
    if let error = relayed.error {
      // No byte was passed on yet.
      answerRefused(exchangeID, error)
      return
    }
    state.pointee.phase = .content
    state.pointee.isPersistent = head.isPersistent
    state.pointee.keepAliveSeconds = Int32(fields.keepAliveSeconds ?? -1)
    dropReplay(exchangeID)
    io.setReadLimit(id.connection, IOLoop.readMax)
    exchange.pointee.status = head.status
    exchange.pointee.closesAfter =
      !exchange.pointee.isPersistent || exchange.pointee.unwrapsChunks
      || head.framing == .untilClose || stopsAt != nil
      || !exchange.pointee.request.isComplete
    var writer = ByteWriter(scratch)
    let forwarded = ForwardedResponse(
      head: head, fields: fields, isChunked: head.framing == .chunked && !isOld,
      confirmsKeepAlive: isOld && exchange.pointee.isPersistent,
      closes: exchange.pointee.closesAfter, added: responseFields(exchangeID), date: ownDate(head),
      isHTTP2: io.isStream(id.connection))
    forwarded.writePassed(to: &writer)
    writeAffinity(exchangeID, to: &writer)
    forwarded.writeOwn(to: &writer)
    guard !writer.hasOverflowed else {
      answerRefused(exchangeID, .headTooLarge)
      return
    }
    _ = exchange.pointee.machine.take(.answerBegan)
    noteFirstByte(exchangeID)
    let timeout = exchange.pointee.timeouts.idle
    io.setDeadline(id.connection, io.now + timeout)
    // The timeouts of the response apply from here on, not those of the request.
    if !exchange.pointee.request.isComplete {
      io.setDeadline(clientID(exchangeID).connection, nil)
    }
    let content = UnsafeRawBufferPointer(rebasing: bytes[head.end...])
    passOn(id, exchangeID, content, relayed, before: writer.written)
  }

  /// The date that is added to an answer without one; empty: the answer has its own.
  mutating func ownDate(_ head: ResponseHead) -> UnsafeRawBufferPointer {
    head.hasDate ? UnsafeRawBufferPointer(start: nil, count: 0) : date.current(turn: turn)
  }

  /// Reads the framing of response content and compacts the part that is passed on.
  private mutating func readResponse(
    _ exchangeID: ExchangeID, _ bytes: UnsafeRawBufferPointer
  ) -> ContentReader.Relayed {
    let exchange = exchanges[exchangeID]
    // An HTTP/1.0 client gets only the content of the chunks (RFC 9112 §7.1.3).
    return exchange.pointee.response.relay(
      UnsafeMutableRawBufferPointer(mutating: bytes),
      contentOnly: exchange.pointee.unwrapsChunks)
  }

  /// Passes content on. The bytes belong to the loop and are not used afterwards.
  private mutating func relayResponse(
    _ id: EndpointConnectionID, _ exchangeID: ExchangeID, _ bytes: UnsafeRawBufferPointer
  ) {
    let relayed = readResponse(exchangeID, bytes)
    if let error = relayed.error {
      reportCut(exchangeID, .malformed(error))
      abortExchange(exchangeID, .failed(.truncated), code: .truncated)
      return
    }
    passOn(id, exchangeID, bytes, relayed, before: nil)
  }

  /// Passes on the relayed part of the content, preceded by `head` if it is not nil.
  private mutating func passOn(
    _ id: EndpointConnectionID, _ exchangeID: ExchangeID, _ bytes: UnsafeRawBufferPointer,
    _ relayed: ContentReader.Relayed, before head: UnsafeRawBufferPointer?
  ) {
    if !bytes.isEmpty {
      leases.notePiece(
        slab.upstream[id.index].endpointIndex,
        isStream: exchanges[exchangeID].pointee.response.remainingCount == nil)
      noteContent(exchangeID)
    }
    let content = UnsafeRawBufferPointer(
      start: bytes.baseAddress.map { $0 + relayed.start }, count: relayed.end - relayed.start)
    send(exchangeID, head, content)
    afterRelay(id, exchangeID, leftOver: bytes.count - relayed.consumedCount)
  }

  /// Notes the first content of the response, or its end if it has no content. Requires: the lease
  /// is held. Later calls have no effect.
  mutating func noteContent(_ id: ExchangeID) {
    let state = exchanges[id]
    if state.pointee.hasContent { return }
    state.pointee.hasContent = true
    guard var lease = state.pointee.lease.take() else { return }
    let endpointIndex = lease.endpointIndex
    leases.noteAnswer(&lease, isWork: state.pointee.status < 400)
    state.pointee.lease = consume lease
    timings.observeFirstByte(
      endpointIndex: endpointIndex, after: io.now - state.pointee.startedAt,
      overhead: state.pointee.sentAt - state.pointee.admittedAt)
  }

  /// Sends head and content, in one call if they can be joined: the head is then copied into the
  /// room before the received bytes, which is the loop's headroom or the old head.
  mutating func send(
    _ exchangeID: ExchangeID, _ head: UnsafeRawBufferPointer?, _ content: UnsafeRawBufferPointer
  ) {
    noteSent(exchangeID, head: head?.count ?? 0, content: content.count)
    guard let head, let source = head.baseAddress else {
      if !content.isEmpty { io.send(clientID(exchangeID).connection, content) }
      return
    }
    let received = io.received
    if let start = content.baseAddress, let base = received.baseAddress, !content.isEmpty,
      start >= UnsafeRawPointer(base), start < UnsafeRawPointer(base + received.count),
      head.count <= IOLoop.headroom
    {
      let front = UnsafeMutableRawPointer(mutating: start) - head.count
      front.copyMemory(from: source, byteCount: head.count)
      io.send(
        clientID(exchangeID).connection,
        UnsafeRawBufferPointer(start: front, count: head.count + content.count))
    } else {
      io.send(clientID(exchangeID).connection, head)
      if !content.isEmpty { io.send(clientID(exchangeID).connection, content) }
    }
  }

  private mutating func afterRelay(
    _ id: EndpointConnectionID, _ exchangeID: ExchangeID, leftOver: Int
  ) {
    let state = slab.upstream + id.index
    release(&state.pointee.input)
    let exchange = exchanges[exchangeID]
    if exchange.pointee.response.isComplete {
      exchangeCompleted(exchangeID, upstreamIsClean: leftOver == 0)
      return
    }
    if unsentByteCount(clientStream(exchangeID)) > 0 { awaitReader(exchangeID, of: id) }
    // Content with a length is not examined: the kernel moves the remainder of a long one.
    if let rest = exchange.pointee.response.remainingCount, rest >= Self.moveMin {
      io.move(id.connection, to: clientID(exchangeID).connection, byteCount: rest)
    }
  }

  /// Stops reading from the endpoint until the client, which is slower, has caught up.
  private mutating func awaitReader(_ exchangeID: ExchangeID, of id: EndpointConnectionID) {
    let exchange = exchanges[exchangeID]
    _ = exchange.pointee.machine.take(.readerFellBehind)
    if var lease = exchange.pointee.lease.take() {
      leases.hold(&lease, now: io.now)
      exchange.pointee.lease = consume lease
    }
    io.setPaused(id.connection, true)
    io.setDeadline(id.connection, nil)
    setSendDeadline(clientID(exchangeID))
  }

  /// Notes response content that the kernel moved to the client.
  mutating func upstreamMoved(_ id: EndpointConnectionID, _ count: Int) {
    let state = slab.upstream + id.index
    guard state.pointee.phase == .content else { return }
    let exchangeID = state.pointee.exchange
    let exchange = exchanges[exchangeID]
    exchange.pointee.response.skip(count)
    state.pointee.lastEvidenceAt = io.now
    leases.notePiece(state.pointee.endpointIndex)
    noteContent(exchangeID)
    noteSent(exchangeID, head: 0, content: count)
    io.setDeadline(id.connection, io.now + exchange.pointee.timeouts.idle)
    afterRelay(id, exchangeID, leftOver: 0)
  }

  // MARK: Endpoints that end or are late

  /// Handles a connection that ended (`errno` is nil) or failed.
  /// `isCut`: the end is not confirmed by TLS.
  mutating func upstreamGone(_ id: EndpointConnectionID, errno: Int?, isCut: Bool = false) {
    let state = slab.upstream[id.index]
    noteEndpointTLS(id)
    switch state.phase {
    case .idle: endIdle(id)
    case .multiplexed: break
    case .trial: endConnectionTrial(id, isConnected: false)
    case .connecting:
      let isRefused = IOError("connect", errno ?? 0).isRefused
      exchanges[state.exchange].pointee.failure =
        io.tlsFailure(id.connection).map { .tls($0) }
        ?? .connection(isRefused ? .refused : .unreachable)
      handle(.connectFailed, of: state.exchange)
    case .head, .content, .tunnel:
      let isAsked = state.phase == .head
      let exchange = exchanges[state.exchange]
      if isAsked, let end = io.streamEnd(id.connection), endUnanswered(state.exchange, end) {
        return
      }
      let isReset = errno != nil
      if isAsked {
        exchange.pointee.failure = .connection(
          state.input.block != nil
            ? (isReset ? .resetInHead : .closedInHead)
            : (isReset ? .resetBeforeHead : .closedBeforeHead))
      }
      let isWhole =
        state.phase == .content && !isReset && !isCut && exchange.pointee.response.isUntilClose
      handle(
        .endpointEnded(isReset: isReset, isStale: isAsked && isStale(id), isWholeAnswer: isWhole),
        of: state.exchange)
    }
  }

  mutating func upstreamTimeout(_ id: EndpointConnectionID) {
    let state = slab.upstream[id.index]
    switch state.phase {
    case .idle: closeIdle(id)
    case .multiplexed: break
    case .trial: endConnectionTrial(id, isConnected: false)
    case .connecting: handle(.connectTimedOut, of: state.exchange)
    case .head, .content, .tunnel: handle(.endpointTimedOut, of: state.exchange)
    }
  }
}
