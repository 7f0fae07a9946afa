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
}

/// Which samples of a page belong to a signal.
public struct SampleSelector: Sendable, Equatable, ExpressibleByArrayLiteral {
  public struct LabelMatch: Sendable, Equatable {
    public var label: String
    public var values: [String]
    /// true: the label has one of the values; false: it has none of them.
    public var isMember: Bool
    public init(label: String, values: [String], isMember: Bool = true) {
      self.label = label
      self.values = values
      self.isMember = isMember
    }

    /// The label has one of the values; "" also means that it is absent.
    public static func `is`(_ label: String, _ values: [String]) -> LabelMatch {
      LabelMatch(label: label, values: values)
    }

    /// The label has none of the values.
    public static func isNot(_ label: String, _ values: [String]) -> LabelMatch {
      LabelMatch(label: label, values: values, isMember: false)
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
}

/// How several series become one number.
public enum Aggregate: String, Sendable, Equatable, CaseIterable {
  case sum, max, avg, min
}

/// What a signal says of an endpoint's work, for the `capacity` law. Of several signals of one role
/// the first usable one counts.
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
    role: SignalRole? = nil
  ) {
    self.name = name
    self.source = source
    self.aggregate = aggregate
    self.scale = scale
    self.isComplement = isComplement
    self.thresholds = thresholds
    self.isRatio = isRatio
    self.role = role
  }
}
