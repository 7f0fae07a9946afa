// How a pool's weights are computed: which pages are scraped, which signals are read, which law
// turns them into weights. Plain data, which Controller interprets.
public import Primitives

/// The control laws.
public enum Law: String, Sendable, Equatable, CaseIterable {
  /// Always the base weights.
  case `static`
  /// A table of weights by the load in percent.
  case steps
  /// base × (floor + (1 − floor)(1 − load)).
  case headroom
  /// What each endpoint completes per second, derived from the durations of its requests.
  case capacity
}

public struct WeightPolicy: Sendable, Equatable {
  public var law: Law = .capacity
  /// Whether the law only computes and publishes targets, while picks use the base weights.
  public var isDryRun = false
  /// The time between two scrapes of an endpoint, without jitter. Range 100 ms...10 min.
  public var interval: Nanoseconds = .seconds(1)
  /// The shortest interval that `capacity` chooses if there are other balancers. Range 50 ms...10
  /// min.
  public var intervalMin: Nanoseconds = .milliseconds(100)
  /// The deadline of a scrape; shorter than the interval. nil: four fifths of the interval.
  public var timeout: Nanoseconds?
  /// The largest page in bytes; a larger one fails the scrape. Range 1_024...67_108_864.
  public var pageBytesMax = 4 << 20
  public var scrapes: [ScrapeSource] = []
  /// The lowest weight of an endpoint, as a share of its base weight. Range 0...1.
  public var floorRatio = 0.05
  /// The largest change of a weight per second, in base weights. Range 0.01...100. nil: 0.5, or 10
  /// with `capacity`, whose evidence is steady by itself.
  public var slewPerSecond: Double?
  /// Rows of the `steps` law, ascending; the last weight applies to every higher load.
  public var steps = StepTable.steps306080
  public init() {}

  public var slew: Double { slewPerSecond ?? (law == .capacity ? 10 : 0.5) }

  public var scrapeTimeout: Nanoseconds {
    timeout ?? Nanoseconds(interval.rawValue / 5 * 4)
  }
}

/// The `steps` law: a load below `below` percent has the weight `weight`, any higher one
/// `otherwise`.
public struct StepTable: Sendable, Equatable {
  public struct Row: Sendable, Equatable {
    public var below: Double
    public var weight: Double
    public init(below: Double, weight: Double) {
      self.below = below
      self.weight = weight
    }
  }
  /// Ascending in `below`, at least one row.
  public var rows: [Row]
  public var otherwise: Double
  public init(rows: [Row], otherwise: Double) {
    self.rows = rows
    self.otherwise = otherwise
  }

  /// Below 30 % → 4, below 60 % → 3, below 80 % → 2, else 1: a common table in operators' scripts.
  public static let steps306080 = StepTable(
    rows: [.init(below: 30, weight: 4), .init(below: 60, weight: 3), .init(below: 80, weight: 2)],
    otherwise: 1)
}
