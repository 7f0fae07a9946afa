// Who the client of an exchange is and what identifies its request: the socket's peer, what a
// PROXY header or a trusted proxy's X-Forwarded-For says, request identifiers, traces, hints.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

/// One connection's client, and one exchange's.
struct ClientIdentity {
  /// Who the connection comes from: the socket's peer, or whom a PROXY header names.
  var peer = IPAddress.none
  var peerPort: UInt16 = 0
  /// Where that one connected to, if a PROXY header says so.
  var destination: (address: IPAddress, port: UInt16)?
  /// The client's address. Its text is in the slab.
  var address = IPAddress.none
  var textCount = 0
  /// What `X-Forwarded-*` say is believed.
  var isPeerTrusted = false
  /// Bytes of the request identifier in the slab; 0: none.
  var requestIDCount = 0
  /// The endpoint that the client asks for; port 0: none.
  var hint = IPAddress.none
  var hintPort: UInt16 = 0
}

extension Worker {
  /// Notes who was accepted. False where nobody may connect to the listener from there.
  mutating func identifyPeer(_ id: ConnectionID, _ tag: UInt32) -> Bool {
    let state = slab.downstream + Int(id.index)
    (state.pointee.client.peer, state.pointee.client.peerPort) = io.acceptedPeer
    setClient(id, state.pointee.client.peer)
    guard let listener = plan.listener(tag), listener.hasProxyHeader else { return true }
    state.pointee.phase = .preface
    return listener.trustedProxies.isEmpty
      || listener.trustedProxies.contain(state.pointee.client.peer)
  }

  private mutating func setClient(_ id: ConnectionID, _ address: IPAddress) {
    let state = slab.downstream + Int(id.index)
    if state.pointee.client.address == address { return }
    state.pointee.client.address = address
    state.pointee.client.textCount = address.write(to: slab.addresses + Int(id.index) * 46)
  }

  /// The client's address as text, in this exchange.
  mutating func clientText(_ id: ConnectionID) -> UnsafeRawBufferPointer {
    slab.address(
      Int(id.index), count: slab.downstream[Int(id.index)].client.textCount)
  }

  /// The request's identifier; empty where it has none.
  mutating func requestID(_ id: ConnectionID) -> UnsafeRawBufferPointer {
    slab.requestID(
      Int(id.index), count: slab.downstream[Int(id.index)].client.requestIDCount)
  }

  // MARK: PROXY protocol

  /// The bytes before the first request.
  mutating func receivePreface(
    _ id: ConnectionID, _ tag: UInt32, _ received: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + Int(id.index)
    var bytes = received
    if state.pointee.input.block != nil {
      guard hold(received, in: &state.pointee.input) else {
        refusePreface(id)
        return
      }
      bytes = state.pointee.input.bytes
    }
    switch ProxyProtocol.parse(bytes) {
    case .incomplete:
      if state.pointee.input.block == nil, !hold(bytes, in: &state.pointee.input) {
        refusePreface(id)
      }
    case .malformed: refusePreface(id)
    case .complete(let count, let connection):
      if let connection {
        state.pointee.client.peer = connection.source
        state.pointee.client.peerPort = connection.sourcePort
        state.pointee.client.destination = (connection.destination, connection.destinationPort)
        setClient(id, connection.source)
      }
      let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
      if state.pointee.input.block != nil {
        state.pointee.input.start += count
        if rest.isEmpty { release(&state.pointee.input) }
      }
      beginHeads(id, tag, rest)
    }
  }

  /// Nothing is said to who does not speak the protocol.
  mutating func refusePreface(_ id: ConnectionID) {
    context.metrics.wire.countHeaderFailure(worker: index)
    closeDownstream(id)
  }

  /// The header that goes before the first request to an endpoint.
  mutating func sendProxyHeader(
    _ version: ProxyHeader, _ id: ConnectionID, to upstream: ConnectionID
  ) {
    let client = slab.downstream[Int(id.index)].client
    var connection: ProxiedConnection?
    if let local = client.destination ?? io.localAddress(id) {
      // The port is that of the connection, of whichever client it is.
      let port = client.address == client.peer ? client.peerPort : 0
      connection = ProxiedConnection(
        source: client.address, sourcePort: port, destination: local.address,
        destinationPort: local.port)
    }
    var writer = HeadWriter(scratch)
    switch version {
    case .none: return
    case .v1: ProxyProtocol.writeLine(connection, to: &writer)
    case .v2: ProxyProtocol.writeBinary(connection, to: &writer)
    }
    io.send(upstream, writer.written)
  }

  // MARK: An exchange

