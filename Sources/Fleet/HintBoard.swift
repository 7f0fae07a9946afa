// What scrapes say between two weight tables, downwards: the forecast of other balancers' load for
// each endpoint, and news of its health. Cells that only the control thread writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc
public import Primitives

/// Forecasts and news by endpoint slot.
public final class HintBoard: Sendable {
  /// News that are counted, so that a reader that looks now and then loses none.
  public enum News: Int, CaseIterable, Sendable {
    /// The second scrape in a row that failed, and each one after it.
    case scrapeLost
    /// The second good scrape after failed ones.
    case scrapeBack
    /// Windows in which other balancers' requests failed, mostly.
    case foreignFailures
    /// The same, and at least three failed.
    case foreignOutage
    /// Requests of other balancers that ended well in windows without a failure.
    case foreignSuccesses
    /// It stood still, and is to be tried again, one request at a time.
    case stalled
    /// It stood still, and was seen at work again.
    case recovered
    /// Its health checks failed, and are good again.
    case checked
    /// A canary has come out; `isCanaryGood` says how.
    case canary

    /// It is taken where requests eject nobody, too.
    public var isOfWatchdog: Bool { self == .stalled || self == .recovered }
  }

  private enum Column: Int, CaseIterable {
    case latest, mean, sentAt, fleetResponse, interval, balancers, capacity
    case knee, slope, marginal, sizeSlope, sizeMean, trials, canaryGood
  }
  /// Cells that belong to no endpoint: news, whether others are about, shapes, trials.
  private static let headCount = 4

  public let slotCount: Int
  private let cells: CellBlock

  public init(slotCount: Int) {
    self.slotCount = slotCount
    cells = CellBlock(
      count: Self.headCount + slotCount * (Column.allCases.count + News.allCases.count))
  }

  private func index(_ column: Column, _ slot: Int) -> Int {
    Self.headCount + column.rawValue * slotCount + slot
  }

  private func index(_ news: News, _ slot: Int) -> Int {
    Self.headCount + (Column.allCases.count + news.rawValue) * slotCount + slot
  }

  private func value(_ column: Column, _ slot: Int) -> Double {
    Double(bitPattern: cells[index(column, slot)])
  }

  // MARK: Reading, any thread

  /// Changes with every piece of news.
  public var newsRevision: UInt64 { cells[0] }

  /// How often that was said of the endpoint.
  public func count(_ news: News, _ slot: Int) -> UInt64 { cells[index(news, slot)] }

  /// Whether there is a forecast above 0 for any endpoint.
  public var hasForeignLoad: Bool { cells[1] != 0 }

  /// Requests of other balancers that are expected at the endpoint now:
  /// max(0, ½ mean + e^(−age / ½ R)(latest − mean)), the age counted from when the scrape was sent
  /// and R the fleet's mean response time.
  public func foreignLoad(_ slot: Int, now: Nanoseconds) -> Double {
    let latest = value(.latest, slot)
    let mean = value(.mean, slot)
    if latest == 0, mean == 0 { return 0 }
    let sentAt = Nanoseconds(Int64(bitPattern: cells[index(.sentAt, slot)]))
    let age = max(0, (now - sentAt).seconds)
    let half = max(value(.fleetResponse, slot) / 2, 1e-6)
    return max(0, mean / 2 + exp(-age / half) * (latest - mean))
  }

  /// The fleet's mean response time in seconds; 0 while it is unknown.
  public func fleetResponse(_ slot: Int) -> Double { value(.fleetResponse, slot) }

  /// Between two scrapes, seconds; 0 where there are none.
  public func interval(_ slot: Int) -> Double { value(.interval, slot) }

  /// How many balancers send requests to the endpoint, 1 or more.
  public func balancers(_ slot: Int) -> Double { max(1, value(.balancers, slot)) }

  /// Seconds until a request would be done that is sent now, with `load` in flight there. nil while
  /// that is unknown.
  public func expectedWait(_ slot: Int, load: Int32) -> Double? {
    let capacity = value(.capacity, slot)
    guard capacity > 0 else { return nil }
    return shape(slot).stretch(Double(load) + 1 + value(.mean, slot)) / capacity
  }

