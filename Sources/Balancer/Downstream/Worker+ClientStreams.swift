// Clients that speak HTTP/2: a connection whose streams the worker sees as connections.
// Invariant: a stream carries one exchange, and is closed when that ends; the connection counts as
// the client's only connection, and is idle while it has no stream.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Whether the bytes are the beginning of HTTP/2 (RFC 9113 §3.4), and the listener speaks it.
  @inline(never)
  func isHTTP2(_ bytes: UnsafeRawBufferPointer, _ tag: UInt32) -> Bool {
    plan.http2(tag) != nil && bytes.starts(with: "PRI * HTTP/2.0\r\n".utf8)
  }

  /// Makes the client's connection one of HTTP/2. `received`: what it has sent so far.
  mutating func beginStreams(_ id: ClientID, _ received: UnsafeRawBufferPointer) {
    let state = slab.downstream + id.index
    var limits = SessionLimits()
    let tag = io.tag(id.connection)
    if let listener = plan.listener(tag), let policy = plan.http2(tag) {
      limits.streamsMax = policy.streamsMax
      limits.idle = listener.idleTimeout
      limits.head = listener.headTimeout
      limits.send = listener.sendTimeout
      limits.ageMax = policy.ageMax
      limits.requestsMax = policy.requestsMax
    }
    state.pointee.phase = .multiplexed
    state.pointee.hasDeadlineForHead = false
    reusable.append(id.index, .unfinished)
    let isBegun = io.beginSession(
      id.connection, isClient: false, limits: limits, received: received)
    release(&state.pointee.input)
    if !isBegun {
      closeDownstream(id)
    } else if stopsAt != nil {
      io.drainSession(id.connection, .shutdown)
    }
  }

  /// Begins to read the request of a stream.
  mutating func acceptedStream(_ id: ClientID) {
    let parent = ClientID(io.carrier(id.connection))
    let state = slab.downstream + id.index
    state.initialize(to: Downstream())
    state.pointee.peer = slab.downstream[parent.index].peer
    state.pointee.peerPort = slab.downstream[parent.index].peerPort
    state.pointee.hasDestination = slab.downstream[parent.index].hasDestination
    if state.pointee.hasDestination {
      (slab.destinations + id.index).initialize(to: slab.destinations[parent.index])
    }
    reusable.remove(parent.index)
    io.setReadLimit(id.connection, Self.headReadMax)
  }

  /// Notes that the client can be closed to make room. To close a stream would free no connection.
  mutating func noteUnfinished(_ id: ClientID) {
    if !io.isStream(id.connection) { reusable.append(id.index, .unfinished) }
  }

  /// Closes the stream. Requires: it has no exchange.
  mutating func closeStream(_ id: ClientID) {
    let parent = ClientID(io.carrier(id.connection))
    reusable.remove(id.index)
    io.close(id.connection)
    guard io.isOpen(parent.connection), io.hasSession(parent.connection),
      io.streamCount(parent.connection) == 0
    else { return }
    reusable.append(parent.index, .idle)
  }
}
