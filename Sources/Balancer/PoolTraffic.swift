// What one pool was asked for, and how many clients left before their answer was whole, in cells of
// each worker. What endpoints answered is counted by endpoint (`TrafficMetrics`), what steelyard
// refused by reason (`RefusalCounts`); with these two it makes all requests of the pool.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

/// One pool's arrivals and departures. It lives as long as the process, whatever reloads do.
package final class PoolTraffic: Sendable {
  /// When a client left.
  package enum Departure: Int, CaseIterable, Sendable {
    /// No content of an answer had come, after a wait that is usual for the pool.
    case waiting
    /// No content of an answer had come, after a longer wait than `patience`: a failure.
    case overdue
    /// Its answer was under way.
    case reading

    /// The value of a metric label, finite by construction.
    package var label: String { "\(self)" }

    /// `waited` is since the whole request head came. `canBlame` is false while the client itself
    /// still owed content of its request.
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
  /// One cell, which only the control thread writes: `patience` in nanoseconds.
  private let control = CellBlock(count: 1)
  private static let arrivals = Departure.allCases.count

  /// Requires: workerCount > 0.
  package init(name: String, workerCount: Int) {
    self.name = name
    blocks = (0..<workerCount).map { _ in CellBlock(count: Self.arrivals + 1) }
  }

  // MARK: Writing, each worker its own

  /// A request took a route to the pool.
  package func countArrival(worker: Int) { blocks[worker].add(1, at: Self.arrivals) }

  /// Its client is gone.
  package func count(_ departure: Departure, worker: Int) {
    blocks[worker].add(1, at: departure.rawValue)
  }

  /// How long a client may be kept waiting for the first byte of its answer before its leaving
  /// counts as a failure; 0 until something is known. The control thread only.
  package func setPatience(_ patience: Nanoseconds) {
    control.store(UInt64(max(0, patience.rawValue)), at: 0)
  }

  // MARK: Reading, any thread

  /// As it was last set.
  package var patience: Nanoseconds { Nanoseconds(Int64(clamping: control[0])) }

  /// Requests that took a route to the pool, since the start.
  package var arrivalCount: UInt64 { blocks.reduce(0) { $0 &+ $1[Self.arrivals] } }

  /// Clients that left, since the start.
  package func sum(_ departure: Departure) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[departure.rawValue] }
  }
}
