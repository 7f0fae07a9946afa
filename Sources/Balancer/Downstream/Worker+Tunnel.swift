// Tunnels after a 101 (RFC 9110 §7.8): two connections joined, with opaque bytes in both
// directions. Each side is read only as fast as the other side takes the bytes. The end of one side
// is passed on while the other side continues. Invariant: the lease is held until both connections
// are closed.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Begins a tunnel when the endpoint accepts the client's offer. `bytes` begin with the response
  /// head, and may continue with the endpoint's first bytes in the new protocol.
  mutating func beginTunnel(
    _ upstream: EndpointConnectionID, _ exchangeID: ExchangeID, _ head: ResponseHead,
    _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + clientID(exchangeID).index
    let exchange = exchanges[exchangeID]
    let other = slab.upstream + upstream.index
    var writer = ByteWriter(scratch)
    let forwarded = ForwardedResponse(
      head: head, fields: responses.table(in: bytes), isChunked: false, confirmsKeepAlive: false,
      closes: false,
      added: responseFields(exchangeID))
    forwarded.writePassed(to: &writer)
    writeAffinity(exchangeID, to: &writer)
    forwarded.writeOwn(to: &writer)
    guard !writer.hasOverflowed else {
      answerRefused(exchangeID, .headTooLarge)
      return
    }
    dropReplay(exchangeID)
    noteFirstByte(exchangeID)
    noteContent(exchangeID)
    cancelTimer(exchangeID, .end)
    state.pointee.phase = .tunnel
    _ = exchange.pointee.machine.take(.tunnelBegan)
    exchange.pointee.status = head.status
    other.pointee.phase = .tunnel
    noteTunnel(exchangeID)
    let first = UnsafeRawBufferPointer(rebasing: bytes[head.end...])
    countTunnel(exchangeID, .bytesToClient, first.count)
    send(exchangeID, writer.written, first)
    release(&other.pointee.input)
    // The client may have sent bytes before it received the 101.
    let early = state.pointee.input.bytes
    if !early.isEmpty {
      countTunnel(exchangeID, .bytesToEndpoint, early.count)
      noteReceived(exchangeID, early.count)
      io.send(upstream.connection, early)
    }
    release(&state.pointee.input)
    io.setReadLimit(clientID(exchangeID).connection, IOLoop.readMax)
    io.setReadLimit(upstream.connection, IOLoop.readMax)
    let (toEndpoint, toClient) = (
      io.unsentByteCount(upstream.connection), unsentByteCount(clientStream(exchangeID))
    )
    setPaused(clientStream(exchangeID), toEndpoint > 0)
    io.setPaused(upstream.connection, toClient > 0)
    io.setDeadline(upstream.connection, nil)
    setTunnelDeadline(exchangeID)
  }

  /// Ends the exchange for the metrics: the lifetime of a tunnel is no response time.
  private mutating func noteTunnel(_ exchangeID: ExchangeID) {
    let exchange = exchanges[exchangeID]
    guard var lease = exchange.pointee.lease.take() else { return }
    let endpointIndex = lease.endpointIndex
    leases.becomeTunnel(&lease)
    exchange.pointee.lease = consume lease
    context.metrics.wire.add(worker: workerIndex, endpointIndex: endpointIndex, .tunnels, 1)
    countExchange(exchangeID, endpointIndex: endpointIndex, .informational)
    if let endpoint = plan.endpoints[endpointIndex] {
      leases.noteSuccess(
        endpointIndex, &plan.pools[endpoint.pool].picker, endpoint.position, now: io.now)
    }
  }

  private mutating func countTunnel(
    _ exchangeID: ExchangeID, _ count: WireMetrics.Count, _ amount: Int
  ) {
    guard amount > 0, let endpointIndex = exchanges[exchangeID].pointee.lease?.endpointIndex else {
      return
    }
    context.metrics.wire.add(worker: workerIndex, endpointIndex: endpointIndex, count, amount)
  }

  /// Sets the deadline of silence: the tunnel's timeout, or the shorter idle timeout of an exchange
  /// once one side has ended.
  private mutating func setTunnelDeadline(_ exchangeID: ExchangeID) {
    let exchange = exchanges[exchangeID]
    let timeouts = exchange.pointee.timeouts
    let isHalf =
      exchange.pointee.machine.hasClientEnded || exchange.pointee.machine.hasEndpointEnded
    io.setDeadline(
      clientID(exchangeID).connection,
      io.now + (isHalf ? min(timeouts.idle, timeouts.tunnel) : timeouts.tunnel))
  }

  mutating func tunnelReceived(fromClient exchangeID: ExchangeID, _ bytes: UnsafeRawBufferPointer) {
    let upstream = exchanges[exchangeID].pointee.upstream.connection
    countTunnel(exchangeID, .bytesToEndpoint, bytes.count)
    noteReceived(exchangeID, bytes.count)
    if !io.send(upstream.connection, bytes) {
      setPaused(clientStream(exchangeID), true)
    }
    setTunnelDeadline(exchangeID)
  }

  mutating func tunnelReceived(
    fromEndpoint id: EndpointConnectionID, _ bytes: UnsafeRawBufferPointer
  ) {
    let exchangeID = slab.upstream[id.index].exchange
    countTunnel(exchangeID, .bytesToClient, bytes.count)
    noteSent(exchangeID, head: 0, content: bytes.count)
    if !io.send(clientID(exchangeID).connection, bytes) { io.setPaused(id.connection, true) }
    setTunnelDeadline(exchangeID)
  }

  /// Continues to read one side after the other side took the bytes that waited.
  mutating func tunnelDrained(_ exchangeID: ExchangeID, isClient: Bool) {
    let upstream = exchanges[exchangeID].pointee.upstream.connection
    io.setPaused(isClient ? upstream.connection : clientID(exchangeID).connection, false)
    setTunnelDeadline(exchangeID)
    endTunnelIfDone(exchangeID)
  }

  /// Passes on the end of one side, after every byte that came before it.
  mutating func tunnelEnded(_ exchangeID: ExchangeID, isClient: Bool) {
    let exchange = exchanges[exchangeID]
    if isClient {
      finish(exchange.pointee.upstream)
    } else {
      finish(clientStream(exchangeID))
    }
    setTunnelDeadline(exchangeID)
    endTunnelIfDone(exchangeID)
  }

  private mutating func endTunnelIfDone(_ exchangeID: ExchangeID) {
    let exchange = exchanges[exchangeID]
    guard exchange.pointee.machine.isTunnelDone,
      unsentByteCount(clientStream(exchangeID)) == 0,
      unsentByteCount(exchange.pointee.upstream) == 0
    else { return }
    endTunnel(exchangeID, "tunnel_ended")
  }

  private mutating func endTunnel(_ exchangeID: ExchangeID, _ termination: StaticString) {
    logEnd(exchangeID, termination, isCut: false)
    releaseAttempt(exchangeID, .abandoned)
    closeDownstream(clientID(exchangeID))
  }

  /// Ends a tunnel in which bytes may be missing: both sides see a reset instead of an orderly end.
  mutating func cutTunnel(_ exchangeID: ExchangeID) {
    reset(clientStream(exchangeID))
    reset(exchanges[exchangeID].pointee.upstream)
    endTunnel(exchangeID, "tunnel_cut")
  }
}
