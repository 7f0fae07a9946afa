// How an endpoint slows down as it gets more to do, and what one more request there costs: the
// answers that it delays included. A shape belongs to a pool, or to an endpoint whose concurrency
// the operator gave. docs/control.md tells where the formulas come from.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Two numbers that say how long a request takes with others in flight, and a price.
///
/// | server | knee κ | slope ν |
/// |---|---|---|
/// | shares its speed among all requests | 1 | 1 |
/// | k slots, the rest waits | k | 2k |
/// | continuous batching (LLM engine) | ∞ | 12 |
public struct ServiceShape: Sendable, Equatable {
  /// Up to so many requests are served at once; above, a request waits for its turn. Range 1...∞.
  public var knee: Double
  /// Below the knee so many more requests double a request's time. Range 1...∞.
  public var slope: Double
  /// How much the delay of the others counts beside the request's own time. Range 0...2.
  public var marginal: Double

  public init(knee: Double, slope: Double, marginal: Double) {
    self.knee = knee
    self.slope = slope
    self.marginal = marginal
  }

  /// An endpoint of which nothing is known: it shares its speed.
  public static let unknown = ServiceShape(knee: 1, slope: 1, marginal: 0.2)
  /// The requests in flight and nothing else: what laws that know no response times pick by.
  public static let plain = ServiceShape(knee: 1, slope: 1, marginal: 0)

  /// How many times as long as alone a request takes with `count` in flight, itself included;
  /// 1 for one. Requires: `count` ≥ 1, finite.
  @inlinable public func stretch(_ count: Double) -> Double {
    (1 + (min(count, knee) - 1) / slope) * max(1, count / knee)
  }

  /// The time that one more request adds to those that are there, in units of a request alone.
  @inlinable public func delay(_ count: Double) -> Double {
    guard count > 1 else { return 0 }
    return (count - 1) * (stretch(count) - stretch(max(1, count - 1)))
  }

  /// What a request costs that comes to be one of `count`: its own time, and the delay of others.
  @inlinable public func cost(_ count: Double) -> Double {
    stretch(count) + marginal * delay(count)
  }
}
