// The configured listeners, routes, pools and endpoints with their policies, as plain values.
// Configuration makes them; Balancer and Controller read them. Each default stands here, once.
public import Primitives

/// Everything that one steelyard process is configured with.
public struct Fleet: Sendable, Equatable {
  /// Where the admin server (metrics, status page) listens.
  public var admin: SocketAddress = .loopback(port: 9900)
  /// nil: the admin server is in the clear.
  public var adminTLS: ServerTLS?
  public var adminTokens = AdminTokens()
  /// Where HAProxy's agent checks are answered; nil: nowhere.
  public var agentCheck: SocketAddress?
  /// Indices into `pools`. `/readyz` answers 503 while one of these pools has no endpoint that may
  /// take requests.
  public var readyUnlessEmpty: [Int] = []
  /// The number of workers, each with one thread; nil: one per processor.
  public var workerCount: Int?
  public var limits = Limits()
  /// The longest time that a graceful shutdown waits for running exchanges.
  public var shutdownTimeout: Nanoseconds = .seconds(30)
  public var upgrade = UpgradePolicy()
  public var log = LogPolicy()
  public var accessLog = AccessLogPolicy()
  public var hooks: [HookPolicy] = []
  /// The file that keeps endpoints and orders of run time over a restart; nil: nothing is kept.
  public var stateFile: String?
  public var names = NamePolicy()
  public var tracing = Tracing()
  public var hints = ClientHints()
  /// nil: nothing is shared with other replicas.
  public var shared: SharedPolicy?
  public var listeners: [Listener] = []
  public var pools: [Pool] = []

  public init() {}

  /// The number of endpoints of all pools.
  public var endpointCount: Int { pools.reduce(0) { $0 + $1.endpoints.count } }

  /// The number of endpoints that all pools together may have while the process runs.
  public var endpointLimit: Int { limits.endpointsMax(ofFile: endpointCount) }
}

/// Limits on what clients can use. A request over a limit is refused; no memory grows beyond one.
public struct Limits: Sendable, Equatable {
  /// Connections per worker, downstream and upstream together. Range 16...1_000_000.
  public var connectionsMax = 20_000
  /// Endpoints of all pools together, those of host names included.
  /// Range 16...100_000; nil: four times those of the file, at least 1024.
  public var endpointsMax: Int?
  /// The largest request or response head, bytes. Range 1_024...16_384.
  public var headBytesMax = 16_384
  /// The largest number of fields in a head. Range 8...200.
  public var fieldsMax = 100
  /// The longest content of a request, bytes.
  public var bodyBytesMax = 1 << 30
  /// Request content that a worker keeps for retries, over all its exchanges. Range 0...64 GiB.
  public var replayBytesMax = 64 << 20
  /// Memory of all workers' buffers, bytes: unsent bytes, held heads and content, content kept for
  /// retries. Range 1 MiB...64 GiB; nil: a quarter of the memory that the process may use, at most
  /// 1 GiB a worker.
  public var bufferedBytesMax: Int?
  /// Connections of one client (IPv4 address or IPv6 /64 network) over all workers.
  /// Range 1...60_000; nil: no limit.
  public var connectionsPerClient: Int? = 10_000
  /// How much request content is read before an endpoint is picked, bytes as they arrive.
  /// Range 0...16_384; 0: the endpoint is picked at once.
  public var requestBufferBytes = 16_384
  public init() {}

  /// The limit of a file with `count` addresses of endpoints.
  public func endpointsMax(ofFile count: Int) -> Int { endpointsMax ?? max(1_024, 4 * count) }

  /// One worker's share of `bufferedBytesMax`. `memory` is what the process may use, bytes.
  public func bufferedBytesMax(ofWorkers count: Int, memory: Int) -> Int {
    let share = bufferedBytesMax.map { $0 / count } ?? min(memory / 4 / count, 1 << 30)
    return min(max(1 << 18, share), 3 << 30)
  }
}
