// How an endpoint slows down under load, and what one more request costs, the delay of the other
// requests included. A shape belongs to a pool, or to an endpoint with a configured concurrency.
// docs/control.md says where the formulas come from.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Two numbers for how a request's time grows with the requests in flight, and a price.
///
/// | server | knee κ | slope ν |
/// |---|---|---|
/// | shares its speed among all requests | 1 | 1 |
/// | serves k at once, others wait | k | 2k |
/// | continuous batching (LLM engine) | ∞ | 12 |
public struct ServiceShape: Sendable, Equatable {
  /// The number of requests served at once; above it, requests wait. Range 1...∞.
  public var knee: Double
  /// Below the knee, this many more requests double a request's time. Range 1...∞.
  public var slope: Double
  /// The weight of the delay of other requests, relative to the request's own time. Range 0...2.
  public var marginal: Double

  public init(knee: Double, slope: Double, marginal: Double) {
    self.knee = knee
    self.slope = slope
    self.marginal = marginal
  }

  /// The shape of an endpoint without evidence: it shares its speed among all requests.
  public static let unknown = ServiceShape(knee: 1, slope: 1, marginal: 0.2)
  /// Counts requests in flight and nothing else. Used with laws that know no response times.
  public static let plain = ServiceShape(knee: 1, slope: 1, marginal: 0)

  /// How many times longer a request takes with `count` in flight, itself included, than alone. 1
  /// for one request. Requires: `count` ≥ 1, finite.
  @inlinable public func stretch(_ count: Double) -> Double {
    (1 + (min(count, knee) - 1) / slope) * max(1, count / knee)
  }

  /// The total delay that one more request causes the others, in units of a request's time alone.
  @inlinable public func delay(_ count: Double) -> Double {
    guard count > 1 else { return 0 }
    return (count - 1) * (stretch(count) - stretch(max(1, count - 1)))
  }

  /// The cost of a request that makes `count` in flight: its own time and the delay of the others.
  @inlinable public func cost(_ count: Double) -> Double {
    stretch(count) + marginal * delay(count)
  }
}