  /// Notes whose request this is, what it is called, and where it wants to go.
  mutating func identifyClient(
    _ id: ConnectionID, _ tag: UInt32, _ noted: NotedFields, _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + Int(id.index)
    state.pointee.client.isPeerTrusted = false
    state.pointee.client.hintPort = 0
    if let trusted = plan.listener(tag)?.trustedProxies, !trusted.isEmpty {
      let peer = state.pointee.client.peer
      let isTrusted = trusted.contain(peer)
      state.pointee.client.isPeerTrusted = isTrusted
      setClient(
        id,
        isTrusted && noted.hasForwardedFor
          ? ForwardedFor.client(requests, bytes, peer: peer, trusted: trusted) : peer)
    }
    if let place = noted.endpointHint.only, !plan.wishes.trusted.isEmpty,
      plan.wishes.trusted.contain(state.pointee.client.address),
      let (address, port) = IPAddress.withPort(requests.value(place, in: bytes)), let port
    {
      (state.pointee.client.hint, state.pointee.client.hintPort) = (address, port)
    }
    noteRequestID(id, noted, bytes)
  }

  private mutating func noteRequestID(
    _ id: ConnectionID, _ noted: NotedFields, _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + Int(id.index)
    let room = slab.requestIDs + Int(id.index) * RequestID.byteCountMax
    switch plan.tracing.requestID {
    case .none: state.pointee.client.requestIDCount = 0
    case .accept:
      if let place = noted.requestID.only {
        let given = requests.value(place, in: bytes)
        if RequestID.isAcceptable(given), let source = given.baseAddress {
          room.copyMemory(from: source, byteCount: given.count)
          state.pointee.client.requestIDCount = given.count
          return
        }
      }
      fallthrough
    case .make:
      let (high, low) = identifiers.next()
      state.pointee.client.requestIDCount = RequestID.write(high, low, to: room)
    }
  }

  /// What the request's head is rewritten with. Uses `scratch`.
  mutating func forwardedClient(
    _ id: ConnectionID, _ noted: NotedFields, _ bytes: UnsafeRawBufferPointer
  ) -> ForwardedClient {
    let client = slab.downstream[Int(id.index)].client
    var peer = clientText(id)
    if client.peer != client.address, let room = scratch.baseAddress {
      peer = UnsafeRawBufferPointer(start: room, count: client.peer.write(to: room))
    }
    return ForwardedClient(
      address: clientText(id), peer: peer, isPeerTrusted: client.isPeerTrusted,
      requestID: requestID(id), trace: forwardedTrace(noted, bytes))
  }

  private mutating func forwardedTrace(
    _ noted: NotedFields, _ bytes: UnsafeRawBufferPointer
  ) -> ForwardedTrace {
    let mode = plan.tracing.traceparent
    if noted.traceparent.isAbsent {
      // Who asks for traces wants them recorded; endpoints go by this flag.
      return mode == .make ? .begun(newTrace(flags: 1)) : .dropped
    }
    if let place = noted.traceparent.only,
      var parent = TraceParent(requests.value(place, in: bytes))
    {
      if mode == .keep { return .kept }
      parent.span = identifiers.nextHalf()
      return .renewed(parent)
    }
    return mode == .keep ? .dropped : .begun(newTrace(flags: 0))
  }

  private mutating func newTrace(flags: UInt8) -> TraceParent {
    let (high, low) = identifiers.next()
    return TraceParent(
      traceHigh: high, traceLow: low, span: identifiers.nextHalf(), flags: flags)
  }

  /// What the response's head gets. Valid until the exchange ends.
  mutating func responseFields(_ id: ConnectionID) -> ResponseFields {
    var fields = ResponseFields()
    if plan.tracing.answersRequestID { fields.requestID = requestID(id) }
    if plan.tracing.servedBy, let slot = slab.downstream[Int(id.index)].lease?.slot,
      let endpoint = plan.endpoints[slot]
    {
      fields.servedBy = (endpoint.ip, endpoint.port)
    }
    return fields
  }

  /// The position of the endpoint that the client asks for, where it may be used. Once: a retry
  /// goes elsewhere.
  mutating func takeHint(_ id: ConnectionID) -> Int? {
    let state = slab.downstream + Int(id.index)
    let client = state.pointee.client
    guard client.hintPort != 0 else { return nil }
    state.pointee.client.hintPort = 0
    let pool = state.pointee.pool
    for (position, slot) in plan.pools[pool].slots.enumerated() {
      guard let endpoint = plan.endpoints[slot], endpoint.port == client.hintPort,
        endpoint.ip == client.hint
      else { continue }
      return plan.pools[pool].picker.takes(
        position, now: io.now, load: leases.load, tunnels: leases.tunnels,
        tried: state.pointee.tried, room: room(pool)) ? position : nil
    }
    return nil
  }
}
