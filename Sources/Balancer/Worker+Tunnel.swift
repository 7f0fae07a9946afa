// After a 101 (RFC 9110 §7.8): two connections joined into a tunnel of opaque bytes. Each side is
// read only as fast as the other takes; an end of one side is passed on while the other goes on.
// Invariant: the lease is held until both connections are closed.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker {
  /// The endpoint took up the client's offer. `bytes` begin with the head and may go on with what
  /// the endpoint said first.
  mutating func beginTunnel(
    _ upstream: ConnectionID, _ client: ConnectionID, _ head: ResponseHead,
    _ bytes: UnsafeRawBufferPointer
  ) {
    let state = slab.downstream + Int(client.index)
    let exchange = slab.exchange(client)
    let other = slab.upstream + Int(upstream.index)
    var writer = HeadWriter(scratch)
    let forwarded = ForwardedResponse(
      head: head, bytes: bytes, isChunked: false, confirmsKeepAlive: false, closes: false,
      added: responseFields(client))
    forwarded.writePassed(to: &writer, responses)
    writeAffinity(client, to: &writer)
    forwarded.writeOwn(to: &writer)
    guard !writer.hasOverflowed else {
      answerRefused(client, .headTooLarge)
      return
    }
    dropReplay(client)
    noteFirstByte(client)
    noteContent(client)
    state.pointee.phase = .tunnel
    exchange.pointee.tunnel = TunnelEnds()
    exchange.pointee.hasResponse = true
    exchange.pointee.status = head.status
    other.pointee.phase = .tunnel
    noteTunnel(client)
    let first = UnsafeRawBufferPointer(rebasing: bytes[head.end...])
    countTunnel(client, .bytesToClient, first.count)
    send(client, writer.written, first)
    release(&other.pointee.input)
    // What the client said before it knew.
    let early = state.pointee.input.bytes
    if !early.isEmpty {
      countTunnel(client, .bytesToEndpoint, early.count)
      noteReceived(client, early.count)
      io.send(upstream, early)
    }
    release(&state.pointee.input)
    io.setReadLimit(client, IOLoop.readMax)
    io.setReadLimit(upstream, IOLoop.readMax)
    let (toEndpoint, toClient) = (io.unsentByteCount(upstream), io.unsentByteCount(client))
    io.setPaused(client, toEndpoint > 0)
    io.setPaused(upstream, toClient > 0)
    io.setDeadline(upstream, nil)
    setTunnelDeadline(client)
  }

  /// An exchange ends here for the metrics: how long a tunnel lives is no response time.
  private mutating func noteTunnel(_ client: ConnectionID) {
    let exchange = slab.exchange(client)
    guard var lease = exchange.pointee.lease.take() else { return }
    let endpointIndex = lease.endpointIndex
    leases.becomeTunnel(&lease)
    exchange.pointee.lease = consume lease
    context.metrics.wire.add(worker: workerIndex, endpointIndex: endpointIndex, .tunnels, 1)
    countExchange(client, endpointIndex: endpointIndex, .informational)
    if let endpoint = plan.endpoints[endpointIndex] {
      leases.noteSuccess(
        endpointIndex, &plan.pools[endpoint.pool].picker, endpoint.position, now: io.now)
    }
  }

  private mutating func countTunnel(
    _ client: ConnectionID, _ count: WireMetrics.Count, _ amount: Int
  ) {
    guard amount > 0, let endpointIndex = slab.exchange(client).pointee.lease?.endpointIndex else {
      return
    }
    context.metrics.wire.add(worker: workerIndex, endpointIndex: endpointIndex, count, amount)
  }

  /// Silence may last so long; once one side has ended, only as long as in an exchange.
  private mutating func setTunnelDeadline(_ client: ConnectionID) {
    let exchange = slab.exchange(client)
    let timeouts = exchange.pointee.timeouts
    let isHalf = exchange.pointee.tunnel.hasClientEnded || exchange.pointee.tunnel.hasEndpointEnded
    io.setDeadline(
      client, io.now + (isHalf ? min(timeouts.idle, timeouts.tunnel) : timeouts.tunnel))
  }

  mutating func tunnelReceived(fromClient id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
    let upstream = slab.exchange(id).pointee.upstream
    countTunnel(id, .bytesToEndpoint, bytes.count)
    noteReceived(id, bytes.count)
    if !io.send(upstream, bytes) { io.setPaused(id, true) }
    setTunnelDeadline(id)
  }

  mutating func tunnelReceived(fromEndpoint id: ConnectionID, _ bytes: UnsafeRawBufferPointer) {
    let client = slab.upstream[Int(id.index)].downstream
    countTunnel(client, .bytesToClient, bytes.count)
    noteSent(client, head: 0, content: bytes.count)
    if !io.send(client, bytes) { io.setPaused(id, true) }
    setTunnelDeadline(client)
  }

  /// One side took what had waited: the other may be read again.
  mutating func tunnelDrained(client: ConnectionID, isClient: Bool) {
    let upstream = slab.exchange(client).pointee.upstream
    io.setPaused(isClient ? upstream : client, false)
    setTunnelDeadline(client)
    endTunnelIfDone(client)
  }

  /// One side sends no more: the other is told once it has everything.
  mutating func tunnelEnded(client: ConnectionID, isClient: Bool) {
    let exchange = slab.exchange(client)
    if isClient {
      exchange.pointee.tunnel.hasClientEnded = true
      io.finish(exchange.pointee.upstream)
    } else {
      exchange.pointee.tunnel.hasEndpointEnded = true
      io.finish(client)
    }
    setTunnelDeadline(client)
    endTunnelIfDone(client)
  }

  private mutating func endTunnelIfDone(_ client: ConnectionID) {
    let exchange = slab.exchange(client)
    guard exchange.pointee.tunnel.hasClientEnded, exchange.pointee.tunnel.hasEndpointEnded,
      io.unsentByteCount(client) == 0, io.unsentByteCount(exchange.pointee.upstream) == 0
    else { return }
    endTunnel(client, "tunnel_ended")
  }

  private mutating func endTunnel(_ client: ConnectionID, _ termination: StaticString) {
    logEnd(client, termination, isCut: false)
    releaseAttempt(client, .abandoned)
    closeDownstream(client)
  }

  /// Ends a tunnel in which bytes may be missing: both sides see a cut and no end.
  mutating func cutTunnel(_ client: ConnectionID) {
    io.resetOnClose(client)
    io.resetOnClose(slab.exchange(client).pointee.upstream)
    endTunnel(client, "tunnel_cut")
  }
}
