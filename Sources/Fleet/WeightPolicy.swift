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
  /// What each endpoint does in a second, from the durations of its requests.
  case capacity
}

public struct WeightPolicy: Sendable, Equatable {
  public var law: Law = .capacity
  /// The law computes and publishes targets, but the base weights steer.
  public var isDryRun = false
  /// Between two scrapes of an endpoint, before jitter. Range 100 ms...10 min.
  public var interval: Nanoseconds = .seconds(1)
  /// With other balancers about, `capacity` may scrape as often as this. Range 50 ms...10 min.
  public var intervalMin: Nanoseconds = .milliseconds(100)
  /// Deadline of a scrape; shorter than the interval. nil: four fifths of the interval.
  public var timeout: Nanoseconds?
  /// A page longer than this many bytes is a failed scrape. Range 1_024...67_108_864.
  public var pageBytesMax = 4 << 20
  public var scrapes: [ScrapeSource] = []
  /// The least share of its base weight that an endpoint keeps. Range 0...1.
  public var floorRatio = 0.05
  /// The most that a weight moves in a second, in base weights. Range 0.01...100. nil: 0.5, and
  /// 10 with `capacity`, which judges by evidence that is steady by itself.
  public var slewPerSecond: Double?
  /// Rows of the `steps` law, ascending; the last weight is for every load above.
  public var steps = StepTable.steps306080
  public init() {}

  public var slew: Double { slewPerSecond ?? (law == .capacity ? 10 : 0.5) }

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
