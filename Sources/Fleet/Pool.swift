// A named set of endpoints and how requests are spread over them.
public import Primitives

/// How an endpoint is picked among the eligible ones.
public enum BalancePolicy: String, Sendable, Equatable, CaseIterable {
  /// Smooth weighted round robin (nginx).
  case roundRobin = "round_robin"
  /// The smallest (in-flight + 1) / effective weight; ties are broken at random.
  case leastRequest = "least_request"
  /// A random endpoint, by effective weight.
  case random
  /// The same endpoint for the same client address, by base weight.
  case ipHash = "ip_hash"
  /// The same endpoint for the same key, which `HashPolicy.source` names.
  case hash
}

/// A named set of endpoints that answer the same requests.
public struct Pool: Sendable, Equatable {
  public var name: String
  public var balance: BalancePolicy = .leastRequest
  public var hash = HashPolicy()
  /// nil: no affinity.
  public var affinity: AffinityPolicy?
  public var endpoints: [Endpoint]
  /// Host names whose addresses are further endpoints.
  public var names: [NamedEndpoint] = []
  /// Sources of further endpoints.
  public var sources: [DiscoverySource] = []
  public var weights = WeightPolicy()
  /// nil: no health checks; every endpoint is ready from the start.
  public var health: HealthPolicy?
  /// nil: no canaries; requests of clients try ejected and sick endpoints.
  public var canary: CanaryPolicy?
  public var ejection = EjectionPolicy()
  public var watchdog = WatchdogPolicy()
  public var onMarkedDown = MarkedDownPolicy()
  /// How long a returning endpoint takes to get its full share, beginning with 30 %.
  public var slowStart: Nanoseconds = .seconds(3)
  public var timeouts = ExchangeTimeouts()
  public var keepAlive = KeepAlivePolicy()
  /// The header sent first on every connection to an endpoint. Such a connection carries requests
  /// of one client only and is not kept idle.
  public var proxyProtocol = ProxyHeader.none
  /// A request whose expected wait exceeds this share of its first-byte time-out is refused at once
  /// (503). Range 0.01...1; nil: never.
  public var shedRatio: Double?
  public var retries = RetryPolicy()
  public var breakers = BreakerPolicy()
  /// TLS of the connections to endpoints; nil: they are in the clear.
  public var tls: ClientTLS?
  /// `auto` needs `tls`. With HTTP/2 there is no `proxyProtocol`: a connection carries requests of
  /// many clients.
  public var endpointProtocol = EndpointProtocol.http1
  /// The `Host` field sent to endpoints; nil: the client's.
  public var host: String?
  public var queue = QueuePolicy()
  /// Rate limits of all requests of the pool, applied after those of the route. At most 8.
  public var rateLimits: [RateLimit] = []
  public var thresholds = ThresholdPolicy()

  public init(name: String, endpoints: [Endpoint]) {
    self.name = name
    self.endpoints = endpoints
  }

  /// The statuses that count as the endpoint's failure. Unless `ejection.statuses` is set, these
  /// are 500...599 and the retry statuses, without 429 and 503, which mean overload.
  public var failureStatuses: RetryStatuses {
    ejection.statuses
      ?? RetryStatuses(retries.statuses.statuses.filter { $0 != 429 && $0 != 503 })
      .union(RetryStatuses(500...599, without: [503]))
  }

  /// What identifies an endpoint across reloads; its weight is not part of it.
  public func identity(of endpoint: Endpoint) -> String {
    endpoint.uid.map { "\(name) \(endpoint.address) \($0)" } ?? "\(name) \(endpoint.address)"
  }
}

/// One inference server: an address and port in a pool. Its identity is (pool name, address, uid).
public struct Endpoint: Sendable, Equatable {
  public var address: SocketAddress
  /// The weight the operator configured. Range 0...1_000_000; at 0 it takes no new exchanges.
  public var baseWeight: Double
  /// How many requests the endpoint serves at once, if the operator says so; further requests wait
  /// inside it. Range 1...100_000.
  public var concurrency: Double?
  /// A backup is used only while no other endpoint of the pool can be.
  public var isBackup = false
  /// Where the endpoint's first metrics page is; nil: where the pool says.
  public var metrics: MetricsLocation?
  /// The index of its cells and of its row in the weight table; −1 until it is assigned.
  public var endpointIndex = -1
  /// The host name that the address was found by; nil: the file has the address itself.
  public var hostName: String?
  /// How people call it, beside the address: letters, digits, `_`, `-`, `.`. An entry's name is
  /// unique in its pool; all addresses of a host name have the name of their entry. It is not part
  /// of the identity.
  public var name: String?
  /// What people know of it, such as `zone` and `model`. At most `labelsMax`; each name is one that
  /// Prometheus allows (`isLabelName`), each value has at most `labelBytesMax` bytes and no control
  /// characters. Not part of the identity.
  public var labels: [String: String] = [:]
  /// Tells it from another endpoint that had the same address before, such as a pod; nil: the
  /// address is enough.
  public var uid: String?

  public init(address: SocketAddress, baseWeight: Double = 1) {
    self.address = address
    self.baseWeight = baseWeight
  }
}

extension Endpoint {
  public static let labelsMax = 8
  /// Of a label's name, and of its value.
  public static let labelBytesMax = 128

  /// Whether the text is the name of a label: letters, digits and `_`, without a digit first and
  /// without `__` first, which Prometheus keeps for itself.
  public static func isLabelName(_ text: String) -> Bool {
    (1...labelBytesMax).contains(text.utf8.count) && !text.hasPrefix("__")
      && text.utf8.enumerated().allSatisfy { index, byte in
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x5F: true
        case 0x30...0x39: index > 0
        default: false
        }
      }
  }

  /// Whether the text is the value of a label.
  public static func isLabelValue(_ text: String) -> Bool {
    text.utf8.count <= labelBytesMax
      && !text.unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }
  }
}

/// Where the metrics page of one endpoint is.
public enum MetricsLocation: Sendable, Equatable {
  /// Another port of the endpoint's own address.
  case port(UInt16)
  case address(SocketAddress)
}

extension Endpoint {
  /// The address of page `index` of the pool's pages. Page 0 is the server's own, to which the
  /// endpoint's `metrics` applies. Further pages are the host's (node, dcgm).
  public func pageAddress(_ source: ScrapeSource, index: Int) -> SocketAddress {
    switch index == 0 ? metrics : nil {
    case .address(let address): address
    case .port(let port): address.with(port: port)
    case nil: source.port.map(address.with(port:)) ?? address
    }
  }
}

/// Idle upstream connections of each worker to each endpoint.
public struct KeepAlivePolicy: Sendable, Equatable {
  /// Range 0...10_000.
  public var connectionsMax = 512
  /// Shorter than the 5 s of uvicorn (vLLM, SGLang), so that no request is sent on a connection
  /// that is just being closed.
  public var idle: Nanoseconds = .seconds(4)
  /// Exchanges that a connection carries before it is closed; nil: no limit.
  /// Range 1...1_000_000_000.
  public var requestsMax: Int?
  /// The requests that an HTTP/2 connection carries at once, unless the endpoint allows fewer.
  /// Range 1...1_000.
  public var streamsMax = 100
  public init() {}
}
