// Endpoints that speak HTTP/2: requests are streams of few connections. Another connection is
// opened before the streams of the last one are used up, so that no request waits unseen (gRPC
// A105).
// Invariant: an attempt has a stream of its own, which is closed when the attempt ends.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Whether requests to the endpoint are streams of HTTP/2. An endpoint whose protocol is chosen
  /// in the handshake is taken to speak it until it has chosen otherwise.
  @inline(__always)
  func usesStreams(_ endpointIndex: Int, _ pool: Int) -> Bool {
    switch plan.pools[pool].endpointProtocol {
    case .http1: false
    case .http2: true
    case .auto: !speaksHTTP1[endpointIndex]
    }
  }

  /// Sends the request on a stream of a connection to the endpoint, which is opened if need be.
  mutating func sendOnStream(_ id: ExchangeID, _ endpointIndex: Int) {
    do throws(IOError) {
      guard let connection = try connectionForStream(endpointIndex) else {
        // Each connection is in use, and the breaker allows no other.
        releaseAttempt(id, .abandoned)
        answerUnpicked(id)
        return
      }
      guard let opened = io.openStream(on: connection.connection, tag: Self.upstreamTag) else {
        releaseAttempt(id, .abandoned)
        answerFailed(id, .overloaded)
        return
      }
      let stream = EndpointConnectionID(opened)
      (slab.upstream + stream.index).initialize(to: Upstream())
      slab.upstream[stream.index].endpointIndex = endpointIndex
      if !io.isConnecting(connection.connection) { slab.upstream[stream.index].phase = .head }
      send(id, to: stream, endpointIndex: endpointIndex)
    } catch {
      connectFailed(id, error)
    }
  }

  /// The connection with the most room for streams, or a new one if there is none; nil: none may be
  /// opened.
  private mutating func connectionForStream(
    _ endpointIndex: Int
  ) throws(IOError) -> EndpointConnectionID? {
    var best = EndpointConnectionID.none
    var (bestRoom, sum) = (0, 0)
    var next = multiplexed.newest(endpointIndex)
    while let id = next {
      let following = slab.upstream[id.index].next
      next = following == .none ? nil : following
      guard isSecuredAsNow(id, endpointIndex) else {
        io.drainSession(id.connection, .shutdown)
        continue
      }
      if let allowed = io.peerStreamsMax(id.connection) {
        streamsAllowed[endpointIndex] = max(1, allowed)
      }
      let room = io.streamRoom(id.connection)
      sum += max(0, room)
      if room > bestRoom { (best, bestRoom) = (id, room) }
    }
    let mayOpen = mayConnect(endpointIndex)
    if best == .none { return mayOpen ? try openMultiplexed(endpointIndex) : nil }
    // The request after this one finds the other connection open. If that fails, it opens its own.
    if sum == 1, mayOpen { _ = try? openMultiplexed(endpointIndex) }
    return best
  }

  /// Whether the breaker allows one more connection to the endpoint.
  private mutating func mayConnect(_ endpointIndex: Int) -> Bool {
    guard let pool = plan.endpoints[endpointIndex]?.pool,
      plan.pools[pool].breakers.limitsConnections
    else { return true }
    return connections.total[endpointIndex] < room(pool).connectionsMax
  }

  private mutating func openMultiplexed(
    _ endpointIndex: Int
  ) throws(IOError) -> EndpointConnectionID {
    let id = try connect(to: endpointIndex)
    guard let endpoint = plan.endpoints[endpointIndex] else { throw IOError("connect", 0) }
    if plan.pools[endpoint.pool].tls != nil { try beginSecure(id, plan.peer(endpointIndex)) }
    var limits = SessionLimits()
    // Before its settings come the connection is taken to allow what the last one did.
    limits.streamsMax = plan.pools[endpoint.pool].keepAlive.streamsMax
    limits.peerStreamsMax = streamsAllowed[endpointIndex]
    limits.idle = plan.pools[endpoint.pool].keepAlive.idle
    limits.requestsMax = plan.pools[endpoint.pool].keepAlive.requestsMax
    slab.upstream[id.index].phase = .multiplexed
    guard
      io.beginSession(
        id.connection, isClient: true, limits: limits,
        received: UnsafeRawBufferPointer(start: nil, count: 0))
    else {
      closeUpstream(id)
      throw IOError("connect", 0)
    }
    multiplexed.insert(id, in: slab)
    return id
  }

  /// Handles an event of a connection whose streams are connections of their own.
  mutating func multiplexedEvent(_ id: EndpointConnectionID, _ event: IOEvent) {
    switch event.kind {
    case .connected:
      guard io.isSecure(id.connection) else { return }
      context.metrics.tls.countHandshake(
        worker: workerIndex, .endpoint, isResumed: io.isResumed(id.connection))
      if !io.isHTTP2(id.connection) { refuseHTTP1(id) }
    case .eof:
      noteEndpointTLS(id)
      closeMultiplexed(id)
    default: break
    }
  }

  /// Handles an endpoint that did not choose HTTP/2 in the handshake.
  private mutating func refuseHTTP1(_ id: EndpointConnectionID) {
    let endpointIndex = slab.upstream[id.index].endpointIndex
    if let endpoint = plan.endpoints[endpointIndex],
      plan.pools[endpoint.pool].endpointProtocol == .auto
    {
      speaksHTTP1[endpointIndex] = true
    }
    io.abandonSession(id.connection)
    closeMultiplexed(id)
  }

  /// Handles a request whose stream failed before its answer began. Returns false if it is handled
  /// like one on a connection of HTTP/1.
  mutating func endUnanswered(_ id: ExchangeID, _ end: StreamEnd) -> Bool {
    let state = exchanges[id]
    let endpointIndex = leasedEndpoint(id)
    switch end {
    case .cut, .tls: return false
    case .refused, .unprocessed:
      // No fault of the endpoint, which has too much to do or ends its connection.
      state.pointee.failure = end == .refused ? .connection(.streamRefused) : nil
      attemptFailed(id, .connectFailed, isUnsent: true, isStale: true)
    case .otherProtocol where speaksHTTP1[endpointIndex] && isKept(id):
      // `auto`: the same request again, on a connection of HTTP/1.1.
      closeUpstream(state.pointee.upstream.connection)
      state.pointee.upstream = .none
      _ = state.pointee.machine.take(.asked)
      connectAndSend(id, endpointIndex)
    case .otherProtocol:
      state.pointee.failure = .connection(.notHTTP2)
      handle(.connectFailed, of: id)
    }
    return true
  }

  /// Forgets what was learnt of an endpoint that was removed, and gives its connections no more
  /// requests.
  mutating func forgetStreams(_ endpointIndex: Int) {
    speaksHTTP1[endpointIndex] = false
    streamsAllowed[endpointIndex] = SessionLimits().peerStreamsMax
    var next = multiplexed.newest(endpointIndex)
    while let id = next {
      let following = slab.upstream[id.index].next
      next = following == .none ? nil : following
      io.drainSession(id.connection, .shutdown)
    }
  }

  private mutating func closeMultiplexed(_ id: EndpointConnectionID) {
    multiplexed.remove(id, in: slab)
    closeUpstream(id)
  }
}
