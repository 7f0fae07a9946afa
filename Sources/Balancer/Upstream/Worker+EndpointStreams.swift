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
      let connection = try connectionForStream(endpointIndex)
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
      if error.isLocalShortage {
        releaseAttempt(id, .abandoned)
        answerFailed(id, .overloaded)
      } else {
        exchanges[id].pointee.failure = .connection(error.isRefused ? .refused : .unreachable)
        attemptFailed(id, .connectFailed, isUnsent: true)
      }
    }
  }

  /// The connection with the most room for streams, or a new one if there is none.
  private mutating func connectionForStream(
    _ endpointIndex: Int
  ) throws(IOError) -> EndpointConnectionID {
    var best = EndpointConnectionID.none
    var bestRoom = 0
    var next = multiplexed.newest(endpointIndex)
    while let id = next {
      let following = slab.upstream[id.index].next
      next = following == .none ? nil : following
      guard isSecuredAsNow(id, endpointIndex) else {
        io.drainSession(id.connection, .shutdown)
        continue
      }
      if let allowed = io.peerStreamsMax(id.connection) { streamsAllowed[endpointIndex] = allowed }
      let room = io.streamRoom(id.connection)
      if room > bestRoom { (best, bestRoom) = (id, room) }
    }
    if best == .none { return try openMultiplexed(endpointIndex) }
    // The next requests find the other connection open.
    if bestRoom == 1 { _ = try? openMultiplexed(endpointIndex) }
    return best
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

  /// Handles an endpoint that did not choose HTTP/2 in the handshake. With `auto` its requests are
  /// sent again as HTTP/1.1; nothing was processed.
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

  private mutating func closeMultiplexed(_ id: EndpointConnectionID) {
    multiplexed.remove(id, in: slab)
    closeUpstream(id)
  }

}
