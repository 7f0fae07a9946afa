// How much is let in: a pool's queue, and the rate limits of pools and routes.
public import Primitives

/// How many exchanges of a pool run at once, and how the others wait.
public struct QueuePolicy: Sendable, Equatable {
  /// What bounds the exchanges that run.
  public enum Concurrency: Sendable, Equatable {
    /// Nothing: nobody waits.
    case unlimited
    /// The whole pool's, over all workers. Range 1...1_000_000.
    case total(Int)
    /// Each endpoint's own `concurrency`, over all workers.
    case slots
  }
  public var concurrency = Concurrency.unlimited
  /// Exchanges that wait at most, over all workers. Range 0...1_000_000.
  public var lengthMax = 1_000
  /// The longest wait, from the request's head.
  public var timeout: Nanoseconds = .seconds(30)
  /// nil: the first come is the first served.
  public var priority: PriorityPolicy?

  public init() {}
}

/// Who is served first among those that wait.
public enum QueuePriority: String, Sendable, CaseIterable {
  case high, normal, low

  /// 0 goes first.
  public var level: Int {
    switch self {
    case .high: 0
    case .normal: 1
    case .low: 2
    }
  }
}

/// A request field says the priority. Clients can set it, so it is used only where it is wanted.
public struct PriorityPolicy: Sendable, Equatable {
  /// One value of the field and what it means.
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
  /// Any other value, and none, is `normal`. At most 32.
  public var values = [Value("high", .high), Value("low", .low)]

  public init() {}
}

/// Whose requests are counted together.
public enum RateKey: Sendable, Equatable {
  /// All requests.
  case all
  /// The client's IPv4 address or IPv6 /64 network.
  case clientIP
  /// The path, without the query, as it was sent.
  case path
  /// The value of the request field of that name (in lower case), an API key say. Requests without
  /// the field, or with several of it, have one key together.
  case header(String)
}

/// So many requests of one key in a second, minute or hour.
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

    /// Such as `10/s`.
    public var text: String { "\(count)/\(period.rawValue)" }

    /// Between two requests at this rate, rounded up: never faster than was asked for.
    public var interval: Nanoseconds {
      Nanoseconds((period.duration.rawValue + Int64(count) - 1) / Int64(count))
    }
  }

  public var key: RateKey
  public var rate: Rate
  /// Requests that may come at once. Range 1...1_000_000.
  public var burst: Int
  /// Keys that are told apart at a time. Range 64...16_777_216.
  public var keysMax = Self.defaultKeysMax

  public static let defaultKeysMax = 65_536

  /// `burst` nil: as many as a second's.
  public init(key: RateKey, rate: Rate, burst: Int? = nil) {
    self.key = key
    self.rate = rate
    self.burst = burst ?? Self.burst(of: rate)
  }

  /// The burst of a limit that does not say: a second's requests, at least one.
  public static func burst(of rate: Rate) -> Int {
    max(1, rate.count / Int(rate.period.duration.rawValue / 1_000_000_000))
  }
}

extension RateKey {
  /// For metrics and messages: what the key is made of, never a key.
  public var text: String {
    switch self {
    case .all: "none"
    case .clientIP: "client_ip"
    case .path: "path"
    case .header(let name): "header \(name)"
    }
  }
}
