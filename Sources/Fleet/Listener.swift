// Where we accept, and how long a client and an endpoint may take.
public import Primitives

/// A socket we accept on, with its routes.
public struct Listener: Sendable, Equatable {
  public var address: SocketAddress
  /// The most specific matching one wins (`RouteTable`).
  public var routes: [Route]
  /// From the first byte of a request head (or from the accept) to its end.
  public var headTimeout: Nanoseconds = .seconds(10)
  /// Between the exchanges of a downstream connection.
  public var idleTimeout: Nanoseconds = .seconds(75)
  /// Between two reads of a request's content, while the endpoint takes what comes.
  public var bodyTimeout: Nanoseconds = .seconds(60)
  /// Between two writes to a client that does not take its answer.
  public var sendTimeout: Nanoseconds = .seconds(60)
  /// The least rate at which a client has to send its content, bytes a second, after ten seconds
  /// of grace. Range 1...1_000_000_000; nil: any.
  public var bodyRateMin: Int? = 500
  /// Proxies whose `X-Forwarded-*` fields are believed; nobody's by default.
  public var trustedProxies: [AddressRange] = []
  /// Every connection begins with a PROXY protocol header. Where there are trusted proxies, only
  /// theirs are accepted.
  public var proxyProtocol = false

  public init(address: SocketAddress, routes: [Route]) {
    self.address = address
    self.routes = routes
  }
}

/// Time limits of one exchange with an endpoint.
public struct ExchangeTimeouts: Sendable, Equatable {
  public var connect: Nanoseconds = .seconds(5)
  /// Between two writes to an endpoint that does not take the request.
  public var send: Nanoseconds = .seconds(60)
  /// From the request's last byte sent to the first byte of the response.
  public var firstByte: Nanoseconds = .seconds(300)
  /// Between two bytes of the response.
  public var idle: Nanoseconds = .seconds(300)
  /// From the whole request head to the last byte of the response, retries included; nil: for ever.
  public var exchange: Nanoseconds?
  /// Between two bytes, in either direction, once the protocol was changed (101).
  public var tunnel: Nanoseconds = .seconds(3_600)
  public init() {}
}
