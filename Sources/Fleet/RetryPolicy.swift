// When a failed attempt is retried at another endpoint, and how many exchanges and connections of a
// pool may be in use at once.

/// Retries of a pool: for which failures, how many, and within which budget.
public struct RetryPolicy: Sendable, Equatable {
  /// The largest number of further attempts of an exchange. Range 0...7.
  public var retriesMax = 2
  /// Statuses after which a request is retried, if it may be repeated.
  public var statuses = RetryStatuses([429, 500, 502, 503, 504])
  /// Whether a first-byte time-out is retried. Such retries double the load on slow endpoints.
  public var repeatsTimeouts = false
  /// The most request content that is kept for a retry, bytes; a longer request is not retried.
  /// Range 0...16 MiB.
  public var replayBytesMax = 65_536
  /// The retry budget: retries for each request of the pool, on average. Range 0...10.
  public var budgetRatio = 0.2
  /// Retries per second allowed in addition. Range 0...100_000.
  public var budgetPerSecond = 3.0
  public init() {}
}

/// Circuit breakers: limits over all workers. nil: no limit.
public struct BreakerPolicy: Sendable, Equatable {
  /// Upstream connections of the pool, idle ones included. All limits have the range 1...1_000_000.
  public var connectionsMax: Int?
  /// Exchanges in flight in the pool.
  public var requestsMax: Int? = 5_000
  /// Exchanges in flight in the pool that are retries.
  public var retriesMax: Int?
  /// Upstream connections of each endpoint, idle ones included.
  public var endpointConnectionsMax: Int?
  /// Exchanges in flight at each endpoint.
  public var endpointRequestsMax: Int?
  public init() {}

  /// Whether connections have to be counted over all workers.
  public var limitsConnections: Bool { connectionsMax != nil || endpointConnectionsMax != nil }
}

/// A set of status codes 400...599 with constant-time lookup.
@frozen public struct RetryStatuses: Sendable, Equatable {
  @usableFromInline var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// Codes outside 400...599 are ignored.
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

  /// All codes of a range within 400...599, except `without`.
  public init(_ range: ClosedRange<Int>, without: [Int]) {
    self.init(range.filter { !without.contains($0) })
  }

  /// The union of the two sets.
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
