// Counts the requests of one pool, and the clients that left before their answer was complete, in
// cells of each worker. Answers of endpoints are counted by endpoint (`TrafficMetrics`), refusals
// by reason (`RefusalCounts`). Invariant: together with these two, departures add up to all
// requests of the pool.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

/// The requests and the departed clients of one pool. It lives as long as the process, also across
/// reloads.
package final class PoolTraffic: Sendable {
  /// The moment at which a client left.
  package enum Departure: Int, CaseIterable, Sendable {
    /// No content of an answer had come, after a wait that is usual for the pool.
    case waiting
    /// No content of an answer had come, after a wait longer than `patience`: a failure.
    case overdue
    /// The answer was being sent.
    case reading

    /// The value of a metric label. The set is finite.
    package var label: String { "\(self)" }

    /// `waited` is the time since the complete request head. `canBlame` is false while the client
    /// had not sent all content of its request.
    init(hasContent: Bool, canBlame: Bool, waited: Nanoseconds, patience: Nanoseconds) {
      if hasContent {
        self = .reading
      } else {
        self = canBlame && waited > patience ? .overdue : .waiting
      }
    }
  }

  /// The pool's name.
  package let name: String
  private let blocks: [CellBlock]
  /// One cell that only the control thread writes: `patience` in nanoseconds.
  private let control = CellBlock(count: 1)
  private static let arrivals = Departure.allCases.count

  /// Requires: workerCount > 0.
  package init(name: String, workerCount: Int) {
    self.name = name
    blocks = (0..<workerCount).map { _ in CellBlock(count: Self.arrivals + 1) }
  }

  // MARK: Writing, each worker to its own cells

  /// Counts a request that was routed to the pool.
  package func countArrival(worker: Int) { blocks[worker].add(1, at: Self.arrivals) }

  /// Counts a client that left.
  package func count(_ departure: Departure, worker: Int) {
    blocks[worker].add(1, at: departure.rawValue)
  }

  /// Sets the time for which a client may wait for the first byte of its answer before its
  /// departure counts as a failure; 0: unknown. Control thread only.
  package func setPatience(_ patience: Nanoseconds) {
    control.store(UInt64(max(0, patience.rawValue)), at: 0)
  }

  // MARK: Reading, any thread

  /// The value that was last set.
  package var patience: Nanoseconds { Nanoseconds(Int64(clamping: control[0])) }

  /// The number of requests routed to the pool since start.
  package var arrivalCount: UInt64 { blocks.reduce(0) { $0 &+ $1[Self.arrivals] } }

  /// The number of clients that left since start.
  package func sum(_ departure: Departure) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[departure.rawValue] }
  }
}
