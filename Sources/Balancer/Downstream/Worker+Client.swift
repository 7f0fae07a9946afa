// Identifies the client and the request of an exchange: the socket's peer, the address in a PROXY
// header or in a trusted proxy's X-Forwarded-For, the request identifier, the trace, and the
// endpoint that the client prefers. Invariant: X-Forwarded-For and the preferred endpoint are
// believed only from trusted addresses.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

/// The client of an exchange.
struct ClientIdentity {
  /// The address of the connection's peer, or the address that a trusted peer names.
  var address = IPAddress.none
  /// The endpoint that the client prefers. Port 0: none.
  var hint = IPAddress.none
  var hintPort: UInt16 = 0
  /// Whether the values of `X-Forwarded-*` are believed.
  var isPeerTrusted = false
  /// The length of the request identifier that is stored after the exchange, bytes. 0: none.
  var requestIDCount: UInt8 = 0
  /// Whether the worker made the request identifier.
  var isRequestIDMade = false
}

extension Worker where Loop: ~Copyable {
  /// Notes the peer of an accepted connection. Returns false if the listener takes no connection
  /// from that address.
  mutating func identifyPeer(_ id: ClientID, _ tag: UInt32) -> Bool {
    let state = slab.downstream + id.index
    (state.pointee.peer, state.pointee.peerPort) = io.acceptedPeer
    guard let listener = plan.listener(tag), listener.hasProxyHeader else { return true }
    state.pointee.phase = .preface
    return listener.trustedProxies.isEmpty
      || listener.trustedProxies.contain(state.pointee.peer)
  }

  /// The text of the client's address in this exchange.
  mutating func clientText(_ id: ExchangeID) -> UnsafeRawBufferPointer {
    let exchange = exchanges[id]
    return ExchangeSlab.text(of: exchange.pointee.sender.address, in: exchange)
  }

  /// The request's identifier; empty: it has none.
  mutating func requestID(_ id: ExchangeID) -> UnsafeRawBufferPointer {
    let exchange = exchanges[id]
    return UnsafeRawBufferPointer(
      start: ExchangeSlab.requestIDRoom(exchange),
      count: Int(exchange.pointee.sender.requestIDCount))
  }

  // MARK: PROXY protocol

