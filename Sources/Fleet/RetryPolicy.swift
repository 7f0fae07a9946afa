// When a failed attempt is made again at another endpoint, and how many of a pool's exchanges and
// connections may run at once.

/// Retries of a pool: which failures, how often, and at what cost at most.
public struct RetryPolicy: Sendable, Equatable {
  /// Further attempts at an exchange. Range 0...7.
  public var retriesMax = 2
  /// Answers that are asked for again where the request may be repeated.
  public var statuses = RetryStatuses([429, 500, 502, 503, 504])
  /// Whether a first-byte time-out is one of the failures. It doubles the load of what is slow.
  public var repeatsTimeouts = false
  /// Content of a request that is kept for a repeat, bytes; more makes it not repeatable.
  /// Range 0...16 MiB.
  public var replayBytesMax = 65_536
  /// Retries for each request of the pool, in the mean. Range 0...10.
  public var budgetRatio = 0.2
  /// And besides, retries a second. Range 0...100_000.
  public var budgetPerSecond = 3.0
  public init() {}
}

/// Circuit breakers: what may run at once, all workers together. nil: no limit.
public struct BreakerPolicy: Sendable, Equatable {
  /// Upstream connections of the pool, idle ones too. Range 1...1_000_000, as of all of these.
  public var connectionsMax: Int?
  /// Exchanges of the pool.
  public var requestsMax: Int? = 5_000
  /// Exchanges of the pool that are a repeat.
  public var retriesMax: Int?
  /// Upstream connections of each endpoint, idle ones too.
  public var endpointConnectionsMax: Int?
  /// Exchanges of each endpoint.
  public var endpointRequestsMax: Int?
  public init() {}

  /// Whether connections have to be counted over the workers.
  public var limitsConnections: Bool { connectionsMax != nil || endpointConnectionsMax != nil }
}

/// A set of status codes 400...599, to be asked without a search.
@frozen public struct RetryStatuses: Sendable, Equatable {
  @usableFromInline var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// Codes outside 400...599 are left out.
  public init(_ statuses: [Int] = []) { for status in statuses { insert(status) } }

  @inlinable public func contains(_ status: Int) -> Bool {
    guard status >= 400, status < 600 else { return false }
    let bit = status - 400
    let word =
      switch bit >> 6 {
      case 0: words.0
      case 1: words.1
      case 2: words.2
      default: words.3
      }
    return word >> UInt64(bit & 63) & 1 != 0
  }

  /// All of a range within 400...599, but for some.
  public init(_ range: ClosedRange<Int>, without: [Int]) {
    self.init(range.filter { !without.contains($0) })
  }

  /// What either of two sets has.
  public func union(_ other: RetryStatuses) -> RetryStatuses {
    RetryStatuses(statuses + other.statuses)
  }

  private mutating func insert(_ status: Int) {
    guard status >= 400, status < 600 else { return }
    let bit = status - 400
    let mask = UInt64(1) << UInt64(bit & 63)
    switch bit >> 6 {
    case 0: words.0 |= mask
    case 1: words.1 |= mask
    case 2: words.2 |= mask
    default: words.3 |= mask
    }
  }

  /// In ascending order.
  public var statuses: [Int] { (400...599).filter(contains) }

  public static func == (a: RetryStatuses, b: RetryStatuses) -> Bool { a.words == b.words }
}
