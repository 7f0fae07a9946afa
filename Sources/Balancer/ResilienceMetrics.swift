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
  private let endpointLimit: Int
  private let blocks: [CellBlock]

  private static let refusalBase = RetryCause.allCases.count
  private static let breakerBase = refusalBase + RetryRefusal.allCases.count
  private static let cellsPerEndpoint = breakerBase + BreakerKind.allCases.count

  package init(workerCount: Int, endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    blocks = (0..<workerCount).map { _ in
      CellBlock(count: max(1, endpointLimit) * Self.cellsPerEndpoint)
    }
  }

  // MARK: Writing, each worker its own

  func count(worker: Int, endpointIndex: Int, _ cause: RetryCause) {
    blocks[worker].add(1, at: endpointIndex * Self.cellsPerEndpoint + cause.rawValue)
  }

  func count(worker: Int, endpointIndex: Int, _ refusal: RetryRefusal) {
    blocks[worker].add(
      1, at: endpointIndex * Self.cellsPerEndpoint + Self.refusalBase + refusal.rawValue)
  }

  func count(worker: Int, endpointIndex: Int, _ breaker: BreakerKind) {
    blocks[worker].add(
      1, at: endpointIndex * Self.cellsPerEndpoint + Self.breakerBase + breaker.rawValue)
  }

  /// Sets every cell of an endpoint to 0. The control thread; requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerEndpoint {
        block.store(0, at: endpointIndex * Self.cellsPerEndpoint + cell)
      }
    }
  }

  // MARK: Reading, any thread

  /// Attempts made elsewhere because one at this endpoint failed.
  package func retries(endpointIndex: Int, _ cause: RetryCause) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + cause.rawValue)
  }

  /// Failed attempts that were not made again.
  package func refusals(endpointIndex: Int, _ refusal: RetryRefusal) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + Self.refusalBase + refusal.rawValue)
  }

  /// Requests that a breaker refused. They are counted at the first endpoint of their pool.
  package func breakers(endpointIndex: Int, _ breaker: BreakerKind) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + Self.breakerBase + breaker.rawValue)
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}
