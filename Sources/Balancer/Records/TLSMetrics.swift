// Counts TLS handshakes and their failures, by side and reason. Invariant: each worker writes only
// its own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import IO
import Primitives

/// The cells of all workers.
package final class TLSMetrics: Sendable {
  /// A side's cells: full handshakes, resumed ones, failures by reason.
  private static let stride = 2 + TLSFailure.allCases.count
  private let blocks: [CellBlock]

  init(workerCount: Int) {
    blocks = (0..<workerCount).map { _ in
      CellBlock(count: ConnectionSide.allCases.count * Self.stride)
    }
  }

  // MARK: Writing, each worker to its own cells

  func countHandshake(worker: Int, _ side: ConnectionSide, isResumed: Bool) {
    blocks[worker].add(1, at: side.rawValue * Self.stride + (isResumed ? 1 : 0))
  }

  func countFailure(worker: Int, _ side: ConnectionSide, _ failure: TLSFailure) {
    blocks[worker].add(1, at: side.rawValue * Self.stride + 2 + Int(failure.rawValue))
  }

  // MARK: Reading, any thread

  /// The handshakes since start.
  package func handshakes(_ side: ConnectionSide, isResumed: Bool) -> UInt64 {
    sum(side.rawValue * Self.stride + (isResumed ? 1 : 0))
  }

  /// The failures since start.
  package func failures(_ side: ConnectionSide, _ failure: TLSFailure) -> UInt64 {
    sum(side.rawValue * Self.stride + 2 + Int(failure.rawValue))
  }

  /// Whether there was any connection.
  package func isUsed(_ side: ConnectionSide) -> Bool {
    (0..<Self.stride).contains { sum(side.rawValue * Self.stride + $0) > 0 }
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}
