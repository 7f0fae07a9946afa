// What is counted when connections or memory are short, in cells of each worker.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

package final class RoomMetrics: Sendable {
  package enum Count: Int, CaseIterable, Sendable {
    /// Clients closed to make room, by what they were.
    case idleClosed, silentClosed, unfinishedClosed
    /// Idle connections to endpoints, closed to make room.
    case spareClosed
    /// How often accepting paused because every connection was in use.
    case pauses
    /// How often the system had no descriptor or memory for a connection.
    case shortages
    /// Clients cut because buffers held too much.
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

    /// What was closed, as the label `state` says it; nil where it is no closing.
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

  // MARK: Writing, each worker its own

  func count(worker: Int, _ count: Count) { blocks[worker].add(1, at: count.rawValue) }

  func set(worker: Int, _ count: Count, _ value: UInt64) {
    blocks[worker].store(value, at: count.rawValue)
  }

  // MARK: Reading, any thread

  /// Since the start, or now, over all workers.
  package func sum(_ count: Count) -> UInt64 { blocks.reduce(0) { $0 &+ $1[count.rawValue] } }
}
