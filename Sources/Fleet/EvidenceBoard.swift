// Where Balancer and Controller meet, upwards: what each worker saw of each endpoint, in cells
// that only that worker writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The balancer's own observations, per worker and endpoint index.
public final class EvidenceBoard: Sendable {
  /// One number that is kept for each worker and endpoint.
  public enum Column: Int, CaseIterable, Sendable {
    /// Exchanges that hold a lease now.
    case inFlight
    /// Leases taken, ever.
    case started
    /// Exchanges that ended well (status below 400, complete), ever.
    case completed
    /// Exchanges that failed at the endpoint (refused, cut, timed out, or with a status that counts
    /// as a failure), ever.
    case failed
    /// Exchanges that the endpoint answered with 429, 503 or another error that is no failure of
    /// its: no work was done, nothing broke. Ever.
    case refused
    /// Sum of the durations of completed exchanges, nanoseconds: from the pick to the endpoint's
    /// last byte, but for the time in which nothing was read because the client did not read.
    case completedNanoseconds
    /// Sum of the durations of all leases that ended but those of tunnels, nanoseconds.
    case busyNanoseconds
    /// Sum of the durations of exchanges that were given up for their time, by us or by clients,
    /// nanoseconds.
    case timedOutNanoseconds
    /// Of those in flight, the ones of whose answers no more is read because their clients do not
    /// read: they are in no sum of starts, and the time does not count.
    case held
    /// Sum of the start times of the exchanges in flight that are neither held nor tunnels,
    /// nanoseconds of the monotonic clock, modulo 2^64. A start is later by the time in which the
    /// exchange was held.
    case outstandingStarts
    /// Content of all requests that were sent to it, bytes, ever: by its length, where it has one,
    /// or as far as it has come.
    case startedBytes
    /// The same, of the requests in flight of whose answer no content has come yet.
    case outstandingBytes
    /// The same, of requests of whose answers (status below 400) content came, ever.
    case answeredBytes
    /// When the oldest of these exchanges began, nanoseconds of the monotonic clock; 0: none runs.
    case oldestStart
    /// Sum over completed exchanges of how many times as long as alone each was to take, by what
    /// was in flight at the endpoint when it was sent (`ServiceShape.stretch`), in millionths.
    case workMicros
    /// Sum over completed exchanges of the squares of their durations, square microseconds, modulo
    /// 2^64: how much durations vary.
    case completedSquares
    /// How often it came back after an ejection.
    case readmissions
    /// When the worker last had it back, nanoseconds of the monotonic clock; 0: never.
    case readmittedAt
    /// Why: a raw value of `ReadmissionCause`.
    case readmissionCause
    /// Pieces of responses' content that came from it, ever.
    case pieces
    /// Those of them that belong to answers of unknown length: streams of tokens, mostly.
    case streamPieces
    /// Of completed exchanges whose requests had content: how many, the sums of the lengths in
    /// `sizeUnits`, of their squares, of the durations in microseconds, of length × duration; the
    /// last modulo 2^64.
    case sizedCount, sizes, sizeSquares, sizedMicros, sizeMicros
    /// Of those in flight, the ones that became tunnels (101); they are in no other sum.
    case tunnels
    /// When the ejection that the worker has the endpoint in began, nanoseconds of the monotonic
    /// clock; 0: in none. `ejection` says whether it still counts.
    case ejectedSince
    /// Until when requests of clients leave it alone, the same.
    case ejectedUntil
    /// Before when a request that can be repeated elsewhere does not try it either, the same.
    case trialFrom
    /// How often it was ejected.
    case ejections
    /// When the worker last heard of it while it was ejected, the same; 0: never.
    case ejectionHeardAt
    /// Why: a raw value of `EjectionReason`.
    case ejectionReason
    /// How many attempts in a row had ended that way.
    case ejectionFailures
    /// Attempts made elsewhere because one here failed, ever.
    case retries
    /// Those of them that the retry budget paid for.
    case chargedRetries
    /// Attempts here, now, because one elsewhere failed.
    case retriesInFlight
    /// Connections to it, idle ones too.
    case connections
  }

  public let workerCount: Int
  public let endpointLimit: Int
  @usableFromInline let blocks: [CellBlock]
  /// Durations by what was in flight when a request was sent.
  private let occupancies: [CellBlock]

  public init(workerCount: Int, endpointLimit: Int) {
    self.workerCount = workerCount
    self.endpointLimit = endpointLimit
    blocks = (0..<workerCount).map { _ in CellBlock(count: endpointLimit * Column.allCases.count) }
    occupancies = (0..<workerCount).map { _ in
      CellBlock(count: endpointLimit * 2 * OccupancyBucket.count)
    }
  }

  /// The block of a worker's durations by occupancy: for each endpoint and bucket a count of
  /// exchanges and the sum of their durations in microseconds. Only that worker writes to it.
  public func occupancyBlock(ofWorker worker: Int) -> CellBlock { occupancies[worker] }

  /// The sums over all workers: completed exchanges that were sent with that many in flight, and
  /// their durations in seconds. Any thread.
  public func occupancy(_ endpointIndex: Int, _ bucket: Int) -> (count: Double, seconds: Double) {
    let index = OccupancyBucket.index(endpointIndex, bucket)
    var (count, micros): (UInt64, UInt64) = (0, 0)
    for block in occupancies {
      count &+= block[index]
      micros &+= block[index + 1]
    }
    return (Double(count), Double(micros) / 1e6)
  }

  /// A length in units of 64 bytes, rounded up, at most 2^20 of them.
  @inlinable public static func sizeUnits(_ byteCount: UInt32) -> UInt64 {
    min((UInt64(byteCount) + 63) / 64, 1 << 20)
  }

  /// The index of a cell in a worker's block: column by column, so that one column is contiguous.
  @inlinable public func index(_ column: Column, _ endpointIndex: Int) -> Int {
    column.rawValue * endpointLimit + endpointIndex
  }

  /// A worker's own block. Only that worker writes to it.
  @inlinable public func block(ofWorker worker: Int) -> CellBlock { blocks[worker] }

  /// The sum over all workers. Any thread.
  @inlinable public func sum(_ column: Column, _ endpointIndex: Int) -> UInt64 {
    var total: UInt64 = 0
    for block in blocks { total &+= block[index(column, endpointIndex)] }
    return total
  }

  /// Sets every cell of an endpoint to 0. Requires: no worker writes to them until a table is
  /// published that has it (`IndexQuarantine`).
  public func clear(_ endpointIndex: Int) {
    for block in blocks {
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

  /// When the oldest exchange in flight of all workers began, tunnels apart; nil where none runs.
  /// Any thread.
  public func oldestStart(_ endpointIndex: Int) -> Nanoseconds? {
    var oldest = UInt64.max
    for block in blocks {
      let start = block[index(.oldestStart, endpointIndex)]
      if start > 0 { oldest = min(oldest, start) }
    }
    return oldest == .max ? nil : Nanoseconds(Int64(truncatingIfNeeded: oldest))
  }
}
