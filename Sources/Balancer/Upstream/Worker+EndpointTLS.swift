// TLS with endpoints: connections that begin with a handshake, and whether a kept one is still what
// the configuration wants.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
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
