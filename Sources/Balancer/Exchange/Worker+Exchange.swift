// An exchange from its complete request head to its answer: route, pick, lease, send. Invariant: an
// attempt holds exactly one lease.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Begins an exchange. `bytes` begin with the head and may go on with content and further
  /// requests.
  mutating func beginExchange(
    _ client: ClientID, _ tag: UInt32, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer
  ) {
    let fields = requests.table(in: bytes)
    slab.downstream[client.index].phase = .exchange
    slab.downstream[client.index].hasDeadlineForHead = false
    let id = openExchange(client)
    let state = exchanges[id]
    state.pointee.method = head.method
    state.pointee.version =
      io.isStream(client.connection) ? .http2 : head.minorVersion == 0 ? .http10 : .http11
    context.metrics.streams.countRequest(worker: workerIndex, state.pointee.version)
    state.pointee.isPersistent = head.isPersistent && stopsAt == nil
    state.pointee.request = ContentReader(head.framing)
    let noted = NotedFields(fields)
    identifyClient(id, tag, noted, fields)
    state.pointee.asksUpgrade = head.asksUpgrade
    if state.pointee.version == .http2 { noteCall(id, fields) }
    state.pointee.pace = BodyPace(rate: plan.listener(tag)?.bodyRateMin)

    let isMisdirected = io.isSecure(client.connection) && self.isMisdirected(client, head, fields)
    let route = isMisdirected ? nil : plan.route(tag, head, fields)
    beginRecord(id, head, fields, route: route)
    state.pointee.contentMax = context.limits.bodyBytesMax
    if let route {
      state.pointee.contentMax = plan.routes[route].bodyBytesMax
      setEnd(id, longest: plan.routes[route].timeouts.exchange)
      countArrival(plan.routes[route].pool)
    }
    io.setDeadline(client.connection, nil)
    if case .length(let length) = head.framing, length > state.pointee.contentMax {
      respond(id, .contentTooLarge)
      return
    }
    let rest = UnsafeRawBufferPointer(rebasing: bytes[head.end...])
    guard let relayed = readRequestContent(id, rest) else { return }
    let content = UnsafeRawBufferPointer(rebasing: rest[0..<relayed.end])
    let next = UnsafeRawBufferPointer(rebasing: rest[relayed.consumedCount...])
    if isMisdirected {
      keepPipelined(client, next)
      respond(id, .misdirected)
      return
    }
    if let route, let wait = rateLimitWait(id, route, head, fields) {
      keepPipelined(client, next)
      let pool = plan.routes[route].pool
      if pool >= 0 { plan.pools[pool].refusals.count(.rateLimited, worker: workerIndex) }
      respond(id, .rateLimited, retryAfter: wait)
      return
    }
    if head.maxForwards == 0 {
      answer(id, with: plan.lastHop, head, bytes, rest: next)
      return
    }
    if let route, plan.routes[route].pool < 0, let fixed = fixedAnswer(route) {
      answer(id, with: fixed, head, bytes, rest: next)
      return
    }
    let isWritten = writeUpstreamHead(id, route, head, noted, fields, content)
    if let route {
      readPickKey(id, pool: plan.routes[route].pool, head, fields)
      state.pointee.admission.level = priorityLevel(plan.routes[route].pool, fields)
    }
    // `bytes` may be invalid from here on, because they may belong to the input.
    keepPipelined(client, next)
    guard let route else {
      respond(id, .noRoute)
      return
    }
    guard isWritten else {
      respond(id, .headTooLarge)
      return
    }
    let pool = plan.routes[route].pool
    state.pointee.pool = pool
    state.pointee.timeouts = plan.routes[route].timeouts
    state.pointee.retriesLeft = Int8(clamping: plan.routes[route].retriesMax)
    state.pointee.replayBytesMax = plan.pools[pool].retries.replayBytesMax
    state.pointee.isIdempotent = head.method.isIdempotent || plan.routes[route].isIdempotent
    awaitContent(
      id, expectsContinue: head.expectsContinue,
      // Calls may be conversations, which would stand still if their content were waited for.
      waitsFor: state.pointee.isGRPC ? 0 : plan.routes[route].requestBufferBytes)
  }

  private mutating func countArrival(_ pool: Int) {
    if pool >= 0 { plan.pools[pool].traffic.countArrival(worker: workerIndex) }
  }

  /// Opens an exchange on the client connection. `closeExchange` ends it.
  mutating func openExchange(_ client: ClientID) -> ExchangeID {
    let id = exchanges.begin()
    let exchange = exchanges[id]
    reusable.remove(client.index)
    exchange.pointee.client = ClientStream(client)
    exchange.pointee.startedAt = io.now
    exchange.pointee.arrivedAt = io.now
    exchange.pointee.admittedAt = io.now
    exchange.pointee.sender.address = slab.downstream[client.index].peer
    slab.downstream[client.index].exchange = id
    return id
  }

  /// Keeps the bytes after the request in the input, or copies them there, and pauses the client.
  mutating func keepPipelined(_ id: ClientID, _ rest: UnsafeRawBufferPointer) {
    let state = slab.downstream + id.index
    if state.pointee.input.block != nil {
      state.pointee.input.start = state.pointee.input.end - rest.count
      if rest.isEmpty { release(&state.pointee.input) }
    } else if !rest.isEmpty {
      // `hold` cannot fail, because a read that begins with a head is shorter than a block.
      _ = hold(rest, in: &state.pointee.input)
    }
    if !rest.isEmpty { io.setPaused(id.connection, true) }
  }

  /// Writes the head for the endpoint, and the content received so far, into a block that is kept
  /// for retries. Returns false if it does not fit or there is no block.
  private mutating func writeUpstreamHead(
    _ id: ExchangeID, _ route: Int?, _ head: RequestHead, _ noted: NotedFields,
    _ fields: FieldTable, _ content: UnsafeRawBufferPointer
  ) -> Bool {
    let state = exchanges[id]
    guard let route, let block = blocks.take() else { return false }
    var writer = ByteWriter(
      UnsafeMutableRawBufferPointer(start: block, count: Self.blockBytes))
    let forwarded = ForwardedRequest(
      head: head, fields: fields, noted: noted, client: forwardedClient(id, noted, fields),
      host: plan.pools[plan.routes[route].pool].host, rewrite: plan.routes[route].rewrite,
      matchedCount: plan.routes[route].matchedCount, isHTTP2: state.pointee.version == .http2,
      callTimeout: state.pointee.callEndsAt == .distantFuture
        ? nil : state.pointee.callEndsAt - io.now)
    if plan.certificateFields.isEmpty {
      forwarded.write(to: &writer)
    } else {
      withUnsafePointer(to: forwardedCertificate(id)) {
        forwarded.write(to: &writer, certificate: $0)
      }
    }
    writer.append(content)
    guard !writer.hasOverflowed else {
      blocks.give(block)
      return false
    }
    state.pointee.replay.first = HeldBytes(block: block, end: writer.count)
    state.pointee.replay.contentCount = content.count
    return true
  }

  /// Picks an endpoint and sends it the request from the replay block.
  mutating func attempt(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool else {
      answerFailed(id, .noEndpoint)
      return
    }
    guard let position = pick(id, pool) else {
      if !waitsForSlot(id) { answerUnpicked(id) }
      return
    }
    let sheds = plan.pools[pool].picker.sheds(
      position, load: leases.load, tunnels: leases.tunnels, pickBoard: context.pickBoard,
      timeout: state.pointee.timeouts.firstByte)
    if sheds {
      answerFailed(id, .shed)
      return
    }
    let endpointIndex = plan.pools[pool].endpointIndexes[position]
    state.pointee.lease = leases.take(
      endpointIndex, now: io.now, contentBytes: contentByteCount(id))
    _ = state.pointee.machine.take(.asked)
    if state.pointee.isRepeat { leases.countRepeat(endpointIndex, isBeginning: true) }
    noteAttempt(id, endpointIndex: endpointIndex)
    if usesStreams(endpointIndex, pool) {
      sendOnStream(id, endpointIndex)
      return
    }
    if plan.pools[pool].proxyHeader == .none, sendOnKept(id, endpointIndex) { return }
    connectAndSend(id, endpointIndex)
  }

  /// Sends the request on a new connection to the endpoint of the exchange's lease.
  mutating func connectAndSend(_ id: ExchangeID, _ endpointIndex: Int) {
    if let endpoint = plan.endpoints[endpointIndex], usesStreams(endpointIndex, endpoint.pool) {
      sendOnStream(id, endpointIndex)
      return
    }
    let header = plan.endpoints[endpointIndex].map { plan.pools[$0.pool].proxyHeader } ?? .none
    do throws(IOError) {
      let upstream = try connect(to: endpointIndex)
      if header != .none {
        slab.upstream[upstream.index].isPrivate = true
        sendProxyHeader(header, id, to: upstream)
      }
      if let endpoint = plan.endpoints[endpointIndex], plan.pools[endpoint.pool].tls != nil {
        try beginSecure(upstream, plan.peer(endpointIndex))
      }
      send(id, to: upstream, endpointIndex: endpointIndex)
    } catch {
      connectFailed(id, error)
    }
  }

  /// Handles an attempt that could not connect, with the system's error.
  mutating func connectFailed(_ id: ExchangeID, _ error: IOError) {
    if error.isLocalShortage {
      releaseAttempt(id, .abandoned)
      answerFailed(id, .overloaded)
    } else {
      exchanges[id].pointee.failure = .connection(error.isRefused ? .refused : .unreachable)
      attemptFailed(id, .connectFailed, isUnsent: true)
    }
  }

  private mutating func pick(_ id: ExchangeID, _ pool: Int) -> Int? {
    let state = exchanges[id]
    refresh(pool)
    guard hasRoom(pool) else { return nil }
    let position =
      plan.pools[pool].queue.capacities.isEmpty ? pickPosition(id, pool) : occupySlot(id, pool)
    guard let position else { return nil }
    state.pointee.tried.insert(position)
    return position
  }

  /// The position that the picker chooses for the exchange; nil: none.
  mutating func pickPosition(_ id: ExchangeID, _ pool: Int) -> Int? {
    let state = exchanges[id]
    let isRepeatable = isRepeatable(id, pool)
    if let position = takeHint(id, pool) { return position }
    return plan.pools[pool].picker.pick(
      now: io.now, load: leases.load, tunnels: leases.tunnels, pickBoard: context.pickBoard,
      tried: state.pointee.tried, key: state.pointee.pickKey, room: room(pool),
      isRepeatable: isRepeatable, contentBytes: knownContentByteCount(id), random: &random)
  }

  /// Reads the other workers' counts of the pool's endpoints, once a turn.
  mutating func refresh(_ pool: Int) {
    guard plan.pools[pool].refreshedTurn != turn else { return }
    plan.pools[pool].refreshedTurn = turn
    plan.pools[pool].othersInFlight = leases.refresh(&plan.pools[pool].picker, now: io.now)
    leases.takeNotices(&plan.pools[pool].picker, now: io.now, &random)
    if plan.pools[pool].breakers.limitsConnections {
      connections.refresh(plan.pools[pool].endpointIndexes)
    }
  }

  mutating func connect(to endpointIndex: Int) throws(IOError) -> EndpointConnectionID {
    guard let address = plan.endpoints[endpointIndex]?.address else { throw IOError("connect", 0) }
    if io.freeConnectionCount == 0 { makeRoom(sparingYoung: false) }
    let connection: ConnectionID
    do throws(IOError) {
      connection = try io.connect(to: address, tag: Self.upstreamTag)
    } catch {
      // Descriptors may be exhausted although the loop has room for a connection.
      guard error.isDescriptorShortage, makeRoom(sparingYoung: false) else { throw error }
      connection = try io.connect(to: address, tag: Self.upstreamTag)
    }
    let upstream = EndpointConnectionID(connection)
    (slab.upstream + upstream.index).initialize(to: Upstream())
    slab.upstream[upstream.index].endpointIndex = endpointIndex
    connections.opened(endpointIndex)
    return upstream
  }

  /// Sends the part of the request that was received. Returns false if the connection was closed
  /// before the endpoint took a byte.
  @discardableResult
  mutating func send(_ id: ExchangeID, to upstream: EndpointConnectionID, endpointIndex: Int)
    -> Bool
  {
    let state = exchanges[id]
    let other = slab.upstream + upstream.index
    state.pointee.upstream = EndpointStream(upstream)
    state.pointee.sentAt = io.now
    other.pointee.exchange = id
    other.pointee.endpointIndex = endpointIndex
    other.pointee.exchangeCount += 1
    // One read takes a head and short content. Long content is better moved than read.
    io.setReadLimit(upstream.connection, Self.headReadMax)
    state.pointee.interimByteCount = 0
    if state.pointee.interims == .sent { state.pointee.interims = .sentBefore }
    other.pointee.sentCount = 0
    if state.pointee.isGRPC { renewCall(id) }
    sendReplay(state.pointee.replay, to: upstream)
    let isSent = io.unsentByteCount(upstream.connection) == 0
    if other.pointee.phase == .connecting {
      io.setDeadline(upstream.connection, io.now + state.pointee.timeouts.connect)
    } else {
      setUploadDeadlines(id)
    }
    if !state.pointee.request.isComplete { setPaused(clientStream(id), !isSent) }
    return !io.hasFailed(upstream.connection)
      || !isUntaken(upstream, isEnded: io.wasEndedFirst(upstream.connection))
  }
}
