// What the controller tells picks between two weight tables: the load that other balancers have at
// each endpoint, how it slows down, and notices of its health. Only the control thread writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc
public import Primitives

/// Forecasts, shapes and notices by endpoint index.
public final class PickBoard: Sendable {
  /// Notices are counted, so that a reader that looks now and then misses none.
  public enum Notice: Int, CaseIterable, Sendable {
    /// The second scrape in a row that failed, and each one after it.
    case scrapeLost
    /// The second good scrape after failed ones.
    case scrapeBack
    /// Windows in which other balancers' requests failed, mostly.
    case othersFailures
    /// The same, and at least three failed.
    case othersOutage
    /// Requests of other balancers that ended well in windows without a failure.
    case othersSuccesses
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
  /// Cells that belong to no endpoint: notices, whether others are about, shapes, trials.
  private static let headCount = 4

  public let endpointLimit: Int
  private let cells: CellBlock

  public init(endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    cells = CellBlock(
      count: Self.headCount + endpointLimit * (Column.allCases.count + Notice.allCases.count))
  }

  private func index(_ column: Column, _ endpointIndex: Int) -> Int {
    Self.headCount + column.rawValue * endpointLimit + endpointIndex
  }

  private func index(_ notice: Notice, _ endpointIndex: Int) -> Int {
    Self.headCount + (Column.allCases.count + notice.rawValue) * endpointLimit + endpointIndex
  }

  private func value(_ column: Column, _ endpointIndex: Int) -> Double {
    Double(bitPattern: cells[index(column, endpointIndex)])
  }

  // MARK: Reading, any thread

  /// Changes with every piece of notice.
  public var noticeRevision: UInt64 { cells[0] }

  /// How often that was said of the endpoint.
  public func count(_ notice: Notice, _ endpointIndex: Int) -> UInt64 {
    cells[index(notice, endpointIndex)]
  }

  /// Whether there is a forecast above 0 for any endpoint.
  public var hasOthersLoad: Bool { cells[1] != 0 }

  /// Requests of other balancers that are expected at the endpoint now:
  /// max(0, ½ mean + e^(−age / ½ R)(latest − mean)), the age counted from when the scrape was sent
  /// and R the fleet's mean response time.
  public func othersLoad(_ endpointIndex: Int, now: Nanoseconds) -> Double {
    let latest = value(.latest, endpointIndex)
    let mean = value(.mean, endpointIndex)
    if latest == 0, mean == 0 { return 0 }
    let sentAt = Nanoseconds(Int64(bitPattern: cells[index(.sentAt, endpointIndex)]))
    let age = max(0, (now - sentAt).seconds)
    let half = max(value(.fleetResponse, endpointIndex) / 2, 1e-6)
    return max(0, mean / 2 + exp(-age / half) * (latest - mean))
  }

  /// The fleet's mean response time in seconds; 0 while it is unknown.
  public func fleetResponse(_ endpointIndex: Int) -> Double { value(.fleetResponse, endpointIndex) }

  /// Between two scrapes, seconds; 0 where there are none.
  public func interval(_ endpointIndex: Int) -> Double { value(.interval, endpointIndex) }

  /// How many balancers send requests to the endpoint, 1 or more.
  public func balancers(_ endpointIndex: Int) -> Double { max(1, value(.balancers, endpointIndex)) }

  /// Seconds until a request would be done that is sent now, with `load` in flight there. nil while
  /// that is unknown.
  public func expectedWait(_ endpointIndex: Int, load: Int32) -> Double? {
    let capacity = value(.capacity, endpointIndex)
    guard capacity > 0 else { return nil }
    return shape(endpointIndex).stretch(Double(load) + 1 + value(.mean, endpointIndex)) / capacity
  }

  /// Changes whenever a shape does.
  public var shapeRevision: UInt64 { cells[2] }

  /// How the endpoint slows down; `plain` until it is told.
  public func shape(_ endpointIndex: Int) -> ServiceShape {
    let knee = value(.knee, endpointIndex)
    guard knee > 0 else { return .plain }
    return ServiceShape(
      knee: knee, slope: value(.slope, endpointIndex), marginal: value(.marginal, endpointIndex))
  }

