// Counts retries and refusals by breakers, by endpoint. Invariant: each worker writes only its own
// cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The breaker that refused a request.
package enum BreakerKind: Int, CaseIterable, Sendable {
  /// The pool's limit of exchanges.
  case requests
  /// Every usable endpoint is at its limit of exchanges or connections.
  case endpoints

  /// The label for metrics; a finite set.
  package var label: String {
    switch self {
    case .requests: "pool_requests"
    case .endpoints: "endpoints"
    }
  }
}

/// The cells of all workers. A retry is counted at the endpoint that failed.
package final class ResilienceMetrics: Sendable {
  private let endpointLimit: Int
  private let blocks: [CellBlock]

  private static let refusalBase = RetryCause.allCases.count
  private static let breakerBase = refusalBase + RetryRefusal.allCases.count
  private static let cellsPerEndpoint = breakerBase + BreakerKind.allCases.count

  /// Makes cells of 0 for endpoint indexes below `endpointLimit`. Allocates.
  package init(workerCount: Int, endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    blocks = (0..<workerCount).map { _ in
      CellBlock(count: max(1, endpointLimit) * Self.cellsPerEndpoint)
    }
  }

  // MARK: Writing, each worker to its own cells

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

  /// Sets every cell of an endpoint to 0. Control thread only. Requires: no worker writes to them.
  func clear(endpointIndex: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerEndpoint {
        block.store(0, at: endpointIndex * Self.cellsPerEndpoint + cell)
      }
    }
  }

  // MARK: Reading, any thread

  /// The number of retries at other endpoints after an attempt at this one failed.
  package func retries(endpointIndex: Int, _ cause: RetryCause) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + cause.rawValue)
  }

  /// The number of failed attempts that were not retried.
  package func refusals(endpointIndex: Int, _ refusal: RetryRefusal) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + Self.refusalBase + refusal.rawValue)
  }

  /// The number of requests refused by a breaker, counted at the first endpoint of their pool.
  package func breakers(endpointIndex: Int, _ breaker: BreakerKind) -> UInt64 {
    sum(endpointIndex * Self.cellsPerEndpoint + Self.breakerBase + breaker.rawValue)
  }

  private func sum(_ index: Int) -> UInt64 { blocks.reduce(0) { $0 &+ $1[index] } }
}
