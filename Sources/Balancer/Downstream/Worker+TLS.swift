// TLS on both sides of an exchange: connections that begin with a handshake, handshakes that fail,
// and what the endpoint is told of the client's certificate. Everything else is as without TLS.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  // MARK: Clients

  /// Begins the handshake with a client. `received`: what it sent after its PROXY header.
  mutating func beginSecure(
    _ id: ClientID, _ tag: UInt32, _ tls: ServerContext?, _ received: UnsafeRawBufferPointer
  ) {
    guard let tls, admitConnection(id) else {
      // Without a certificate nothing can be said; `admitConnection` has closed the other.
      if tls == nil { closeDownstream(id) }
      return
    }
    let state = slab.downstream + id.index
    state.pointee.phase = .head
    io.startTLS(id.connection, tls, received: received)
    release(&state.pointee.input)
    io.setDeadline(
      id.connection, io.now + (plan.listener(tag)?.headTimeout ?? Self.idleTimeoutOfNone))
    reusable.append(id.index, .silent)
  }

  /// The handshake with a client is over.
  mutating func downstreamSecured(_ id: ClientID) {
    context.metrics.tls.countHandshake(
      worker: workerIndex, .client, isResumed: io.isResumed(id.connection))
    expectHead(id)
    reusable.append(id.index, .unfinished)
  }

  /// Handles a TLS connection of a client that has failed.
  mutating func downstreamFailed(_ id: ClientID) {
    guard let failure = io.tlsFailure(id.connection) else {
      downstreamGone(id, isCut: true)
      return
    }
    reportTLS(id, failure)
    guard failure == .plainHTTP, slab.downstream[id.index].exchange == .none else {
      downstreamGone(id, isCut: true)
      return
    }
    io.leaveTLS(id.connection)
    respond(id, .plainHTTP)
  }

  mutating func handshakeTimedOut(_ id: ClientID) {
    reportTLS(id, .timeout)
    closeDownstream(id)
  }

  /// Counts and reports why TLS with a client failed.
  private mutating func reportTLS(_ id: ClientID, _ failure: TLSFailure) {
    context.metrics.tls.countFailure(worker: workerIndex, .client, failure)
    context.metrics.failures.report(
      FailureNote(
        reason: .tls(failure), end: failure == .plainHTTP ? .answered(400) : .nothing,
        client: slab.downstream[id.index].peer, endpointIndex: -1),
      worker: workerIndex)
  }

  /// Whether the connection's certificate was chosen for another host than the request's.
  @inline(never)
  mutating func isMisdirected(
    _ id: ClientID, _ head: RequestHead, _ fields: FieldTable
  ) -> Bool {
    var host = UnsafeRawBufferPointer(
      rebasing: fields.bytes[head.authorityStart..<max(head.authorityStart, head.authorityEnd)])
    guard !host.isEmpty else { return false }
    if let colon = host.lastIndex(of: UInt8(ascii: ":")), host.last != UInt8(ascii: "]") {
      host = UnsafeRawBufferPointer(rebasing: host[..<colon])
    }
    return !io.servesHost(id.connection, host)
  }

  /// What the endpoint is told of the client's certificate. Requires: some listener tells it.
  mutating func forwardedCertificate(_ id: ExchangeID) -> ForwardedCertificate {
    var told = ForwardedCertificate(reserved: plan.certificateFields)
    let connection = clientID(id).connection
    guard let tls = plan.tls(io.tag(connection)),
      let shown = io.clientCertificate(connection)
    else { return told }
    (told.subjectField, told.namesField) = (tls.subjectField, tls.namesField)
    (told.subject, told.names) = (shown.subject, shown.names)
    return told
  }

  // MARK: Endpoints

  /// Begins the handshake with an endpoint, after the PROXY header. Without a peer the connection
  /// fails, and nothing is sent on it in the clear.
  mutating func beginSecure(_ id: EndpointConnectionID, _ peer: TLSPeer?) throws(IOError) {
    guard let peer else {
      closeUpstream(id)
      throw IOError("connect", 0)
    }
    io.startTLS(id.connection, peer)
  }

  /// Whether a kept connection was made as one would be made now: in the clear, or with the same
  /// certificates and for the same name. A reload or changed files may want it otherwise.
  mutating func isSecuredAsNow(_ id: EndpointConnectionID, _ endpointIndex: Int) -> Bool {
    guard let pool = plan.endpoints[endpointIndex]?.pool else { return false }
    if plan.pools[pool].tls == nil { return !io.isSecure(id.connection) }
    return io.isSecure(id.connection) && io.hasPeer(id.connection, like: plan.peer(endpointIndex))
  }

  /// Counts why TLS with an endpoint failed, if it did.
  mutating func noteEndpointTLS(_ id: EndpointConnectionID) {
    guard let failure = io.tlsFailure(id.connection) else { return }
    context.metrics.tls.countFailure(worker: workerIndex, .endpoint, failure)
  }
}
