// What exists: listeners, routes, pools and endpoints with their policies, as plain values.
// Made by Configuration, read by Balancer and Controller; every default stands here, once.
public import Primitives

/// The whole configured world of one steelyard process.
public struct Fleet: Sendable, Equatable {
  /// Where the admin server (metrics, status page) listens.
  public var admin: SocketAddress = .loopback(port: 9900)
  /// Event loops, each one thread; nil is one a processor.
  public var workerCount: Int?
  public var limits = Limits()
  /// How long a graceful end waits for running exchanges.
  public var shutdownTimeout: Nanoseconds = .seconds(30)
  public var listeners: [Listener] = []
  public var pools: [Pool] = []

  public init() {}

  /// The number of endpoints of all pools.
  public var endpointCount: Int { pools.reduce(0) { $0 + $1.endpoints.count } }
}

/// What a client may cost. Over a limit is an answer or a refusal, never growth.
public struct Limits: Sendable, Equatable {
  /// Connections of a worker, downstream and upstream together. Range 16...1_000_000.
  public var connectionsMax = 20_000
  /// Request and response heads, bytes each. Range 1_024...16_384.
  public var headBytesMax = 16_384
  /// Fields in a head. Range 8...200.
  public var fieldsMax = 100
  /// Content of a request in bytes.
  public var bodyBytesMax = 1 << 30
  public init() {}
}

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

/// How an endpoint is picked among the eligible ones.
public enum BalancePolicy: String, Sendable, Equatable, CaseIterable {
  /// Smooth weighted round robin (nginx).
  case roundRobin = "round_robin"
  /// The smallest (in-flight + 1) / effective weight, ties at random.
  case leastRequest = "least_request"
}

/// A named set of endpoints that answer the same requests.
public struct Pool: Sendable, Equatable {
  public var name: String
  public var balance: BalancePolicy = .leastRequest
  public var endpoints: [Endpoint]
  public var weights = WeightPolicy()
  /// nil: no active probes; every endpoint is ready from the start.
  public var health: HealthPolicy?
  public var ejection = EjectionPolicy()
  /// How long an endpoint that comes back takes to get its full share; it begins with 30 %.
  public var slowStart: Nanoseconds = .seconds(3)
  public var timeouts = ExchangeTimeouts()
  public var keepAlive = KeepAlivePolicy()
  /// A request that would wait longer than this share of its first-byte time-out is refused at
  /// once (503). Range 0.01...1; nil: never.
  public var shedRatio: Double?
  /// Further endpoints tried when one could not be reached. Range 0...3.
  public var retriesMax = 2

  public init(name: String, endpoints: [Endpoint]) {
    self.name = name
    self.endpoints = endpoints
  }

  /// What makes an endpoint the same one after a reload; its weight is no part of it.
  public func identity(of endpoint: Endpoint) -> String { "\(name) \(endpoint.address)" }
}

/// One inference server: an address and port in a pool. Its identity is (pool name, address).
public struct Endpoint: Sendable, Equatable {
  public var address: SocketAddress
  /// The operator's own weight. Range 0...1_000_000; 0 takes no new exchanges.
  public var baseWeight: Double
  /// How many requests it serves at once, where the operator says so; more wait in it.
  /// Range 1...100_000.
  public var concurrency: Double?
  /// The index of its cells and of its row in the weight table; −1 until `SlotMap` assigned it.
  public var slot = -1

  public init(address: SocketAddress, baseWeight: Double = 1) {
    self.address = address
    self.baseWeight = baseWeight
  }
}

/// Idle upstream connections, per worker and endpoint.
public struct KeepAlivePolicy: Sendable, Equatable {
  /// Range 0...10_000.
  public var connectionsMax = 512
  /// Shorter than the 5 s of uvicorn (vLLM, SGLang), so that a request meets no closing connection.
  public var idle: Nanoseconds = .seconds(4)
  public init() {}
}

/// Passive ejection: an endpoint whose requests fail rests, 2 s at first, then longer each time. It
/// comes back by single requests, one at a time, three of which have to end well.
public struct EjectionPolicy: Sendable, Equatable {
  /// Failures in a row (refused, timed out, cut, 5xx) that an endpoint may have at most; where the
  /// rest of the pool is free of them two are enough. 0 switches ejection off. Range 0...1_000.
  public var failsMax = 3
  /// The longest rest.
  public var failTimeout: Nanoseconds = .seconds(30)
  public init() {}
}

/// Active probes: `GET path` on the endpoint's own port; 200...399 is healthy.
public struct HealthPolicy: Sendable, Equatable {
  public var path = "/health"
  public var interval: Nanoseconds = .seconds(5)
  /// Shorter than the interval.
  public var timeout: Nanoseconds = .seconds(2)
  /// Failures in a row until unhealthy.
  public var fall = 3
  /// Successes in a row until ready.
  public var rise = 2
  public init() {}
}
