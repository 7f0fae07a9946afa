// How a pool's weights are computed: which pages are scraped, which signals are read, which law
// maps them to a weight. Plain data; Controller gives it meaning.
public import Primitives

/// The control laws.
public enum Law: String, Sendable, Equatable, CaseIterable {
  /// The base weights, always.
  case `static`
  /// A table on the load in percent.
  case steps
  /// base × (floor + (1 − floor)(1 − load)).
  case headroom
}

public struct WeightPolicy: Sendable, Equatable {
  public var law: Law = .static
  /// Between two scrapes of an endpoint, before jitter. Range 100 ms...10 min.
  public var interval: Nanoseconds = .seconds(1)
  /// Deadline of a scrape; shorter than the interval. nil: four fifths of the interval.
  public var timeout: Nanoseconds?
  /// A page longer than this many bytes is a failed scrape. Range 1_024...67_108_864.
  public var pageBytesMax = 4 << 20
  public var scrapes: [ScrapeSource] = []
  /// The least share of its base weight that an endpoint keeps. Range 0...1.
  public var floorRatio = 0.05
  /// The most that a weight moves in a second, in base weights. Range 0.01...100.
  public var slewPerSecond = 0.5
  /// Rows of the `steps` law, ascending; the last weight is for every load above.
  public var steps = StepTable.steps306080
  public init() {}

  public var scrapeTimeout: Nanoseconds {
    timeout ?? Nanoseconds(interval.rawValue / 5 * 4)
  }
}

/// The `steps` law: below `below` percent of load the weight is `weight`, else `otherwise`.
public struct StepTable: Sendable, Equatable {
  public struct Row: Sendable, Equatable {
    public var below: Double
    public var weight: Double
    public init(below: Double, weight: Double) {
      self.below = below
      self.weight = weight
    }
  }
  /// Ascending in `below`, at least one.
  public var rows: [Row]
  public var otherwise: Double
  public init(rows: [Row], otherwise: Double) {
    self.rows = rows
    self.otherwise = otherwise
  }

  /// Below 30 % → 4, below 60 % → 3, below 80 % → 2, else 1: what operators have in their scripts.
  public static let steps306080 = StepTable(
    rows: [.init(below: 30, weight: 4), .init(below: 60, weight: 3), .init(below: 80, weight: 2)],
    otherwise: 1)
}

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
public struct SampleSelector: Sendable, Equatable {
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
  }
  /// Exact names, the first that the page has wins (a server's new name, then its old ones).
  public var names: [String]
  /// All must hold.
  public var labels: [LabelMatch]
  public init(_ names: [String], labels: [LabelMatch] = []) {
    self.names = names
    self.labels = labels
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
    isComplement: Bool = false, thresholds: Thresholds? = nil, isRatio: Bool = false
  ) {
    self.name = name
    self.source = source
    self.aggregate = aggregate
    self.scale = scale
    self.isComplement = isComplement
    self.thresholds = thresholds
    self.isRatio = isRatio
  }
}
