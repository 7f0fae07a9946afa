// The request of one poll (a scrape, a health check or a canary), as plain data.
package import Fleet
package import Primitives

/// One request that is due.
package struct PollRequest: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case health, prometheus, json
    /// No request: a connection.
    case tcp
    /// The operator's request. Its answer's content is counted, and of it a beginning is kept.
    case canary
    /// A call of gRPC, whose message is `content`.
    case grpc
  }
  package var id: PollID
  package var address: SocketAddress
  /// TLS of the connection; nil: it is in the clear.
  package var tls: ClientTLS?
  /// What the server's certificate has to be for: a host name or an address without a port.
  package var serverName = ""
  /// What the server is called in the request; nil: by its address.
  package var host: String?
  /// Begins with "/"; may have a query.
  package var path: String
  package var kind: Kind
  package var method = HealthPolicy.Method.get
  /// Further fields, and some in place of our own.
  package var fields: [HealthPolicy.Field] = []
  /// With POST.
  package var content: [UInt8] = []
  /// A health check whose content counts.
  package var needsContent = false
  /// From sending to the end.
  package var timeout: Nanoseconds
  /// More content than this is `tooLarge`; a health check does not mind, unless it needs
  /// the content.
  package var contentBytesMax: Int
  /// Sent first on a new connection: the endpoint takes nothing without.
  package var proxyHeader = ProxyHeader.none

  /// What its connection speaks.
  package var version: EndpointProtocol { kind == .grpc ? .http2 : .http1 }

  /// Describes TLS of the connection to `endpoint` or to another server at `address`.
  package mutating func use(_ tls: ClientTLS?, of endpoint: Endpoint) {
    guard let tls else { return }
    self.tls = tls
    let isItself = address.bytes == endpoint.address.bytes
    let name = tls.serverName ?? (isItself ? endpoint.hostName : nil)
    serverName = name ?? "\(IPAddress(address))"
    // A server with several names answers a request for another one than the connection's with 421.
    if host == nil, let name { host = "\(name):\(address.port)" }
  }

  package init(
    id: PollID, address: SocketAddress, path: String, kind: Kind, timeout: Nanoseconds,
    contentBytesMax: Int
  ) {
    self.id = id
    self.address = address
    self.path = path
    self.kind = kind
    self.timeout = timeout
    self.contentBytesMax = contentBytesMax
  }
}

extension PollRequest.Kind {
  /// Of a health check.
  init(_ kind: HealthPolicy.Kind) {
    self =
      switch kind {
      case .http: .health
      case .tcp: .tcp
      case .grpc: .grpc
      }
  }
}
