// What is read from an endpoint's metrics pages: sources, selectors, signals. Plain data; the
// Controller gives it meaning, presets are made of it.

/// One metrics page of every endpoint of a pool: its address and what is read from it.
public struct ScrapeSource: Sendable, Equatable {
  public enum Format: String, Sendable, Equatable, CaseIterable {
    /// Prometheus text.
    case prometheus
    /// A JSON object; a number's name is its keys joined by dots.
    case json
  }
  /// The preset it was made from, for people; nil where the operator named every signal.
  public var preset: String?
  /// nil: the endpoint's own port.
  public var port: UInt16?
  public var path: String
  public var format: Format
  /// Further fields of the request. At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// A wrong line of Prometheus text costs the whole page, not only itself.
  public var isStrict = false
  public var signals: [SignalSpec]

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

  /// Every signal reads only series with these labels, besides what it asks for itself.
  public mutating func require(_ labels: [SampleSelector.LabelMatch]) {
    for index in signals.indices {
      signals[index].source = signals[index].source.mapSelectors { $0.labels += labels }
    }
  }
}

/// Which samples of a page belong to a signal.
public struct SampleSelector: Sendable, Equatable, ExpressibleByArrayLiteral {
  public struct LabelMatch: Sendable, Equatable {
    public var label: String
    public var values: [String]
    /// true: the label has one of the values; false: it has none of them.
    public var isMember: Bool
    /// The values are regular expressions that `TextPattern` takes.
    public var isPattern: Bool
    public init(
      label: String, values: [String], isMember: Bool = true, isPattern: Bool = false
    ) {
      self.label = label
      self.values = values
      self.isMember = isMember
      self.isPattern = isPattern
    }

    /// The label has one of the values; "" also means that it is absent.
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

    /// It does not.
    public static func doesNotMatch(_ label: String, _ pattern: String) -> LabelMatch {
      LabelMatch(label: label, values: [pattern], isMember: false, isPattern: true)
    }
  }
  /// Exact names.
  public var names: [String]
  /// false: the first name that the page has wins (a server's new name, then its old ones); true:
  /// they all belong to the signal, side by side.
  public var takesAll: Bool
  /// All must hold.
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

/// How a number is made of samples.
public enum SignalSource: Sendable, Equatable {
  /// The samples' value.
  case value(SampleSelector)
  /// The increase of counters per second. For a duration sum this is the mean number of requests
  /// in flight (Little's law).
  case rate(SampleSelector)
  /// A value divided by another of the same page.
  case valueRatio(SampleSelector, SampleSelector)
  /// An increase divided by another of the same window.
  case rateRatio(SampleSelector, SampleSelector)
  /// An increase per second divided by a value of the same page.
  case rateOverValue(SampleSelector, SampleSelector)
  /// The mean of what a histogram or summary of that name observed: the increase of `NAME_sum`
  /// over that of `NAME_count`.
  case mean(SampleSelector)
  /// The value below which this share of what a histogram of that name observed lies, from the
  /// increases of `NAME_bucket`. Range 0...1.
  case quantile(Double, SampleSelector)
}

extension SignalSource {
  /// The same with every selector changed.
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

/// How several series become one number.
public enum Aggregate: String, Sendable, Equatable, CaseIterable {
  case sum, max, avg, min
}

/// What a signal says of an endpoint's work, for the `capacity` law and the watchdog. Of several
/// signals of one role the first usable one counts.
public enum SignalRole: String, Sendable, Equatable, CaseIterable {
  /// Requests in service now.
  case running
  /// Requests that wait in the endpoint now.
  case waiting
  /// Requests that ended, failed ones too, a second.
  case completions
  /// Requests that failed, a second.
  case failures
  /// Increase of the sum of request durations, in seconds a second: the mean number in flight.
  case concurrency
  /// Steps of its work (iterations, tokens) a second, for the watchdog: above 0 it gets on.
  case progress
}

/// One number that a law reads: where it comes from and what is normal and what is an alarm.
public struct SignalSpec: Sendable, Equatable {
  public var name: String
  public var source: SignalSource
  public var aggregate: Aggregate
  /// Multiplies the number (0.01 for percent, 1e-6 for µs).
  public var scale: Double
  /// Replaces the number x by 1 − x, after the scale ("available" becomes "used").
  public var isComplement: Bool
  /// Load is 0 up to `normal` and 1 from `alarm` on. nil: published, but no load.
  public var thresholds: Thresholds?
  /// The number is a utilisation, 0...1, which the `steps` law can average.
  public var isRatio: Bool
  /// What the `capacity` law takes it for; nil: nothing.
  public var role: SignalRole?
  /// Stands for the signal where a page that can be read has no number for it; after scale and
  /// complement. nil: then it is missing, which is neither 0 nor idle.
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
