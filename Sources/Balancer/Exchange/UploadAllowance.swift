// Limits how many exchanges of one pool may hold an endpoint while little of their content has
// come. Invariant: over all workers they are at most a share of the pool's exchanges, so that
// clients that send content slowly cannot keep endpoints from others.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import Synchronization

/// The count of one pool. It lives as long as the process, also across reloads.
package final class UploadAllowance: Sendable {
  /// The allowance is the pool's limit of exchanges divided by this.
  static let share = 8

  /// The pool's name.
  package let name: String
  private let taken = Atomic<Int>(0)

  init(name: String) { self.name = name }

  /// The limit for a pool with these policies.
  static func limit(_ pool: Pool) -> Int {
    var most = pool.breakers.requestsMax ?? 5_000
    switch pool.queue.concurrency {
    case .unlimited: break
    case .total(let limit): most = min(most, limit)
    case .slots: most = min(most, Int(pool.endpoints.reduce(0) { $0 + ($1.concurrency ?? 0) }))
    }
    return max(1, most / share)
  }

  /// Takes a permit; returns false if `limit` are taken.
  func tryTake(_ limit: Int) -> Bool {
    if taken.add(1, ordering: .relaxed).newValue <= limit { return true }
    taken.subtract(1, ordering: .relaxed)
    return false
  }

  /// Gives the permit back.
  func giveBack() { taken.subtract(1, ordering: .relaxed) }

  /// Permits taken now. Any thread.
  package var count: Int { taken.load(ordering: .relaxed) }
}
