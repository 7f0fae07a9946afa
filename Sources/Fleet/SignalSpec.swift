// What is read from endpoints' metrics pages: sources, selectors, signals. Plain data, which
// presets consist of and Controller interprets.

/// One metrics page that every endpoint of a pool has: its address and what is read from it.
public struct ScrapeSource: Sendable, Equatable {
  public enum Format: String, Sendable, Equatable, CaseIterable {
    /// Prometheus text.
    case prometheus
    /// A JSON object. The name of a number is its keys joined by dots.
    case json
  }
  /// The preset the source was made from, for people; nil: the operator named every signal.
  public var preset: String?
  /// The port of the page; nil: the endpoint's own port.
  public var port: UInt16?
  public var path: String
  public var format: Format
  /// Further fields of the request. At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// TLS of the connections that read the page; nil: they are in the clear.
  public var tls: ClientTLS?
  /// Whether a malformed line of Prometheus text fails the whole page rather than the line alone.
  public var isStrict = false
  public var signals: [SignalSpec]

  /// `http` or `https`.
  public var scheme: String { tls == nil ? "http" : "https" }

  public init(
    preset: String? = nil, port: UInt16? = nil, path: String = "/metrics",
    format: Format = .prometheus, signals: [SignalSpec]
  ) {
    self.preset = preset
    self.port = port
    self.path = path
    self.format = format
    self.signals = signals
  }

  /// Restricts every signal to series with these labels, in addition to its own conditions.
  public mutating func require(_ labels: [SampleSelector.LabelMatch]) {
    for index in signals.indices {
      signals[index].source = signals[index].source.mapSelectors { $0.labels += labels }
    }
  }
}

/// Selects the samples of a page that belong to a signal.
public struct SampleSelector: Sendable, Equatable, ExpressibleByArrayLiteral {
  public struct LabelMatch: Sendable, Equatable {
    public var label: String
    public var values: [String]
    /// true: the label has one of the values; false: it has none of them.
    public var isMember: Bool
    /// Whether the values are regular expressions as `TextPattern` supports them.
    public var isPattern: Bool
    public init(
      label: String, values: [String], isMember: Bool = true, isPattern: Bool = false
    ) {
      self.label = label
      self.values = values
      self.isMember = isMember
      self.isPattern = isPattern
    }

    /// The label has one of the values; "" matches an absent label too.
    public static func `is`(_ label: String, _ values: [String]) -> LabelMatch {
      LabelMatch(label: label, values: values)
    }

    /// The label has none of the values.
    public static func isNot(_ label: String, _ values: [String]) -> LabelMatch {
      LabelMatch(label: label, values: values, isMember: false)
    }

    /// The whole label matches the regular expression.
    public static func matches(_ label: String, _ pattern: String) -> LabelMatch {
      LabelMatch(label: label, values: [pattern], isPattern: true)
    }

    /// The whole label does not match the regular expression.
    public static func doesNotMatch(_ label: String, _ pattern: String) -> LabelMatch {
      LabelMatch(label: label, values: [pattern], isMember: false, isPattern: true)
    }
  }
  /// Exact names.
  public var names: [String]
  /// false: only the first name that is on the page counts (a server's new name, then its old
  /// ones); true: the samples of all names count.
  public var takesAll: Bool
  /// All conditions must hold.
  public var labels: [LabelMatch]
  public init(_ names: [String], takesAll: Bool = false, labels: [LabelMatch] = []) {
    self.names = names
    self.takesAll = takesAll
    self.labels = labels
  }

  public init(arrayLiteral names: String...) { self.init(names) }

  /// The samples of all the names.
  public static func all(_ names: [String], labels: [LabelMatch] = []) -> SampleSelector {
    SampleSelector(names, takesAll: true, labels: labels)
  }
}

