// When an endpoint is taken out: active probes and passive ejection.
public import Primitives

/// Passive ejection: an endpoint whose requests fail rests, 2 s at first, then longer each time. It
/// comes back by single requests, one at a time, three of which have to end well.
public struct EjectionPolicy: Sendable, Equatable {
  /// Failures in a row (refused, timed out, cut, 5xx) that an endpoint may have at most; where the
  /// rest of the pool is free of them two are enough. 0 switches ejection off. Range 0...1_000.
  public var failsMax = 3
  /// The longest rest.
  public var failTimeout: Nanoseconds = .seconds(30)
  public init() {}
}

/// Active probes: `GET path` on the endpoint's own port; 200...399 is healthy.
public struct HealthPolicy: Sendable, Equatable {
  public var path = "/health"
  public var interval: Nanoseconds = .seconds(5)
  /// Shorter than the interval.
  public var timeout: Nanoseconds = .seconds(2)
  /// Failures in a row until unhealthy.
  public var fall = 3
  /// Successes in a row until ready.
  public var rise = 2
  public init() {}
}
