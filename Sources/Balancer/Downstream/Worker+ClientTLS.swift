// TLS with clients: connections that begin with a handshake, handshakes that fail, and what the
// endpoint is told of the client's certificate. Everything else is as without TLS.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
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
    if io.isHTTP2(id.connection) {
      beginStreams(id, UnsafeRawBufferPointer(start: nil, count: 0))
      return
    }
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
    let host = RouteTable.hostRange(head.authorityStart..<head.authorityEnd, fields.bytes)
    return !host.isEmpty
      && !io.servesHost(id.connection, UnsafeRawBufferPointer(rebasing: fields.bytes[host]))
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
}
