// Counts tunnels and PROXY protocol headers. Invariant: each worker writes only its own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The cells of all workers.
package final class WireMetrics: Sendable {
  /// The counts of one endpoint: tunnels, and bytes passed in tunnels.
  package enum Count: Int, CaseIterable, Sendable {
    case tunnels, bytesToEndpoint, bytesToClient
  }

  private let blocks: [CellBlock]
  private let headerFailures: Int

  init(workerCount: Int, endpointLimit: Int) {
    headerFailures = endpointLimit * Count.allCases.count
    let count = headerFailures + 1
    blocks = (0..<workerCount).map { _ in CellBlock(count: count) }
  }

  // MARK: Writing, each worker to its own cells

  func add(worker: Int, endpointIndex: Int, _ count: Count, _ amount: Int) {
    blocks[worker].add(UInt64(amount), at: endpointIndex * Count.allCases.count + count.rawValue)
  }

  func countHeaderFailure(worker: Int) { blocks[worker].add(1, at: headerFailures) }

  /// Sets every cell of an endpoint to 0. Requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for count in Count.allCases {
        block.store(0, at: endpointIndex * Count.allCases.count + count.rawValue)
      }
    }
  }

  // MARK: Reading, any thread

  /// The count at one endpoint since start.
  package func sum(endpointIndex: Int, _ count: Count) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[endpointIndex * Count.allCases.count + count.rawValue] }
  }

  /// The number of connections closed because their PROXY header was missing, malformed or not
  /// allowed.
  package var proxyHeaderFailures: UInt64 { blocks.reduce(0) { $0 &+ $1[headerFailures] } }
}
