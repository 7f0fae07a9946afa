// Listening sockets, and the time limits of clients and endpoints.
public import Primitives

/// A listening socket and its routes.
public struct Listener: Sendable, Equatable {
  public var address: SocketAddress
  /// The most specific route that matches wins (`RouteTable`).
  public var routes: [Route]
  /// The longest time from the first byte of a request head (or from the accept) to its end.
  public var headTimeout: Nanoseconds = .seconds(10)
  /// The longest idle time of a downstream connection between two exchanges.
  public var idleTimeout: Nanoseconds = .seconds(75)
  /// The longest time between two reads of request content, while the endpoint accepts content.
  public var bodyTimeout: Nanoseconds = .seconds(60)
  /// The longest time between two writes to a client that does not read its answer.
  public var sendTimeout: Nanoseconds = .seconds(60)
  /// The lowest rate at which a client may send content, bytes a second, after a grace period of
  /// ten seconds. Range 1...1_000_000_000; nil: no limit.
  public var bodyRateMin: Int? = 500
  /// Proxies whose `X-Forwarded-*` fields are trusted; none by default.
  public var trustedProxies: [AddressRange] = []
  /// Whether every connection begins with a PROXY protocol header. If there are trusted proxies,
  /// only their connections are accepted.
  public var proxyProtocol = false
  /// nil: requests come in the clear.
  public var tls: ServerTLS?
  /// nil: clients speak HTTP/1 alone.
  public var http2: HTTP2Policy? = HTTP2Policy()

  public init(address: SocketAddress, routes: [Route]) {
    self.address = address
    self.routes = routes
  }
}

/// Time limits of one exchange with an endpoint.
public struct ExchangeTimeouts: Sendable, Equatable {
  public var connect: Nanoseconds = .seconds(5)
  /// The longest time between two writes to an endpoint that does not read the request.
  public var send: Nanoseconds = .seconds(60)
  /// The longest time from the last byte of the request sent to the first byte of the response.
  public var firstByte: Nanoseconds = .seconds(300)
  /// The longest time between two bytes of the response.
  public var idle: Nanoseconds = .seconds(300)
  /// The longest time from the complete request head to the last byte of the response, retries
  /// included; nil: no limit.
  public var exchange: Nanoseconds?
  /// The longest time between two bytes of a tunnel (after 101), in either direction.
  public var tunnel: Nanoseconds = .seconds(3_600)
  public init() {}
}