  /// How much the length of a request's content counts in a pick: 0 where it does not, up to 0.5.
  public func sizeSlope(_ endpointIndex: Int) -> Double { value(.sizeSlope, endpointIndex) }
  /// The mean length of the content, in `EvidenceBoard.sizeUnits`.
  public func sizeMean(_ endpointIndex: Int) -> Double { value(.sizeMean, endpointIndex) }

  /// Whether the last two canaries that tried the endpoint were good.
  public func isCanaryGood(_ endpointIndex: Int) -> Bool {
    cells[index(.canaryGood, endpointIndex)] != 0
  }

  /// Changes with every trial.
  public var trialRevision: UInt64 { cells[3] }

  /// The last trial that the endpoint was given: it is to get the next request if it has none, so
  /// that what is known of it is new. A number that grows with every trial, 0 before the first.
  public func trial(_ endpointIndex: Int) -> UInt64 { cells[index(.trials, endpointIndex)] }

  // MARK: Writing, the control thread

  /// Forgets what was said of an index's last endpoint; notice are counted on.
  public func clear(_ endpointIndex: Int) {
    for column in Column.allCases { cells.store(0, at: index(column, endpointIndex)) }
  }

  /// Requests a second that the endpoint can do; 0 while that is unknown.
  public func setCapacity(_ endpointIndex: Int, _ capacity: Double) {
    cells.store(capacity.bitPattern, at: index(.capacity, endpointIndex))
  }

  /// How the endpoint slows down, and how much the length of a request's content counts.
  public func setShape(
    _ endpointIndex: Int, _ shape: ServiceShape, sizeSlope: Double = 0, sizeMean: Double = 0
  ) {
    guard
      shape != self.shape(endpointIndex) || sizeSlope != self.sizeSlope(endpointIndex)
        || sizeMean != self.sizeMean(endpointIndex)
    else { return }
    cells.store(sizeMean.bitPattern, at: index(.sizeMean, endpointIndex))
    cells.store(shape.knee.bitPattern, at: index(.knee, endpointIndex))
    cells.store(shape.slope.bitPattern, at: index(.slope, endpointIndex))
    cells.store(shape.marginal.bitPattern, at: index(.marginal, endpointIndex))
    cells.store(sizeSlope.bitPattern, at: index(.sizeSlope, endpointIndex))
    cells.add(1, at: 2)
  }

  /// The endpoint gets the next request if it has none.
  public func giveTrial(_ endpointIndex: Int) {
    cells.add(1, at: index(.trials, endpointIndex))
    cells.add(1, at: 3)
  }

  /// Tells how canaries come out at an endpoint that is ejected: two good ones in a row, or a bad
  /// one.
  public func notifyCanary(_ endpointIndex: Int, isGood: Bool) {
    cells.store(isGood ? 1 : 0, at: index(.canaryGood, endpointIndex))
    notify(.canary, endpointIndex)
  }

  /// What the last scrape said of others' load: in that moment, and on average.
  public func setOthersLoad(
    _ endpointIndex: Int, latest: Double, mean: Double, sentAt: Nanoseconds
  ) {
    cells.store(latest.bitPattern, at: index(.latest, endpointIndex))
    cells.store(mean.bitPattern, at: index(.mean, endpointIndex))
    cells.store(UInt64(bitPattern: sentAt.rawValue), at: index(.sentAt, endpointIndex))
    if latest > 0 || mean > 0, cells[1] == 0 { cells.store(1, at: 1) }
  }

  /// What is known of the pool, in seconds.
  public func setPool(
    _ endpointIndex: Int, fleetResponse: Double, interval: Double, balancers: Double
  ) {
    cells.store(fleetResponse.bitPattern, at: index(.fleetResponse, endpointIndex))
    cells.store(interval.bitPattern, at: index(.interval, endpointIndex))
    cells.store(balancers.bitPattern, at: index(.balancers, endpointIndex))
  }

  public func notify(_ notice: Notice, _ endpointIndex: Int, count: UInt64 = 1) {
    cells.add(count, at: index(notice, endpointIndex))
    cells.add(1, at: 0)
  }
}
