// What flows from Balancer to Controller: what each worker observed of each endpoint, in cells that
// only that worker writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The balancer's own observations, per worker and endpoint index.
public final class EvidenceBoard: Sendable {
  /// A number that each worker keeps for each endpoint.
  public enum Column: Int, CaseIterable, Sendable {
    /// Exchanges that hold a lease now.
    case inFlight
    /// Leases taken since start.
    case started
    /// Exchanges that ended well (status below 400, complete), since start.
    case completed
    /// Exchanges that failed at the endpoint (refused, cut, timed out, or a status that counts as a
    /// failure), since start.
    case failed
    /// Exchanges that the endpoint answered with 429, 503 or another error that does not count as
    /// its failure: no work was done, nothing broke. Since start.
    case refused
    /// Sum of the durations of completed exchanges, nanoseconds: from the pick to the endpoint's
    /// last byte, without the time in which reading was paused because the client did not read.
    case completedNanoseconds
    /// Sum of the durations of all leases that ended, except those of tunnels, nanoseconds.
    case busyNanoseconds
    /// Sum of the durations of exchanges that steelyard or the client gave up because they took too
    /// long, nanoseconds.
    case timedOutNanoseconds
    /// Exchanges in flight whose answers are not being read because their clients do not read. They
    /// are in no sum of start times, and this time does not count.
    case held
    /// Sum of the start times of the exchanges in flight that are neither held nor tunnels,
    /// nanoseconds of the monotonic clock, modulo 2^64. The time for which an exchange was held is
    /// added to its start.
    case outstandingStarts
    /// Content of all requests sent to the endpoint since start, bytes: the declared length, or the
    /// bytes received so far where there is none.
    case startedBytes
    /// The same for requests in flight whose answers have had no content yet.
    case outstandingBytes
    /// The same for requests whose answers (status below 400) had content, since start.
    case answeredBytes
    /// When the oldest of those exchanges began, nanoseconds of the monotonic clock; 0: none is in
    /// flight.
    case oldestStart
    /// Sum over completed exchanges of the expected slowdown (`ServiceShape.stretch`) at the number
    /// of requests that were in flight when each was sent, in millionths.
    case workMicros
    /// Sum over completed exchanges of the squares of their durations, square microseconds, modulo
    /// 2^64. It gives the variance of durations.
    case completedSquares
    /// How often the worker readmitted the endpoint after an ejection.
    case readmissions
    /// When the worker last readmitted the endpoint, nanoseconds of the monotonic clock; 0: never.
    case readmittedAt
    /// Why the worker last readmitted it: a raw value of `ReadmissionCause`.
    case readmissionCause
    /// Pieces of response content received from the endpoint, since start.
    case pieces
    /// The part of `pieces` that belongs to answers of unknown length: mostly token streams.
    case streamPieces
    /// Over completed exchanges whose requests had content: their number, and the sums of the
    /// lengths in `sizeUnits`, of the squared lengths, of the durations in microseconds, and of
    /// length × duration. The last one is modulo 2^64.
    case sizedCount, sizes, sizeSquares, sizedMicros, sizeMicros
    /// Exchanges in flight that became tunnels (101); they are in no other sum.
    case tunnels
    /// When the worker's current ejection of the endpoint began, nanoseconds of the monotonic
    /// clock; 0: not ejected. `ejection` says whether the ejection still counts.
    case ejectedSince
    /// The end of the cooldown, in the same unit: until then the endpoint gets no requests of
    /// clients.
    case ejectedUntil
    /// The earliest time at which a request that can be repeated elsewhere tries the endpoint, in
    /// the same unit.
    case trialFrom
    /// How often the worker ejected the endpoint.
    case ejections
    /// When the worker last learnt something about the ejected endpoint, in the same unit; 0:
    /// never.
    case ejectionEvidenceAt
    /// Why the endpoint was ejected: a raw value of `EjectionReason`.
    case ejectionReason
    /// How many consecutive attempts had failed with that reason.
    case ejectionFailures
    /// Attempts made elsewhere because one at this endpoint failed, since start.
    case retries
    /// The part of `retries` that was charged to the retry budget.
    case chargedRetries
    /// Attempts in flight at this endpoint that are retries of one that failed elsewhere.
    case retriesInFlight
    /// Open connections to the endpoint, idle ones included.
    case connections
  }

