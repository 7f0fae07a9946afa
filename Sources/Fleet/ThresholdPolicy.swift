// What an operator takes for normal and what for an alarm, pool by pool. Nothing here steers: the
// numbers are exported as metrics; alert rules, dashboards and the status page compare with them.
public import Primitives

/// The thresholds of a pool.
public struct ThresholdPolicy: Sendable, Equatable {
  /// Beyond `normal` is a warning, beyond `alarm` is critical.
  public struct Levels<Value: Comparable & Sendable>: Sendable, Equatable {
    public var normal: Value
    public var alarm: Value

    public init(normal: Value, alarm: Value) {
      self.normal = normal
      self.alarm = alarm
    }
  }
  /// Share of the answers that are 5xx or cut. Range 0...1, ascending.
  public var errorRatio = Levels(normal: 0.01, alarm: 0.05)
  /// Mean duration of an exchange. Range 1 ms...24 h, ascending.
  public var responseTime = Levels<Nanoseconds>(
    normal: .milliseconds(100), alarm: .milliseconds(500))
  /// 99th percentile of the durations. Range 1 ms...24 h.
  public var p99: Nanoseconds = .milliseconds(200)
  /// Connections to one endpoint. Range 1...1_000_000.
  public var endpointConnections = 5_000
  /// Requests that wait: in steelyard's queue, and in one endpoint. Range 0...1_000_000, ascending.
  public var queueLength = Levels(normal: 10, alarm: 50)
  /// Share of the requests that got an answer of 1xx to 4xx. Range 0...1, descending.
  public var successRatio = Levels(normal: 0.99, alarm: 0.95)
  /// The service level objective, a share of good answers over 30 days. Range 0.5...0.99999.
  public var objectiveRatio = 0.999
  /// What the pool is expected to be asked for; nil: not said.
  public var requestRate: RateLimit.Rate?

  public init() {}
}

extension RateLimit.Rate {
  /// Requests a second.
  public var perSecond: Double { Double(count) / period.duration.seconds }
}
