// Where we accept, which requests go where, and how long an exchange may take.
public import Primitives

/// A socket we accept on, with its routes.
public struct Listener: Sendable, Equatable {
  public var address: SocketAddress
  /// The longest matching prefix wins; order does not matter.
  public var routes: [Route]
  /// From the first byte of a request head (or from the accept) to its end.
  public var headTimeout: Nanoseconds = .seconds(10)
  /// Between the exchanges of a downstream connection.
  public var idleTimeout: Nanoseconds = .seconds(75)

  public init(address: SocketAddress, routes: [Route]) {
    self.address = address
    self.routes = routes
  }
}

/// Requests whose path begins with `pathPrefix` go to a pool.
public struct Route: Sendable, Equatable {
  /// Begins with "/"; compared byte by byte with the request's path.
  public var pathPrefix: String
  /// Index into `Fleet.pools`.
  public var pool: Int
  /// nil: the pool's.
  public var timeouts: ExchangeTimeouts?
  /// Whether its exchanges have a line in the access log, where there is one.
  public var logsAccess = true

  public init(pathPrefix: String, pool: Int, timeouts: ExchangeTimeouts? = nil) {
    self.pathPrefix = pathPrefix
    self.pool = pool
    self.timeouts = timeouts
  }
}

/// Time limits of one exchange with an endpoint.
public struct ExchangeTimeouts: Sendable, Equatable {
  public var connect: Nanoseconds = .seconds(5)
  /// From the request's last byte sent to the first byte of the response.
  public var firstByte: Nanoseconds = .seconds(300)
  /// Between two bytes, in either direction.
  public var idle: Nanoseconds = .seconds(300)
  public init() {}
}
