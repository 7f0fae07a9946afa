// What a worker counts of retries and breakers, by endpoint, in cells of its own.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// Which breaker refused a request.
package enum BreakerKind: Int, CaseIterable, Sendable {
  /// Exchanges of the pool.
  case requests
  /// Every endpoint that may be used has as many exchanges or connections as it may have.
  case endpoints

  package var label: String {
    switch self {
    case .requests: "pool_requests"
    case .endpoints: "endpoints"
    }
  }
}

/// Cells of all workers. A retry is counted at the endpoint that failed.
package final class ResilienceMetrics: Sendable {
  private let slotCount: Int
  private let blocks: [CellBlock]

  private static let refusalBase = RetryCause.allCases.count
  private static let breakerBase = refusalBase + RetryRefusal.allCases.count
  private static let cellsPerSlot = breakerBase + BreakerKind.allCases.count

  package init(workerCount: Int, slotCount: Int) {
    self.slotCount = slotCount
    blocks = (0..<workerCount).map { _ in
      CellBlock(count: max(1, slotCount) * Self.cellsPerSlot)
    }
  }

  // MARK: Writing, each worker its own

  func count(worker: Int, slot: Int, _ cause: RetryCause) {
    blocks[worker].add(1, at: slot * Self.cellsPerSlot + cause.rawValue)
  }

  func count(worker: Int, slot: Int, _ refusal: RetryRefusal) {
    blocks[worker].add(1, at: slot * Self.cellsPerSlot + Self.refusalBase + refusal.rawValue)
  }

  func count(worker: Int, slot: Int, _ breaker: BreakerKind) {
    blocks[worker].add(1, at: slot * Self.cellsPerSlot + Self.breakerBase + breaker.rawValue)
  }

  /// Sets every cell of a slot to 0. The control thread; requires: no worker writes to the slot.
  func clear(slot: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerSlot { block.store(0, at: slot * Self.cellsPerSlot + cell) }
    }
  }

  // MARK: Reading, any thread

  /// Attempts made elsewhere because one at this endpoint failed.
  package func retries(slot: Int, _ cause: RetryCause) -> UInt64 {
    sum(slot * Self.cellsPerSlot + cause.rawValue)
  }

  /// Failed attempts that were not made again.
  package func refusals(slot: Int, _ refusal: RetryRefusal) -> UInt64 {
    sum(slot * Self.cellsPerSlot + Self.refusalBase + refusal.rawValue)
  }

  /// Requests that a breaker refused. They are counted at the first endpoint of their pool.
  package func breakers(slot: Int, _ breaker: BreakerKind) -> UInt64 {
    sum(slot * Self.cellsPerSlot + Self.breakerBase + breaker.rawValue)
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}
