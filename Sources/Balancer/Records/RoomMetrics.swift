// What is counted when connections or memory are short, in cells of each worker.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

package final class RoomMetrics: Sendable {
  package enum Count: Int, CaseIterable, Sendable {
    /// Clients closed to make room, by their state.
    case idleClosed, silentClosed, unfinishedClosed
    /// Idle connections to endpoints that were closed to make room.
    case spareClosed
    /// How often accepting paused because every connection was in use.
    case pauses
    /// How often the system had no descriptor or memory for a connection.
    case shortages
    /// Clients cut because buffers exceeded their limit.
    case bufferCuts
    /// Bytes in buffers now.
    case bufferedBytes

    static func closed(_ kind: ReusableClients.Kind) -> Count {
      switch kind {
      case .idle: .idleClosed
      case .silent: .silentClosed
      case .unfinished: .unfinishedClosed
      }
    }

    /// The value of the label `state`; nil: the count is not of closed connections.
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

  /// Over all workers, since start, or now for a gauge.
  package func sum(_ count: Count) -> UInt64 { blocks.reduce(0) { $0 &+ $1[count.rawValue] } }
}
