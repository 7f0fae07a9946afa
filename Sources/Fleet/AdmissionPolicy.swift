// Admission limits: a pool's queue, and the rate limits of pools and routes.
public import Primitives

/// How many exchanges of a pool run at once, and how further ones wait.
public struct QueuePolicy: Sendable, Equatable {
  /// The limit on running exchanges.
  public enum Concurrency: Sendable, Equatable {
    /// No limit: no exchange waits.
    case unlimited
    /// A limit for the whole pool, over all workers. Range 1...1_000_000.
    case total(Int)
    /// The `concurrency` of each endpoint, over all workers.
    case slots
  }
  public var concurrency = Concurrency.unlimited
  /// The largest number of waiting exchanges, over all workers. Range 0...1_000_000.
  public var lengthMax = 1_000
  /// The longest wait, counted from the request's head.
  public var timeout: Nanoseconds = .seconds(30)
  /// nil: first come, first served.
  public var priority: PriorityPolicy?

  public init() {}
}

/// Priority levels of waiting exchanges.
public enum QueuePriority: String, Sendable, CaseIterable {
  case high, normal, low

  /// The level as a number; 0 is served first.
  public var level: Int {
    switch self {
    case .high: 0
    case .normal: 1
    case .low: 2
    }
  }
}

/// Reads a request's priority from a header field. Clients can set that field, so it is used only
/// where it is configured.
public struct PriorityPolicy: Sendable, Equatable {
  /// One value of the field and the priority it stands for.
  public struct Value: Sendable, Equatable {
    /// Compared without regard to ASCII case.
    public var text: String
    public var priority: QueuePriority

    public init(_ text: String, _ priority: QueuePriority) {
      self.text = text
      self.priority = priority
    }
  }
  /// The field's name, in lower case.
  public var header = "x-priority"
  /// Any other value, or no field, means `normal`. At most 32 values.
  public var values = [Value("high", .high), Value("low", .low)]

  public init() {}
}

/// What a rate limit counts separately.
public enum RateKey: Sendable, Equatable {
  /// Nothing: all requests are counted together.
  case all
  /// The client's IPv4 address or IPv6 /64 network.
  case clientIP
  /// The path, without the query, as it was sent.
  case path
  /// The value of the request field with that name (in lower case), such as an API key. Requests
  /// without the field and requests with several field lines of it share one key.
  case header(String)
  /// What the client's certificate says. Requests without a certificate share one key.
  case clientCertificate(ClientCertificatePart)
}

/// A rate limit: so many requests of one key in a second, minute or hour.
public struct RateLimit: Sendable, Equatable {
  /// The unit of a rate.
  public enum Period: String, Sendable, CaseIterable {
    case second = "s"
    case minute = "m"
    case hour = "h"

    public var duration: Nanoseconds {
      switch self {
      case .second: .seconds(1)
      case .minute: .seconds(60)
      case .hour: .seconds(3_600)
      }
    }
  }

  /// A number of requests over a period. Range 1...1_000_000 requests.
  public struct Rate: Sendable, Equatable {
    public var count: Int
    public var period: Period

    public init(_ count: Int, per period: Period) {
      self.count = count
      self.period = period
    }

    /// For example `10/s`.
    public var text: String { "\(count)/\(period.rawValue)" }

    /// The time between two requests at this rate. Rounded up, so that the rate is never exceeded.
    public var interval: Nanoseconds {
      Nanoseconds((period.duration.rawValue + Int64(count) - 1) / Int64(count))
    }
  }

  public var key: RateKey
  public var rate: Rate
  /// The number of requests that may come at once. Range 1...1_000_000.
  public var burst: Int
  /// The number of keys that are counted separately at a time. Range 64...16_777_216.
  public var keysMax = Self.defaultKeysMax
  /// The limit counts the requests of all replicas together, see `SharedPolicy`.
  public var isShared = false

  public static let defaultKeysMax = 65_536

  /// `burst` nil: the requests of one second, see `burst(of:)`.
  public init(key: RateKey, rate: Rate, burst: Int? = nil) {
    self.key = key
    self.rate = rate
    self.burst = burst ?? Self.burst(of: rate)
  }

  /// The smallest burst of a shared limit: the requests of half a second, at least one. Replicas
  /// settle accounts ten times a second; less would cut the rate.
  public static func sharedBurstMin(of rate: Rate) -> Int {
    max(1, rate.count / Int(2 * rate.period.duration.rawValue / 1_000_000_000))
  }

  /// The default burst: the requests of one second, at least one.
  public static func burst(of rate: Rate) -> Int {
    max(1, rate.count / Int(rate.period.duration.rawValue / 1_000_000_000))
  }
}

extension RateKey {
  /// The kind of key, for metrics and messages. It never holds the key itself.
  public var text: String {
    switch self {
    case .all: "none"
    case .clientIP: "client_ip"
    case .path: "path"
    case .header(let name): "header \(name)"
    case .clientCertificate(let part): "client_certificate \(part.rawValue)"
    }
  }
}
