// What the controller tells picks between two weight tables: the load of other balancers at each
// endpoint, its service shape, and notices of its health. Only the control thread writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc
public import Primitives

/// Forecasts, shapes and notices by endpoint index.
public final class PickBoard: Sendable {
  /// Notices are counters, so that a reader that looks only now and then misses none.
  public enum Notice: Int, CaseIterable, Sendable {
    /// A scrape failed, at least the second one in a row.
    case scrapeLost
    /// The second good scrape after failed ones.
    case scrapeBack
    /// A window in which most of the requests of other balancers failed.
    case othersFailures
    /// The same, with at least three failures.
    case othersOutage
    /// Requests of other balancers ended well, in windows without a failure.
    case othersSuccesses
    /// The endpoint was stalled, and is to be tried again, one request at a time.
    case stalled
    /// The endpoint was stalled, and was seen to make progress again.
    case recovered
    /// The endpoint's health checks failed, and are good again.
    case checked
    /// A canary has ended; `isCanaryGood` says how.
    case canary

    /// The watchdog's notices. They count even in pools whose ejection is off.
    public var isOfWatchdog: Bool { self == .stalled || self == .recovered }
  }

  private enum Column: Int, CaseIterable {
    case latest, mean, sentAt, fleetResponse, interval, balancers, capacity
    case knee, slope, marginal, sizeSlope, sizeMean, trials, canaryGood
  }
  /// Cells that belong to no endpoint: the revisions of notices, shapes and trials, and whether
  /// other balancers have load.
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

  /// Changes with every notice.
  public var noticeRevision: UInt64 { cells[0] }

  /// How often the notice was given for the endpoint.
  public func count(_ notice: Notice, _ endpointIndex: Int) -> UInt64 {
    cells[index(notice, endpointIndex)]
  }

  /// Whether any endpoint has a forecast above 0.
  public var hasOthersLoad: Bool { cells[1] != 0 }

  /// The expected number of other balancers' requests at the endpoint now:
  /// max(0, ½ mean + e^(−age / ½ R)(latest − mean)), with the age counted from when the scrape was
  /// sent and R the mean response time of the fleet.
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

  /// The time between two scrapes, seconds; 0: no scrapes.
  public func interval(_ endpointIndex: Int) -> Double { value(.interval, endpointIndex) }

  /// How many balancers send requests to the endpoint, 1 or more.
  public func balancers(_ endpointIndex: Int) -> Double { max(1, value(.balancers, endpointIndex)) }

  /// The time in seconds until a request that is sent now would complete, with `load` in flight.
  /// nil: unknown.
  public func expectedWait(_ endpointIndex: Int, load: Int32) -> Double? {
    let capacity = value(.capacity, endpointIndex)
    guard capacity > 0 else { return nil }
    return shape(endpointIndex).stretch(Double(load) + 1 + value(.mean, endpointIndex)) / capacity
  }

  /// Changes whenever a shape does.
  public var shapeRevision: UInt64 { cells[2] }

  /// How the endpoint slows down under load; `plain` until a shape is set.
  public func shape(_ endpointIndex: Int) -> ServiceShape {
    let knee = value(.knee, endpointIndex)
    guard knee > 0 else { return .plain }
    return ServiceShape(
      knee: knee, slope: value(.slope, endpointIndex), marginal: value(.marginal, endpointIndex))
  }

  /// How much the length of a request's content counts in a pick, 0...0.5; 0: not at all.
  public func sizeSlope(_ endpointIndex: Int) -> Double { value(.sizeSlope, endpointIndex) }
  /// The mean length of the content, in `EvidenceBoard.sizeUnits`.
  public func sizeMean(_ endpointIndex: Int) -> Double { value(.sizeMean, endpointIndex) }

  /// Whether the last two canaries at the endpoint were good.
  public func isCanaryGood(_ endpointIndex: Int) -> Bool {
    cells[index(.canaryGood, endpointIndex)] != 0
  }

  /// Changes with every trial.
  public var trialRevision: UInt64 { cells[3] }

  /// The number of the endpoint's last trial, 0 before the first; each trial increases it. An
  /// endpoint on trial gets the next request if it has none in flight, so that there is new
  /// evidence about it.
  public func trial(_ endpointIndex: Int) -> UInt64 { cells[index(.trials, endpointIndex)] }

  // MARK: Writing, the control thread

  /// Forgets what was set for the index's last endpoint; notice counters keep their values.
  public func clear(_ endpointIndex: Int) {
    for column in Column.allCases { cells.store(0, at: index(column, endpointIndex)) }
  }

  /// Sets the endpoint's capacity in requests a second; 0: unknown.
  public func setCapacity(_ endpointIndex: Int, _ capacity: Double) {
    cells.store(capacity.bitPattern, at: index(.capacity, endpointIndex))
  }

  /// Sets how the endpoint slows down, and how much the length of a request's content counts.
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

  /// Gives the endpoint a trial: it gets the next request if it has none in flight.
  public func giveTrial(_ endpointIndex: Int) {
    cells.add(1, at: index(.trials, endpointIndex))
    cells.add(1, at: 3)
  }

  /// Publishes the result of canaries at an ejected endpoint: two good ones in a row, or a bad one.
  public func notifyCanary(_ endpointIndex: Int, isGood: Bool) {
    cells.store(isGood ? 1 : 0, at: index(.canaryGood, endpointIndex))
    notify(.canary, endpointIndex)
  }

  /// Sets the load of other balancers as of the last scrape: at that moment, and on average.
  public func setOthersLoad(
    _ endpointIndex: Int, latest: Double, mean: Double, sentAt: Nanoseconds
  ) {
    cells.store(latest.bitPattern, at: index(.latest, endpointIndex))
    cells.store(mean.bitPattern, at: index(.mean, endpointIndex))
    cells.store(UInt64(bitPattern: sentAt.rawValue), at: index(.sentAt, endpointIndex))
    if latest > 0 || mean > 0, cells[1] == 0 { cells.store(1, at: 1) }
  }

  /// Sets what is known of the pool, in seconds.
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