  public let workerCount: Int
  public let endpointLimit: Int
  @usableFromInline let blocks: [CellBlock]
  /// Durations by the number of requests in flight when a request was sent.
  private let occupancies: [CellBlock]
  /// Ejections by the process that this one has replaced, in the columns of ejections, as if by one
  /// more worker. Only the control thread writes to it, before the workers begin.
  let inheritedEjections: CellBlock

  public init(workerCount: Int, endpointLimit: Int) {
    self.workerCount = workerCount
    self.endpointLimit = endpointLimit
    blocks = (0..<workerCount).map { _ in
      CellBlock(count: endpointLimit * Column.allCases.count + 1)
    }
    inheritedEjections = CellBlock(count: endpointLimit * Column.allCases.count + 1)
    occupancies = (0..<workerCount).map { _ in
      CellBlock(count: endpointLimit * 2 * OccupancyBucket.count)
    }
  }

  /// A worker's durations by occupancy: for each endpoint and bucket a count of exchanges and the
  /// sum of their durations in microseconds. Only that worker writes to the block.
  public func occupancyBlock(ofWorker worker: Int) -> CellBlock { occupancies[worker] }

  /// The sums over all workers for one bucket: the number of completed exchanges that were sent at
  /// that occupancy, and their durations in seconds. Any thread.
  public func occupancy(_ endpointIndex: Int, _ bucket: Int) -> (count: Double, seconds: Double) {
    let index = OccupancyBucket.index(endpointIndex, bucket)
    var (count, micros): (UInt64, UInt64) = (0, 0)
    for block in occupancies {
      count &+= block[index]
      micros &+= block[index + 1]
    }
    return (Double(count), Double(micros) / 1e6)
  }

  /// A length in units of 64 bytes, rounded up, at most 2^20 units.
  @inlinable public static func sizeUnits(_ byteCount: UInt32) -> UInt64 {
    min((UInt64(byteCount) + 63) / 64, 1 << 20)
  }

  /// The index of a cell in a worker's block. Cells are laid out column by column.
  @inlinable public func index(_ column: Column, _ endpointIndex: Int) -> Int {
    column.rawValue * endpointLimit + endpointIndex
  }

  /// The cell that a worker changes with every change of an ejection.
  package var ejectionRevisionIndex: Int { endpointLimit * Column.allCases.count }

  /// Changes with every change of an ejection. Any thread.
  package var ejectionRevision: UInt64 {
    blocks.reduce(inheritedEjections[ejectionRevisionIndex]) { $0 &+ $1[ejectionRevisionIndex] }
  }

  /// A worker's own block. Only that worker writes to it.
  @inlinable public func block(ofWorker worker: Int) -> CellBlock { blocks[worker] }

  /// The sum over all workers. Any thread.
  @inlinable public func sum(_ column: Column, _ endpointIndex: Int) -> UInt64 {
    var total: UInt64 = 0
    for block in blocks { total &+= block[index(column, endpointIndex)] }
    return total
  }

  /// Sets every cell of an endpoint to 0. Requires: no worker writes to these cells until a table
  /// that has the endpoint is published (`IndexQuarantine`).
  public func clear(_ endpointIndex: Int) {
    for block in blocks + [inheritedEjections] {
      for column in Column.allCases { block.store(0, at: index(column, endpointIndex)) }
    }
    for block in occupancies {
      for bucket in 0..<OccupancyBucket.count {
        let index = OccupancyBucket.index(endpointIndex, bucket)
        block.store(0, at: index)
        block.store(0, at: index + 1)
      }
    }
  }

  /// When the oldest exchange in flight began, over all workers and without tunnels; nil: none is
  /// in flight. Any thread.
  public func oldestStart(_ endpointIndex: Int) -> Nanoseconds? {
    var oldest = UInt64.max
    for block in blocks {
      let start = block[index(.oldestStart, endpointIndex)]
      if start > 0 { oldest = min(oldest, start) }
    }
    return oldest == .max ? nil : Nanoseconds(Int64(truncatingIfNeeded: oldest))
  }
}
