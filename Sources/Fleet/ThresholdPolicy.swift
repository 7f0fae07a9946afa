// What an operator takes for normal and what for an alarm, pool by pool. Nothing here steers: the
// numbers are exported as metrics; alert rules, dashboards and the status page compare with them.
// Where the file names no response time, the pool's own past does (`ResponseBaseline` in Status).
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
  /// Mean duration of an exchange. Range 1 ms...24 h, ascending; nil: learned.
  public var responseTime: Levels<Nanoseconds>?
  /// 99th percentile of the durations. Range 1 ms...24 h; nil: learned.
  public var p99: Nanoseconds?
  /// 99th percentile of the times to the first byte of content. Range 1 ms...24 h; nil: learned.
  public var firstByte: Nanoseconds?
  /// Connections to one endpoint. Range 1...1_000_000.
  public var endpointConnections = 5_000
  /// Requests that wait: in steelyard's queue, and in one endpoint. Range 0...1_000_000, ascending.
  public var queueLength = Levels(normal: 10, alarm: 50)
  /// Share of the requests that got an answer of 1xx to 4xx. Range 0...1, descending.
  public var successRatio = Levels(normal: 0.99, alarm: 0.95)
  /// Share of the requests that are given up after a long wait (`patience`). Range 0...1.
  public var giveUpRatio = 0.05
  /// Share of the answers that are 4xx (429 apart), and share of the requests that get 429. Range
  /// 0...1.
  public var clientErrorRatio = 0.5
  /// By how much an endpoint's share of bad attempts may exceed twice that of the others. Range
  /// 0...1.
  public var endpointErrorRatio = 0.1
  /// How long a client waits for the first byte of its answer before its leaving counts as a
  /// failure; nil: longer than 99 of 100 answers of the last minutes took. Range 0...24 h.
  public var patience: Nanoseconds?
  /// The service level objective, a share of good answers over 30 days. Range 0.5...0.99999.
  public var objectiveRatio = 0.999
  /// What the pool is expected to be asked for; nil: not said.
  public var requestRate: RateLimit.Rate?

  public init() {}

  /// Sets of thresholds that have a name in the file.
  public enum Profile: String, Sendable, CaseIterable {
    /// Response times follow the pool.
    case learned
    /// Fixed response times, for pages, classifiers and embeddings.
    case web

    /// All the thresholds of this name.
    public var policy: ThresholdPolicy {
      var policy = ThresholdPolicy()
      guard self == .web else { return policy }
      policy.responseTime = ThresholdPolicy.webResponseTime
      policy.p99 = ThresholdPolicy.webP99
      policy.firstByte = ThresholdPolicy.webP99
      return policy
    }
  }

  /// Of the profile `web`; learned thresholds are never stricter.
  public static let webResponseTime = Levels<Nanoseconds>(
    normal: .milliseconds(100), alarm: .milliseconds(500))
  /// Of the profile `web`; a learned threshold is never stricter.
  public static let webP99 = Nanoseconds.milliseconds(200)
}

extension RateLimit.Rate {
  /// Requests a second.
  public var perSecond: Double { Double(count) / period.duration.seconds }
}