/// How a number is derived from samples.
public enum SignalSource: Sendable, Equatable {
  /// The samples' value.
  case value(SampleSelector)
  /// The increase of counters per second. For a duration sum this is the mean number of requests
  /// in flight (Little's law).
  case rate(SampleSelector)
  /// A value divided by another of the same page.
  case valueRatio(SampleSelector, SampleSelector)
  /// The increase of a counter divided by the increase of another in the same window.
  case rateRatio(SampleSelector, SampleSelector)
  /// An increase per second divided by a value of the same page.
  case rateOverValue(SampleSelector, SampleSelector)
  /// The mean of the observations of a histogram or summary: the increase of `NAME_sum` over that
  /// of `NAME_count`.
  case mean(SampleSelector)
  /// A quantile of the observations of a histogram, from the increases of `NAME_bucket`.
  /// Range 0...1.
  case quantile(Double, SampleSelector)
}

extension SignalSource {
  /// The same source with every selector changed.
  public func mapSelectors(_ change: (inout SampleSelector) -> Void) -> SignalSource {
    func changed(_ selector: SampleSelector) -> SampleSelector {
      var selector = selector
      change(&selector)
      return selector
    }
    return switch self {
    case .value(let a): .value(changed(a))
    case .rate(let a): .rate(changed(a))
    case .valueRatio(let a, let b): .valueRatio(changed(a), changed(b))
    case .rateRatio(let a, let b): .rateRatio(changed(a), changed(b))
    case .rateOverValue(let a, let b): .rateOverValue(changed(a), changed(b))
    case .mean(let a): .mean(changed(a))
    case .quantile(let share, let a): .quantile(share, changed(a))
    }
  }
}

/// How several series are combined into one number.
public enum Aggregate: String, Sendable, Equatable, CaseIterable {
  case sum, max, avg, min
}

/// The meaning of a signal for the `capacity` law and the watchdog. If several signals have the
/// same role, the first usable one counts.
public enum SignalRole: String, Sendable, Equatable, CaseIterable {
  /// Requests in service now.
  case running
  /// Requests that wait inside the endpoint now.
  case waiting
  /// Requests that ended, failed ones included, per second.
  case completions
  /// Requests that failed, per second.
  case failures
  /// Increase of the sum of request durations, seconds per second: the mean number in flight.
  case concurrency
  /// Steps of work (iterations, tokens) per second, for the watchdog: above 0 means progress.
  case progress
}

/// One number that a law reads: its source, and its normal and alarm values.
public struct SignalSpec: Sendable, Equatable {
  public var name: String
  public var source: SignalSource
  public var aggregate: Aggregate
  /// A factor for the number (0.01 for percent, 1e-6 for µs).
  public var scale: Double
  /// Replaces the number x by 1 − x after scaling ("available" becomes "used").
  public var isComplement: Bool
  /// The load is 0 up to `normal` and 1 from `alarm` on. nil: the signal is published, but is no
  /// load.
  public var thresholds: Thresholds?
  /// Whether the number is a utilisation, 0...1, which the `steps` law can average.
  public var isRatio: Bool
  /// What the `capacity` law uses the signal as; nil: it does not use it.
  public var role: SignalRole?
  /// The number used if a readable page has none for the signal; it is neither scaled nor
  /// complemented. nil: the signal is missing then, which is neither 0 nor idle.
  public var absent: Double?

  public struct Thresholds: Sendable, Equatable {
    public var normal: Double
    /// Greater than `normal`.
    public var alarm: Double
    public init(normal: Double, alarm: Double) {
      self.normal = normal
      self.alarm = alarm
    }
  }

  public init(
    _ name: String, _ source: SignalSource, aggregate: Aggregate = .sum, scale: Double = 1,
    isComplement: Bool = false, thresholds: Thresholds? = nil, isRatio: Bool = false,
    role: SignalRole? = nil, absent: Double? = nil
  ) {
    self.name = name
    self.source = source
    self.aggregate = aggregate
    self.scale = scale
    self.isComplement = isComplement
    self.thresholds = thresholds
    self.isRatio = isRatio
    self.role = role
    self.absent = absent
  }
}
