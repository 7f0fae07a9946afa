// When an endpoint is taken out: passive ejection, active checks, the progress watchdog.
public import Primitives

/// Passive ejection: an endpoint whose requests fail rests. It comes back by single requests, one
/// at a time, three of which have to end well.
public struct EjectionPolicy: Sendable, Equatable {
  /// nginx's count: so many failures (refused, timed out, cut, one of the statuses) within
  /// `failTimeout` and the endpoint rests for `failTimeout`. nil: steelyard's own rules, three in a
  /// row or two where the rest of the pool is free of them, and rests that begin with 2 s and grow.
  /// 0 switches ejection off. Range 0...1_000.
  public var failsMax: Int?
  /// The longest rest.
  public var failTimeout: Nanoseconds = .seconds(30)
  /// Answers that are failures, 400...599; nil: `Pool.failureStatuses` says which.
  public var statuses: RetryStatuses?
  /// Share of the recent attempts that may fail, from six on. Range 0.01...1; nil: no such rule.
  public var errorRatio: Double? = 0.3
  /// How many times the median response time of the others an endpoint's own may be.
  /// Range 2...1_000; nil: no such rule.
  public var slowRatio: Double?
  /// Share of the pool that may be ejected at once, but one endpoint always may. Range 0...1.
  public var ejectedRatioMax = 0.5
  /// Where less than this share of the pool is left, ejections are ignored. Range 0...1.
  public var panicRatio = 0.5
  public init() {}
}

/// Active checks: a request to each endpoint every now and then, whose answer says whether it may
/// take exchanges.
public struct HealthPolicy: Sendable, Equatable {
  public enum Kind: String, Sendable, Equatable, CaseIterable {
    /// One request; its answer is judged.
    case http
    /// A connection that is accepted is enough.
    case tcp
  }

  public enum Method: String, Sendable, Equatable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case options = "OPTIONS"
    /// Checks send no content.
    case post = "POST"
  }

  /// A field of the request, as it is sent. Values may be secret: none is printed.
  public struct Field: Sendable, Equatable {
    public var name: String
    /// Empty until `Fleet.readSecrets`, where there is a `source`.
    public var value: String
    /// Where the value stands; nil: in the configuration file.
    public var source: TokenSource?
    public init(name: String, value: String = "", source: TokenSource? = nil) {
      self.name = name
      self.value = value
      self.source = source
    }

    /// Whether a field may have this value: 1 to 1024 bytes of visible ASCII and blanks between it
    /// (RFC 9110 §5.5).
    public static func isValue(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
      (1...1_024).contains(bytes.count) && bytes.first != 0x20 && bytes.last != 0x20
        && bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }
  }

  /// What the content of a good answer has to say.
  public enum Content: Sendable, Equatable {
    /// These bytes stand somewhere in it.
    case contains(String)
    /// It is a JSON object or list, and the value at `path` (keys and positions joined by dots)
    /// is `equals`, as text or as number.
    case json(path: String, equals: String)
  }

  /// A model that has to be loaded: TensorFlow Serving's model status API.
  public struct Model: Sendable, Equatable {
    public var name: String
    /// nil: any version. Range 0...2^63 − 1.
    public var version: Int64?
    public init(name: String, version: Int64? = nil) {
      self.name = name
      self.version = version
    }
  }

  public var kind: Kind = .http
  public var path = "/health"
  /// nil: the endpoint's own.
  public var port: UInt16?
  public var method: Method = .get
  /// The Host field; nil: the address.
  public var host: String?
  /// At most 16.
  public var fields: [Field] = []
  /// Of a good answer. Redirects are not followed.
  public var statuses = StatusSet(ranges: [200...399])
  /// nil: the status is enough.
  public var content: Content?
  /// nil: no model is asked for. Otherwise it replaces `path`, `statuses` and `content`.
  public var model: Model?
  public var interval: Nanoseconds = .seconds(5)
  /// Shorter than the interval.
  public var timeout: Nanoseconds = .seconds(2)
  /// Failures in a row until unhealthy.
  public var fall = 3
  /// Successes in a row until ready; one is enough where no failure was before it.
  public var rise = 2
  /// After an endpoint is new or began anew, failures do not count for so long, or until the first
  /// success.
  public var startPeriod: Nanoseconds = .zero
  public init() {}

  /// What an endpoint is before its first check. One whose model has to be loaded waits for it.
  public var firstEligibility: Eligibility { model == nil ? .starting : .unhealthy }

  /// What is asked for.
  public var target: String { model.map { "/v1/models/\($0.name)" } ?? path }
}

/// What becomes of requests in flight at an endpoint that is found to be down. HAProxy has
/// `on-marked-down shutdown-sessions`, Envoy `close_connections_on_host_health_failure`.
public struct MarkedDownPolicy: Sendable, Equatable {
  /// Which verdicts mean that what is in flight will not be answered.
  public enum Causes: String, Sendable, Equatable, CaseIterable {
    /// It is stalled, or its checks get no answer: refused, unreachable, cut or late.
    case unreachable
    /// The same, and checks that get a bad answer.
    case any
    /// None: requests keep their own time-outs.
    case none
  }
  public var causes = Causes.unreachable
  /// For so long after the verdict, and after the last byte that came from the endpoint, requests
  /// that could not be made again elsewhere may still be answered. nil: as long as their own
  /// time-outs allow. Range 0 s...1 h.
  public var endAfter: Nanoseconds? = .seconds(10)
  public init() {}
}

/// A set of status codes.
public struct StatusSet: Sendable, Equatable {
  /// Within 100...599, at least one.
  public var ranges: [ClosedRange<Int>]
  public init(ranges: [ClosedRange<Int>]) { self.ranges = ranges }

  public func contains(_ status: Int) -> Bool { ranges.contains { $0.contains(status) } }
}

/// The progress watchdog: an endpoint that has work and does none of it leaves rotation, whatever
/// its health page says.
public struct WatchdogPolicy: Sendable, Equatable {
  public var isOn = true
  /// For so long an endpoint with work may show none at the least; it may be longer where the
  /// endpoint is known to take its time. Range 1 s...1 h.
  public var timeout: Nanoseconds = .seconds(5)
  /// The first pause until it is tried again when it shows nothing by itself; each next one is
  /// twice as long, up to a minute. Range 100 ms...1 min.
  public var pause: Nanoseconds = .seconds(2)
  public init() {}
}
