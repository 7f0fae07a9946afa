// The operator's thresholds for normal and alarm, pool by pool. They do not influence balancing:
// they are exported as metrics, and alert rules, dashboards and the status page compare with them.
// Response times that the file leaves out are learned from the pool (`ResponseBaseline` in Status).
public import Primitives

/// The thresholds of a pool.
public struct ThresholdPolicy: Sendable, Equatable {
  /// A value beyond `normal` is a warning, a value beyond `alarm` is critical.
  public struct Levels<Value: Comparable & Sendable>: Sendable, Equatable {
    public var normal: Value
    public var alarm: Value

    public init(normal: Value, alarm: Value) {
      self.normal = normal
      self.alarm = alarm
    }
  }
  /// The share of answers that are 5xx or cut. Range 0...1, ascending.
  public var errorRatio = Levels(normal: 0.01, alarm: 0.05)
  /// The mean duration of exchanges. Range 1 ms...24 h, ascending; nil: learned.
  public var responseTime: Levels<Nanoseconds>?
  /// The 99th percentile of durations. Range 1 ms...24 h; nil: learned.
  public var p99: Nanoseconds?
  /// The 99th percentile of the time to the first byte of content. Range 1 ms...24 h; nil: learned.
  public var firstByte: Nanoseconds?
  /// Connections to one endpoint. Range 1...1_000_000.
  public var endpointConnections = 5_000
  /// Waiting requests: in steelyard's queue, and in one endpoint. Range 0...1_000_000, ascending.
  public var queueLength = Levels(normal: 10, alarm: 50)
  /// The share of requests that got an answer of 1xx to 4xx. Range 0...1, descending.
  public var successRatio = Levels(normal: 0.99, alarm: 0.95)
  /// The share of requests that clients give up after a long wait (`patience`). Range 0...1.
  public var giveUpRatio = 0.05
  /// The share of answers that are 4xx (without 429), and the share of requests that get 429.
  /// Range 0...1.
  public var clientErrorRatio = 0.5
  /// By how much an endpoint's share of bad attempts may exceed twice that of the others.
  /// Range 0...1.
  public var endpointErrorRatio = 0.1
  /// How long a client has to wait for the first byte before its leaving counts as a failure; nil:
  /// longer than 99 of 100 answers of the last minutes took. Range 0...24 h.
  public var patience: Nanoseconds?
  /// The service level objective: the share of good answers over 30 days. Range 0.5...0.99999.
  public var objectiveRatio = 0.999
  /// The expected request rate of the pool; nil: not given.
  public var requestRate: RateLimit.Rate?

  public init() {}

  /// Named sets of thresholds that the file can refer to.
  public enum Profile: String, Sendable, CaseIterable {
    /// Response times are learned from the pool.
    case learned
    /// Fixed response times, for pages, classifiers and embeddings.
    case web

    /// The thresholds of the profile.
    public var policy: ThresholdPolicy {
      var policy = ThresholdPolicy()
      guard self == .web else { return policy }
      policy.responseTime = ThresholdPolicy.webResponseTime
      policy.p99 = ThresholdPolicy.webP99
      policy.firstByte = ThresholdPolicy.webP99
      return policy
    }
  }

  /// The response time of profile `web`; learned thresholds are never stricter.
  public static let webResponseTime = Levels<Nanoseconds>(
    normal: .milliseconds(100), alarm: .milliseconds(500))
  /// The 99th percentile of profile `web`; a learned threshold is never stricter.
  public static let webP99 = Nanoseconds.milliseconds(200)
}

extension RateLimit.Rate {
  /// The rate in requests per second.
  public var perSecond: Double { Double(count) / period.duration.seconds }
}
