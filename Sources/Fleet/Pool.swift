// A named set of endpoints and how requests are spread over them.
public import Primitives

/// How an endpoint is picked among the eligible ones.
public enum BalancePolicy: String, Sendable, Equatable, CaseIterable {
  /// Smooth weighted round robin (nginx).
  case roundRobin = "round_robin"
  /// The smallest (in-flight + 1) / effective weight, ties at random.
  case leastRequest = "least_request"
  /// At random, by effective weight.
  case random
  /// The same endpoint for the same client address, by base weight.
  case ipHash = "ip_hash"
  /// The same endpoint for the same key, `HashPolicy.source`.
  case hash
}

/// A named set of endpoints that answer the same requests.
public struct Pool: Sendable, Equatable {
  public var name: String
  public var balance: BalancePolicy = .leastRequest
  public var hash = HashPolicy()
  /// nil: none.
  public var affinity: AffinityPolicy?
  public var endpoints: [Endpoint]
  /// Host names whose addresses are further endpoints.
  public var names: [NamedEndpoint] = []
  public var weights = WeightPolicy()
  /// nil: no active probes; every endpoint is ready from the start.
  public var health: HealthPolicy?
  /// nil: requests of clients try what is out of favour.
  public var canary: CanaryPolicy?
  public var ejection = EjectionPolicy()
  public var watchdog = WatchdogPolicy()
  public var onMarkedDown = MarkedDownPolicy()
  /// How long an endpoint that comes back takes to get its full share; it begins with 30 %.
  public var slowStart: Nanoseconds = .seconds(3)
  public var timeouts = ExchangeTimeouts()
  public var keepAlive = KeepAlivePolicy()
  /// Sent first on every connection to an endpoint, which then carries one client's requests only
  /// and is not kept idle.
  public var proxyProtocol = ProxyHeader.none
  /// A request that would wait longer than this share of its first-byte time-out is refused at
  /// once (503). Range 0.01...1; nil: never.
  public var shedRatio: Double?
  public var retries = RetryPolicy()
  public var breakers = BreakerPolicy()
  /// The `Host` that endpoints are sent; nil: the client's.
  public var host: String?
  public var queue = QueuePolicy()
  /// For all requests of the pool, after those of their route. At most 8.
  public var rateLimits: [RateLimit] = []
  public var thresholds = ThresholdPolicy()

  public init(name: String, endpoints: [Endpoint]) {
    self.name = name
    self.endpoints = endpoints
  }

  /// The answers that count as the endpoint's failure. Unless `ejection.statuses` says otherwise,
  /// 500...599 and what is listed as worth a retry, but neither 429 nor 503: those are load.
  public var failureStatuses: RetryStatuses {
    ejection.statuses
      ?? RetryStatuses(retries.statuses.statuses.filter { $0 != 429 && $0 != 503 })
      .union(RetryStatuses(500...599, without: [503]))
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
  /// Used only while no other endpoint of the pool may be.
  public var isBackup = false
  /// Where its own metrics page is, the first of the pool's pages, if not where the pool says.
  public var metrics: MetricsLocation?
  /// The index of its cells and of its row in the weight table; −1 until it is assigned.
  public var endpointIndex = -1

  public init(address: SocketAddress, baseWeight: Double = 1) {
    self.address = address
    self.baseWeight = baseWeight
  }
}

/// Where the metrics page of one endpoint is.
public enum MetricsLocation: Sendable, Equatable {
  /// Another port of the endpoint's own address.
  case port(UInt16)
  case address(SocketAddress)
}

extension Endpoint {
  /// The address of page `index` of the pool's pages. The first page is the server's own: `metrics`
  /// of the endpoint counts there. Further pages are the host's (node, dcgm).
  public func pageAddress(_ source: ScrapeSource, index: Int) -> SocketAddress {
    switch index == 0 ? metrics : nil {
    case .address(let address): address
    case .port(let port): address.with(port: port)
    case nil: source.port.map(address.with(port:)) ?? address
    }
  }
}

/// Idle upstream connections, per worker and endpoint.
public struct KeepAlivePolicy: Sendable, Equatable {
  /// Range 0...10_000.
  public var connectionsMax = 512
  /// Shorter than the 5 s of uvicorn (vLLM, SGLang), so that a request meets no closing connection.
  public var idle: Nanoseconds = .seconds(4)
  /// Exchanges that a connection carries before it is closed; nil: any number.
  /// Range 1...1_000_000_000.
  public var requestsMax: Int?
  public init() {}
}
