// Where Balancer and Controller meet, upwards: what each worker saw of each endpoint, in cells
// that only that worker writes.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The balancer's own observations, per worker and endpoint slot.
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
    /// Sum over completed exchanges of the load of others at their end, millionths of a request.
    case foreignMicros
    /// How often it came back after an ejection.
    case readmissions
    /// When the worker last had it back, nanoseconds of the monotonic clock; 0: never.
    case readmittedAt
    /// Why: a raw value of `ReadmissionCause`.
    case readmissionCause
    /// Pieces of responses' content that came from it, ever.
    case pieces
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
  public let slotCount: Int
  @usableFromInline let blocks: [CellBlock]

  public init(workerCount: Int, slotCount: Int) {
    self.workerCount = workerCount
    self.slotCount = slotCount
    blocks = (0..<workerCount).map { _ in CellBlock(count: slotCount * Column.allCases.count) }
  }

  /// The index of a cell in a worker's block: column by column, so that one column is contiguous.
  @inlinable public func index(_ column: Column, _ slot: Int) -> Int {
    column.rawValue * slotCount + slot
  }

  /// A worker's own block. Only that worker writes to it.
  @inlinable public func block(ofWorker worker: Int) -> CellBlock { blocks[worker] }

  /// The sum over all workers. Any thread.
  @inlinable public func sum(_ column: Column, _ slot: Int) -> UInt64 {
    var total: UInt64 = 0
    for block in blocks { total &+= block[index(column, slot)] }
    return total
  }

  /// Sets every cell of a slot to 0. Requires: no worker writes to the slot until a table is
  /// published that has it (`SlotQuarantine`).
  public func clear(_ slot: Int) {
    for block in blocks {
      for column in Column.allCases { block.store(0, at: index(column, slot)) }
    }
  }

  /// When the oldest exchange in flight of all workers began, tunnels apart; nil where none runs.
  /// Any thread.
  public func oldestStart(_ slot: Int) -> Nanoseconds? {
    var oldest = UInt64.max
    for block in blocks {
      let start = block[index(.oldestStart, slot)]
      if start > 0 { oldest = min(oldest, start) }
    }
    return oldest == .max ? nil : Nanoseconds(Int64(truncatingIfNeeded: oldest))
  }
}
