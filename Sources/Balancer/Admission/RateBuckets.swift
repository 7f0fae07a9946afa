// The buckets of a rate limit: this replica's own, or its part of those that replicas share.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// Where the requests of a limit are counted.
package enum RateBuckets: Sendable {
  case own(RateTable)
  case shared(SharedTable)

  /// Takes a token from the bucket of the key with this hash. nil: the request may proceed;
  /// otherwise the time until it may be tried again.
  func take(_ hash: UInt64, _ rule: RateRule, now: Nanoseconds, worker: Int) -> Nanoseconds? {
    switch self {
    case .own(let table): table.take(hash, rule, now: now, worker: worker)
    case .shared(let table): table.take(hash, worker: worker)
    }
  }

  /// Gives back the token just taken, because another limit refused the request.
  func giveBack(_ hash: UInt64, _ rule: RateRule) {
    switch self {
    case .own(let table): table.giveBack(hash, rule)
    case .shared(let table): table.giveBack(hash)
    }
  }

  /// The buckets that are not full, for a process that replaces this one; nil: they are in the
  /// store that several steelyards share.
  func buckets(now: Nanoseconds) -> [UInt64]? {
    if case .own(let table) = self { table.buckets(now: now) } else { nil }
  }

  /// Goes on with the buckets of another process.
  func restore(_ buckets: [UInt64]) {
    if case .own(let table) = self { table.restore(buckets) }
  }

  /// Counts the decision on a request.
  func note(_ count: RateTable.Count, worker: Int) {
    switch self {
    case .own(let table): table.note(count, worker: worker)
    case .shared(let table): table.note(count, worker: worker)
    }
  }

  /// The sum over the workers. Any thread.
  package func count(_ count: RateTable.Count) -> UInt64 {
    switch self {
    case .own(let table): table.count(count)
    case .shared(let table): table.count(count)
    }
  }
}
