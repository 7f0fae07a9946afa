// TLS as a worker uses it: the context of each listener, and each endpoint as a TLS server.
// Contexts are looked up by description when the fleet or the certificates have changed;
// connections that are open keep theirs.
import Certificates
import Fleet
import HTTP
import IO
import Primitives

/// TLS of a listener, for one worker. An object, so that plans without TLS pay nothing.
final class ListenerTLS {
  let description: ServerTLS
  let offersHTTP2: Bool
  /// nil: its certificates are not loaded, so that no connection is taken.
  var context: ServerContext?
  /// The fields that tell the endpoint of the client's certificate; empty: none.
  let subjectField: [UInt8]
  let namesField: [UInt8]
  /// The field line `Strict-Transport-Security` (RFC 6797); empty: none.
  let strictTransport: UnsafeRawBufferPointer

  init(_ description: ServerTLS, offersHTTP2: Bool) {
    self.description = description
    self.offersHTTP2 = offersHTTP2
    subjectField = Array((description.subjectField ?? "").utf8)
    namesField = Array((description.namesField ?? "").utf8)
    let line = description.strictTransport.map {
      Array("Strict-Transport-Security: max-age=\($0.rawValue / 1_000_000_000)\r\n".utf8)
    }
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: line?.count ?? 0, alignment: 1)
    room.copyBytes(from: line ?? [])
    strictTransport = UnsafeRawBufferPointer(room)
  }

  deinit { strictTransport.deallocate() }
}

/// TLS of the connections to a pool's endpoints, for one worker.
final class PoolTLS {
  let description: ClientTLS
  let version: EndpointProtocol
  /// nil: its authorities are not loaded, so that no connection is opened.
  var context: ClientContext?

  init(_ description: ClientTLS, _ version: EndpointProtocol) {
    self.description = description
    self.version = version
  }

  /// The endpoint as a TLS server.
  func peer(_ endpoint: Endpoint) -> TLSPeer? {
    context.map { context in
      TLSPeer(
        context,
        name: description.serverName ?? endpoint.hostName ?? IPAddress(endpoint.address).description
      )
    }
  }
}

extension WorkerPlan {
  /// Takes the contexts that are in force for the thread. A table of another fleet than the plan's
  /// has no effect: the plan is about to be rebuilt, and takes them then.
  mutating func adoptCredentials(_ credentials: Credentials, thread: Int, _ table: WeightTable) {
    guard table.fleetRevision == fleetRevision else { return }
    credentialsRevision = credentials.revision
    for case let tls? in listenerTLS {
      tls.context = credentials.server(
        tls.description, offersHTTP2: tls.offersHTTP2, thread: thread)
    }
    for (index, pool) in table.fleet.pools.enumerated() {
      guard let tls = pools[index].tls else { continue }
      tls.context = credentials.client(tls.description, tls.version, thread: thread)
      for endpoint in pool.endpoints { setPeer(endpoint, tls) }
    }
  }

  /// Notes the endpoint as a TLS server. One that is known already keeps its sessions.
  mutating func setPeer(_ endpoint: Endpoint, _ tls: PoolTLS?) {
    guard let tls else { return }
    while peers.count < endpoints.count { peers.append(nil) }
    let (known, next) = (peers[endpoint.endpointIndex], tls.peer(endpoint))
    if let known, let next, known.isLike(next) { return }
    peers[endpoint.endpointIndex] = next
  }

  /// The endpoint as a TLS server; nil: it is none, or its authorities are not loaded.
  func peer(_ endpointIndex: Int) -> TLSPeer? {
    endpointIndex < peers.count ? peers[endpointIndex] : nil
  }

  /// TLS of the listener whose connections carry `tag`; nil: its requests come in the clear.
  func tls(_ tag: UInt32) -> ListenerTLS? {
    tag < UInt32(listenerTLS.count) ? listenerTLS[Int(tag)] : nil
  }
}
