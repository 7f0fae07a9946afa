// Counts the effects of a shortage of connections or memory. Invariant: each worker writes only its
// own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The cells of all workers.
package final class RoomMetrics: Sendable {
  /// The events that are counted, and one gauge.
  package enum Count: Int, CaseIterable, Sendable {
    /// Clients closed to make room, by their state.
    case idleClosed, silentClosed, unfinishedClosed
    /// Idle endpoint connections closed to make room.
    case spareClosed
    /// Pauses of accepting because every connection was in use.
    case pauses
    /// Failures of the system to provide a descriptor or memory for a connection.
    case shortages
    /// Clients cut because buffers exceeded their limit.
    case bufferCuts
    /// The bytes in buffers now.
    case bufferedBytes

    static func closed(_ kind: ReusableClients.Kind) -> Count {
      switch kind {
      case .idle: .idleClosed
      case .silent: .silentClosed
      case .unfinished: .unfinishedClosed
      }
    }

    /// The value of the label `state`; nil: the count is not one of closed connections.
    package var closedState: String? {
      switch self {
      case .idleClosed: "idle"
      case .silentClosed: "silent"
      case .unfinishedClosed: "unfinished"
      case .spareClosed: "endpoint_idle"
      case .pauses, .shortages, .bufferCuts, .bufferedBytes: nil
      }
    }
  }

  private let blocks: [CellBlock]

  init(workerCount: Int) {
    blocks = (0..<workerCount).map { _ in CellBlock(count: Count.allCases.count) }
  }

  // MARK: Writing, each worker to its own cells

  func count(worker: Int, _ count: Count) { blocks[worker].add(1, at: count.rawValue) }

  func set(worker: Int, _ count: Count, _ value: UInt64) {
    blocks[worker].store(value, at: count.rawValue)
  }

  // MARK: Reading, any thread

  /// The sum over the workers: since start, or the present value of a gauge.
  package func sum(_ count: Count) -> UInt64 { blocks.reduce(0) { $0 &+ $1[count.rawValue] } }
}
