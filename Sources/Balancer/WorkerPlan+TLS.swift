// TLS as a worker uses it: the context of each listener, and each endpoint as a TLS server.
// Contexts are looked up by description when the fleet or the certificates have changed;
// connections that are open keep theirs.
import Certificates
import Fleet
import IO
import Primitives

extension WorkerPlan {
  /// TLS of a listener.
  struct ListenerTLS {
    let description: ServerTLS
    /// nil: its certificates are not loaded, so that no connection is taken.
    var context: ServerContext?
    /// The fields that tell the endpoint of the client's certificate; empty: none.
    let subjectField: [UInt8]
    let namesField: [UInt8]
    /// The field line `Strict-Transport-Security` (RFC 6797); empty: none.
    let strictTransport: [UInt8]

    init(_ description: ServerTLS) {
      self.description = description
      subjectField = Array((description.subjectField ?? "").utf8)
      namesField = Array((description.namesField ?? "").utf8)
      strictTransport =
        description.strictTransport.map {
          Array("Strict-Transport-Security: max-age=\($0.rawValue / 1_000_000_000)\r\n".utf8)
        } ?? []
    }
  }

  /// TLS of the connections to a pool's endpoints.
  struct PoolTLS {
    let description: ClientTLS
    /// nil: its authorities are not loaded, so that no connection is opened.
    var context: ClientContext?

    /// The endpoint as a TLS server.
    func peer(_ endpoint: Endpoint) -> TLSPeer? {
      context.map { context in
        TLSPeer(
          context,
          name: description.serverName ?? endpoint.hostName ?? endpoint.address.hostText)
      }
    }
  }

  /// Takes the contexts that are in force for the thread.
  mutating func adoptCredentials(_ credentials: Credentials, thread: Int, _ fleet: Fleet) {
    credentialsRevision = credentials.revision
    for tag in listeners.indices {
      guard let description = listeners[tag]?.tls?.description else { continue }
      listeners[tag]?.tls?.context = credentials.server(description, thread: thread)
    }
    for (index, pool) in fleet.pools.enumerated() where index < pools.count {
      guard let description = pools[index].tls?.description else { continue }
      pools[index].tls?.context = credentials.client(description, thread: thread)
      for endpoint in pool.endpoints {
        endpoints[endpoint.endpointIndex]?.peer = pools[index].tls?.peer(endpoint)
      }
    }
  }
}

extension SocketAddress {
  /// The address without its port, as certificates name it.
  fileprivate var hostText: String { IPAddress(self).description }
}
