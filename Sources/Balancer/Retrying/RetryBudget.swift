// Limits the retries of a pool to a share of its requests plus a few per second, so that retries
// never multiply an overload. As in Finagle and Linkerd, except that deposits decay with a time
// constant of ten seconds, where theirs expire after ten. Invariant: every worker keeps the account
// of the whole pool, from counters that all workers publish.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc
package import Primitives

/// The account of one pool, in retries.
///
/// With 150 requests a second, `ratio` 0.2 and 3 a second in addition, an idle account holds
/// 10 s × (30 + 3) = 330: that many at once, then 33 a second.
package struct RetryBudget: Sendable {
  /// The seconds in which an unused deposit decays to 1/e.
  package static let window = 10.0
  /// The shortest time between two readings of the counters.
  private static let observationInterval = Nanoseconds.milliseconds(10)

  private let ratio: Double
  private let perSecond: Double
  private var balance: Double
  private var observedAt = Nanoseconds.zero
  private var requests: UInt64 = 0
  private var retries: UInt64 = 0

  /// Allows `ratio` retries for each request, and `perSecond` retries a second in addition.
  package init(ratio: Double, perSecond: Double) {
    self.ratio = ratio
    self.perSecond = perSecond
    balance = perSecond * Self.window
  }

  /// Begins to count at these values. Called at start, and after a reload that changed the set of
  /// summed counters.
  package mutating func begin(now: Nanoseconds, requests: UInt64, retries: UInt64) {
    observedAt = now
    self.requests = requests
    self.retries = retries
  }

  /// Takes over the balance from before a reload.
  package mutating func inherit(from old: RetryBudget) {
    guard old.ratio == ratio, old.perSecond == perSecond else { return }
    balance = old.balance
  }

  /// Whether a call of `observe` is due.
  package func isDue(now: Nanoseconds) -> Bool {
    now - observedAt >= Self.observationInterval
  }

  /// Takes the pool's counters: first attempts and retries of all workers since start. The increase
  /// since the last call counts as evenly distributed over the time between.
  package mutating func observe(now: Nanoseconds, requests: UInt64, retries: UInt64) {
    let seconds = max((now - observedAt).seconds, 1e-9)
    let deposits = requests >= self.requests ? ratio * Double(requests - self.requests) : 0
    // `withdraw` has already counted this worker's retries; `retries` includes them.
    let others = retries >= self.retries ? Double(retries - self.retries) : 0
    let kept = exp(-seconds / Self.window)
    let rate = (deposits - others) / seconds + perSecond
    balance = balance * kept + rate * Self.window * (1 - kept)
    observedAt = now
    self.requests = requests
    self.retries = retries
  }

  /// Whether the balance covers a retry.
  package var covers: Bool { balance >= 1 }

  /// Pays for a retry of this worker. Requires: `covers`, and the counters include the retry.
  package mutating func withdraw() {
    balance -= 1
    retries &+= 1
  }
}
