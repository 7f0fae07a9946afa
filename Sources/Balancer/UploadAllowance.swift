// How many exchanges of one pool hold an endpoint although their content has hardly begun: a share
// of what the pool may have at once, over all workers, so that clients that trickle their content
// cannot take the endpoints from the others.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import Synchronization

/// One pool's count. It lives as long as the process, whatever reloads do.
package final class UploadAllowance: Sendable {
  /// Of what the pool may have at once.
  static let share = 8

  /// The pool's name.
  package let name: String
  private let taken = Atomic<Int>(0)

  init(name: String) { self.name = name }

  /// The most for a pool with these policies.
  static func limit(_ pool: Pool) -> Int {
    var most = pool.breakers.requestsMax ?? 5_000
    switch pool.queue.concurrency {
    case .unlimited: break
    case .total(let limit): most = min(most, limit)
    case .slots: most = min(most, Int(pool.endpoints.reduce(0) { $0 + ($1.concurrency ?? 0) }))
    }
    return max(1, most / share)
  }

  /// Takes one of `limit`. False where all are taken.
  func tryTake(_ limit: Int) -> Bool {
    if taken.add(1, ordering: .relaxed).newValue <= limit { return true }
    taken.subtract(1, ordering: .relaxed)
    return false
  }

  /// Ends what `tryTake` began.
  func giveBack() { taken.subtract(1, ordering: .relaxed) }

  /// Taken now. Any thread.
  package var count: Int { taken.load(ordering: .relaxed) }
}