  /// Changes whenever a shape does.
  public var shapeRevision: UInt64 { cells[2] }

  /// How the endpoint slows down; `plain` until it is told.
  public func shape(_ slot: Int) -> ServiceShape {
    let knee = value(.knee, slot)
    guard knee > 0 else { return .plain }
    return ServiceShape(
      knee: knee, slope: value(.slope, slot), marginal: value(.marginal, slot))
  }

  /// How much the length of a request's content counts in a pick: 0 where it does not, up to 0.5.
  public func sizeSlope(_ slot: Int) -> Double { value(.sizeSlope, slot) }
  /// The mean length of the content, in `EvidenceBoard.sizeUnits`.
  public func sizeMean(_ slot: Int) -> Double { value(.sizeMean, slot) }

  /// Whether the last two canaries that tried the endpoint were good.
  public func isCanaryGood(_ slot: Int) -> Bool { cells[index(.canaryGood, slot)] != 0 }

  /// Changes with every trial.
  public var trialRevision: UInt64 { cells[3] }

  /// The last trial that the endpoint was given: it is to get the next request if it has none, so
  /// that what is known of it is new. A number that grows with every trial, 0 before the first.
  public func trial(_ slot: Int) -> UInt64 { cells[index(.trials, slot)] }

  // MARK: Writing, the control thread

  /// Forgets what was said of a slot's last endpoint; news are counted on.
  public func clear(_ slot: Int) {
    for column in Column.allCases { cells.store(0, at: index(column, slot)) }
  }

  /// Requests a second that the endpoint can do; 0 while that is unknown.
  public func setCapacity(_ slot: Int, _ capacity: Double) {
    cells.store(capacity.bitPattern, at: index(.capacity, slot))
  }

  /// How the endpoint slows down, and how much the length of a request's content counts.
  public func setShape(
    _ slot: Int, _ shape: ServiceShape, sizeSlope: Double = 0, sizeMean: Double = 0
  ) {
    guard
      shape != self.shape(slot) || sizeSlope != self.sizeSlope(slot)
        || sizeMean != self.sizeMean(slot)
    else { return }
    cells.store(sizeMean.bitPattern, at: index(.sizeMean, slot))
    cells.store(shape.knee.bitPattern, at: index(.knee, slot))
    cells.store(shape.slope.bitPattern, at: index(.slope, slot))
    cells.store(shape.marginal.bitPattern, at: index(.marginal, slot))
    cells.store(sizeSlope.bitPattern, at: index(.sizeSlope, slot))
    cells.add(1, at: 2)
  }

  /// The endpoint gets the next request if it has none.
  public func giveTrial(_ slot: Int) {
    cells.add(1, at: index(.trials, slot))
    cells.add(1, at: 3)
  }

  /// Tells how canaries come out at an endpoint that is ejected: two good ones in a row, or a bad
  /// one.
  public func tellCanary(_ slot: Int, isGood: Bool) {
    cells.store(isGood ? 1 : 0, at: index(.canaryGood, slot))
    tell(.canary, slot)
  }

  /// What the last scrape said of others' load: in that moment, and on average.
  public func setForeignLoad(
    _ slot: Int, latest: Double, mean: Double, sentAt: Nanoseconds
  ) {
    cells.store(latest.bitPattern, at: index(.latest, slot))
    cells.store(mean.bitPattern, at: index(.mean, slot))
    cells.store(UInt64(bitPattern: sentAt.rawValue), at: index(.sentAt, slot))
    if latest > 0 || mean > 0, cells[1] == 0 { cells.store(1, at: 1) }
  }

  /// What is known of the pool, in seconds.
  public func setPool(
    _ slot: Int, fleetResponse: Double, interval: Double, balancers: Double
  ) {
    cells.store(fleetResponse.bitPattern, at: index(.fleetResponse, slot))
    cells.store(interval.bitPattern, at: index(.interval, slot))
    cells.store(balancers.bitPattern, at: index(.balancers, slot))
  }

  public func tell(_ news: News, _ slot: Int, count: UInt64 = 1) {
    cells.add(count, at: index(news, slot))
    cells.add(1, at: 0)
  }
}
