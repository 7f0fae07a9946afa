// How bad endpoints are found: passive ejection, active health checks, the progress watchdog.
public import Primitives

/// Passive ejection: an endpoint whose requests fail gets none for a cooldown. It is readmitted
/// after trials, one request at a time, three of which have to end well.
public struct EjectionPolicy: Sendable, Equatable {
  /// The failure count of nginx's `max_fails`: after this many failures (refused, timed out, cut,
  /// or one of the statuses) within `failTimeout` the endpoint is ejected for `failTimeout`. nil:
  /// steelyard's own rules, which eject after three failures in a row, or two where the rest of the
  /// pool has none, for a cooldown that begins with 2 s and grows. 0: no ejection. Range 0...1_000.
  public var failsMax: Int?
  /// The longest cooldown.
  public var failTimeout: Nanoseconds = .seconds(30)
  /// Statuses that count as failures, 400...599; nil: those of `Pool.failureStatuses`.
  public var statuses: RetryStatuses?
  /// The share of recent attempts that may fail; it is judged from six attempts on. Range 0.01...1;
  /// nil: no such rule.
  public var errorRatio: Double? = 0.3
  /// An endpoint is ejected as slow if its response time exceeds the median of the others by this
  /// factor. Range 2...1_000; nil: no such rule.
  public var slowRatio: Double?
  /// The share of the pool that may be ejected at once; one endpoint always may be. Range 0...1.
  public var ejectedRatioMax = 0.5
  /// Ejections are ignored while less than this share of the pool is left. Range 0...1.
  public var panicRatio = 0.5
  public init() {}
}

/// Active health checks: periodic requests to each endpoint. Their answers say whether it may take
/// exchanges.
public struct HealthPolicy: Sendable, Equatable {
  public enum Kind: String, Sendable, Equatable, CaseIterable {
    /// An HTTP request whose answer is judged.
    case http
    /// A TCP connection; it is good if the endpoint accepts it.
    case tcp
    /// A call of `Check` in the gRPC service `grpc.health.v1.Health`, over HTTP/2.
    case grpc
  }

  public enum Method: String, Sendable, Equatable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case options = "OPTIONS"
    /// A POST without content.
    case post = "POST"
  }

  /// A field of the request, as it is sent. Values may be secret and are never printed.
  public struct Field: Sendable, Equatable {
    public var name: String
    /// Empty until `Fleet.readSecrets` if the field has a `source`.
    public var value: String
    /// The source of the value; nil: the configuration file.
    public var source: TokenSource?
    public init(name: String, value: String = "", source: TokenSource? = nil) {
      self.name = name
      self.value = value
      self.source = source
    }

    /// Whether a field may have this value: 1 to 1024 bytes of visible ASCII, with blanks only
    /// between them (RFC 9110 §5.5).
    public static func isValue(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
      (1...1_024).contains(bytes.count) && bytes.first != 0x20 && bytes.last != 0x20
        && bytes.allSatisfy { (0x20...0x7E).contains($0) }
    }
  }

  /// A condition on the content of a good answer.
  public enum Content: Sendable, Equatable {
    /// The content holds these bytes.
    case contains(String)
    /// The content is a JSON object or list, and the value at `path` (keys and positions joined by
    /// dots) is `equals`, compared as text or as a number.
    case json(path: String, equals: String)
  }

  /// A model that has to be loaded, asked for with TensorFlow Serving's model status API.
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
  /// The port of checks; nil: the endpoint's own.
  public var port: UInt16?
  public var method: Method = .get
  /// The Host field; nil: the endpoint's address.
  public var host: String?
  /// Further fields of the request. At most 16.
  public var fields: [Field] = []
  /// TLS of the checks' connections; nil: they are in the clear. A TCP check has none.
  public var tls: ClientTLS?
  /// The statuses of a good answer. Redirects are not followed.
  public var statuses = StatusSet(ranges: [200...399])
  /// A condition on the answer's content; nil: the status is enough.
  public var content: Content?
  /// A model that has to be loaded; it replaces `path`, `statuses` and `content`. nil: none.
  public var model: Model?
  /// With a gRPC check: the service that is asked for; empty: the server as a whole. At most 256
  /// bytes.
  public var service = ""
  public var interval: Nanoseconds = .seconds(5)
  /// The deadline of a check; shorter than the interval.
  public var timeout: Nanoseconds = .seconds(2)
  /// Consecutive failures after which an endpoint is unhealthy.
  public var fall = 3
  /// Consecutive successes after which an endpoint is ready; one is enough if no check failed
  /// before.
  public var rise = 2
  /// Failures are ignored for this long after an endpoint is new or has restarted, or until its
  /// first success.
  public var startPeriod: Nanoseconds = .zero
  public init() {}

  /// The eligibility of an endpoint before its first check. An endpoint whose model has to be
  /// loaded takes no requests until then.
  public var firstEligibility: Eligibility { model == nil ? .starting : .unhealthy }

  /// The request target of checks.
  public var target: String {
    if kind == .grpc { return "/grpc.health.v1.Health/Check" }
    return model.map { "/v1/models/\($0.name)" } ?? path
  }
}

/// What happens to requests in flight at an endpoint that is found to be down. Compare
/// `on-marked-down shutdown-sessions` in HAProxy and `close_connections_on_host_health_failure` in
/// Envoy.
public struct MarkedDownPolicy: Sendable, Equatable {
  /// The verdicts after which requests in flight are not expected to be answered.
  public enum Causes: String, Sendable, Equatable, CaseIterable {
    /// The endpoint is stalled, or its checks get no answer: refused, unreachable, cut or late.
    case unreachable
    /// The same, or its checks get a bad answer.
    case any
    /// None: requests end by their own time-outs.
    case none
  }
  public var causes = Causes.unreachable
  /// How long requests that cannot be repeated elsewhere may still be answered, counted from the
  /// verdict and from the last byte that came from the endpoint. nil: until their own time-outs.
  /// Range 0 s...1 h.
  public var endAfter: Nanoseconds? = .seconds(10)
  public init() {}
}

/// A set of status codes.
public struct StatusSet: Sendable, Equatable {
  /// At least one range, within 100...599.
  public var ranges: [ClosedRange<Int>]
  public init(ranges: [ClosedRange<Int>]) { self.ranges = ranges }

  public func contains(_ status: Int) -> Bool { ranges.contains { $0.contains(status) } }
}

/// The progress watchdog: an endpoint that has work but makes no progress leaves rotation, whatever
/// its health checks say.
public struct WatchdogPolicy: Sendable, Equatable {
  public var isOn = true
  /// The shortest time without progress after which an endpoint with work is stalled. It is longer
  /// for endpoints that are known to be slow. Range 1 s...1 h.
  public var timeout: Nanoseconds = .seconds(5)
  /// The first pause before a stalled endpoint that shows no sign of work is tried again. Each
  /// further pause is twice as long, up to a minute. Range 100 ms...1 min.
  public var pause: Nanoseconds = .seconds(2)
  public init() {}
}
