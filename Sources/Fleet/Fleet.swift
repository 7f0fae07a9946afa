// What exists: listeners, routes, pools and endpoints with their policies, as plain values.
// Made by Configuration, read by Balancer and Controller; every default stands in this room, once.
public import Primitives

/// The whole configured world of one steelyard process.
public struct Fleet: Sendable, Equatable {
  /// Where the admin server (metrics, status page) listens.
  public var admin: SocketAddress = .loopback(port: 9900)
  public var adminTokens = AdminTokens()
  /// Indices into `pools`: `/readyz` is 503 while one of them has no endpoint that may take
  /// requests.
  public var readyUnlessEmpty: [Int] = []
  /// Event loops, each one thread; nil is one a processor.
  public var workerCount: Int?
  public var limits = Limits()
  /// How long a graceful end waits for running exchanges.
  public var shutdownTimeout: Nanoseconds = .seconds(30)
  public var log = LogPolicy()
  public var accessLog = AccessLogPolicy()
  public var hooks: [HookPolicy] = []
  public var names = NamePolicy()
  public var tracing = Tracing()
  public var hints = ClientHints()
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
  /// Request content that a worker keeps for repeats, in all. Range 0...64 GiB.
  public var replayBytesMax = 64 << 20
  /// What all workers' buffers may hold, bytes: unsent bytes, held heads and content, content for
  /// repeats. Range 1 MiB...64 GiB; nil: a quarter of the memory that the process may use, at most
  /// 1 GiB a worker.
  public var bufferedBytesMax: Int?
  /// Connections of one client (IPv4 address or IPv6 /64 network) over all workers. Range
  /// 1...60_000; nil: any number.
  public var connectionsPerClient: Int? = 10_000
  /// Content that is waited for before an endpoint is asked, bytes as they are sent. Range
  /// 0...16_384; 0: the endpoint is asked at once.
  public var requestBufferBytes = 16_384
  public init() {}

  /// A worker's share of `bufferedBytesMax`. `memory` is what the process may use, bytes.
  public func bufferedBytesMax(ofWorkers count: Int, memory: Int) -> Int {
    let share = bufferedBytesMax.map { $0 / count } ?? min(memory / 4 / count, 1 << 30)
    return min(max(1 << 18, share), 3 << 30)
  }
}