  /// Handles bytes before the first request: the PROXY header.
  mutating func receivePreface(
    _ id: ClientID, _ tag: UInt32, _ received: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + id.index
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
        state.pointee.peer = connection.source
        state.pointee.peerPort = connection.sourcePort
        state.pointee.hasDestination = true
        (slab.destinations + id.index).initialize(
          to: Destination(address: connection.destination, port: connection.destinationPort))
      }
      let rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
      if let tls = plan.tls(tag) {
        beginSecure(id, tag, tls.context, rest)
        return
      }
      if state.pointee.input.block != nil {
        state.pointee.input.start += count
        if rest.isEmpty { release(&state.pointee.input) }
      }
      beginHeads(id, tag, rest)
    }
  }

  /// Closes a connection without an answer, because its peer does not speak the PROXY protocol.
  mutating func refusePreface(_ id: ClientID) {
    context.metrics.wire.countHeaderFailure(worker: workerIndex)
    closeDownstream(id)
  }

  /// Sends the PROXY header before the first request to an endpoint.
  mutating func sendProxyHeader(
    _ version: ProxyHeader, _ id: ExchangeID, to upstream: EndpointConnectionID
  ) {
    let state = slab.downstream + clientID(id).index
    let client = exchanges[id].pointee.sender.address
    var connection: ProxiedConnection?
    if let local = destination(clientID(id)) {
      // The port is known only for the connection's own peer, not for an address from a header.
      let port = client == state.pointee.peer ? state.pointee.peerPort : 0
      connection = ProxiedConnection(
        source: client, sourcePort: port, destination: local.address,
        destinationPort: local.port)
    }
    var writer = ByteWriter(scratch)
    switch version {
    case .none: return
    case .v1: ProxyProtocol.writeLine(connection, to: &writer)
    case .v2: ProxyProtocol.writeBinary(connection, to: &writer)
    }
    io.send(upstream.connection, writer.written)
  }

  /// The address that the client connected to. Makes a system call if no PROXY header named it.
  private mutating func destination(_ id: ClientID) -> Destination? {
    let index = id.index
    if slab.downstream[index].hasDestination { return slab.destinations[index] }
    return io.localAddress(id.connection).map { Destination(address: $0.address, port: $0.port) }
  }

  // MARK: Exchanges

  /// Notes the request's client, its identifier and the endpoint that the client prefers.
  mutating func identifyClient(
    _ id: ExchangeID, _ tag: UInt32, _ noted: NotedFields, _ fields: FieldTable
  ) {
    let state = exchanges[id]
    if let trusted = plan.listener(tag)?.trustedProxies, !trusted.isEmpty {
      let peer = state.pointee.sender.address
      let isTrusted = trusted.contain(peer)
      state.pointee.sender.isPeerTrusted = isTrusted
      if isTrusted, noted.hasForwardedFor {
        state.pointee.sender.address =
          ForwardedFor.client(fields, peer: peer, trusted: trusted)
      }
    }
    if let field = noted.endpointHint.only, !plan.clientHints.trusted.isEmpty,
      plan.clientHints.trusted.contain(state.pointee.sender.address),
      let (address, port) = IPAddress.withPort(fields.value(field)), let port
    {
      (state.pointee.sender.hint, state.pointee.sender.hintPort) = (address, port)
    }
    noteRequestID(id, noted, fields)
  }

  private mutating func noteRequestID(
    _ id: ExchangeID, _ noted: NotedFields, _ fields: FieldTable
  ) {
    let state = exchanges[id]
    let room = ExchangeSlab.requestIDRoom(state)
    switch plan.tracing.requestID {
    case .none: break
    case .accept:
      if let field = noted.requestID.only {
        let given = fields.value(field)
        if RequestID.isAcceptable(given), let source = given.baseAddress {
          room.copyMemory(from: source, byteCount: given.count)
          state.pointee.sender.requestIDCount = UInt8(given.count)
          return
        }
      }
      fallthrough
    case .make:
      let (high, low) = identifiers.next()
      state.pointee.sender.requestIDCount = UInt8(RequestID.write(high, low, to: room))
      state.pointee.sender.isRequestIDMade = true
    }
  }

  /// Increments the last digit of an identifier that the worker made, before the request is sent to
  /// the same endpoint again. The endpoint may refuse an identifier that it knows, or confuse the
  /// two requests. Requires: the request is kept for retries.
  mutating func renewRequestID(_ id: ExchangeID) {
    let state = exchanges[id]
    let text = requestID(id)
    guard state.pointee.sender.isRequestIDMade, let last = text.last,
      let end = state.pointee.replay.first.endOfFirst(text)
    else { return }
    let next: UInt8
    switch last {
    case UInt8(ascii: "9"): next = UInt8(ascii: "a")
    case UInt8(ascii: "f"): next = UInt8(ascii: "0")
    default: next = last + 1
    }
    end.storeBytes(of: next, toByteOffset: -1, as: UInt8.self)
    ExchangeSlab.requestIDRoom(state).storeBytes(
      of: next, toByteOffset: text.count - 1, as: UInt8.self)
    if state.pointee.isLogged { records.set(.requestID, id.index, text) }
  }

  /// The values with which the request's head is rewritten. Uses `scratch`.
  mutating func forwardedClient(
    _ id: ExchangeID, _ noted: NotedFields, _ fields: FieldTable
  ) -> ForwardedClient {
    let client = exchanges[id].pointee.sender
    let address = clientText(id)
    var peer = address
    if slab.downstream[clientID(id).index].peer != client.address, let room = scratch.baseAddress {
      let count = slab.downstream[clientID(id).index].peer.write(to: room)
      peer = UnsafeRawBufferPointer(start: room, count: count)
    }
    return ForwardedClient(
      address: address, peer: peer, isPeerTrusted: client.isPeerTrusted,
      requestID: requestID(id), trace: forwardedTrace(id, noted, fields),
      isSecure: io.isSecure(clientID(id).connection))
  }

  private mutating func forwardedTrace(
    _ id: ExchangeID, _ noted: NotedFields, _ fields: FieldTable
  ) -> ForwardedTrace {
    let mode = plan.tracing.traceparent
    if noted.traceparent.isAbsent {
      // A configuration that makes traces wants them recorded, and endpoints read this flag.
      return mode == .make ? .begun(newTrace(id, flags: 1)) : .dropped
    }
    if let field = noted.traceparent.only,
      var parent = TraceParent(fields.value(field))
    {
      exchanges[id].pointee.traceHigh = parent.traceHigh
      exchanges[id].pointee.traceLow = parent.traceLow
      if mode == .keep { return .kept }
      parent.span = identifiers.nextHalf()
      return .renewed(parent)
    }
    return mode == .keep ? .dropped : .begun(newTrace(id, flags: 0))
  }

  private mutating func newTrace(_ id: ExchangeID, flags: UInt8) -> TraceParent {
    let (high, low) = identifiers.next()
    exchanges[id].pointee.traceHigh = high
    exchanges[id].pointee.traceLow = low
    return TraceParent(
      traceHigh: high, traceLow: low, span: identifiers.nextHalf(), flags: flags)
  }

  /// The fields that are added to the response's head. Valid until the exchange ends.
  mutating func responseFields(_ id: ExchangeID) -> ResponseFields {
    var fields = ResponseFields()
    let connection = clientID(id).connection
    if io.isSecure(connection), let tls = plan.tls(io.tag(connection)) {
      fields.strictTransport = tls.strictTransport
    }
    if plan.tracing.answersRequestID { fields.requestID = requestID(id) }
    if plan.tracing.servedBy, let endpointIndex = exchanges[id].pointee.lease?.endpointIndex,
      let endpoint = plan.endpoints[endpointIndex]
    {
      fields.servedBy = (endpoint.ip, endpoint.port)
    }
    return fields
  }

  /// Takes the position of the endpoint that the client prefers; nil: none, or it may not be
  /// picked. Only the first attempt uses the preference, so that a retry goes to another endpoint.
  mutating func takeHint(_ id: ExchangeID, _ pool: Int) -> Int? {
    let state = exchanges[id]
    let client = state.pointee.sender
    guard client.hintPort != 0 else { return nil }
    state.pointee.sender.hintPort = 0
    for (position, endpointIndex) in plan.pools[pool].endpointIndexes.enumerated() {
      guard let endpoint = plan.endpoints[endpointIndex], endpoint.port == client.hintPort,
        endpoint.ip == client.hint
      else { continue }
      return plan.pools[pool].picker.takes(
        position, now: io.now, load: leases.load, tunnels: leases.tunnels,
        tried: state.pointee.tried, room: room(pool)) ? position : nil
    }
    return nil
  }
}
