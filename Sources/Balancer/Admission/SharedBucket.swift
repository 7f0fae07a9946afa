// The state of one key of a shared rate limit, in one word: what this replica may still admit
// without asking, and what it has admitted since the control thread last looked.
// Invariant: the word 0 holds no information, so that its memory can be given to another key.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

/// A key's state. A fresh key, of which the common store has not been asked, may admit the
/// replica's share of the burst; a settled one what was granted to it.
package struct SharedBucket: Sendable, Equatable {
  /// The largest number of requests that may be granted or spent.
  package static let countMax = (1 << 20) - 1
  package static let refusedMax = 127
  /// The longest wait that is kept, tenths of a second.
  private static let tenthsMax = 65_535

  /// Bit 63: settled; 20 bits granted; 20 bits spent; 7 bits refused; 16 bits of the wait.
  package private(set) var word: UInt64

  /// `word` is one that a bucket had.
  package init(word: UInt64) { self.word = word }

  /// A settled bucket.
  package init(granted: Int, spent: Int, wait: Nanoseconds) {
    let tenths = (max(0, wait.rawValue) + 99_999_999) / 100_000_000
    word =
      1 << 63 | UInt64(min(max(0, granted), Self.countMax)) << 43
      | UInt64(min(max(0, spent), Self.countMax)) << 23
      | UInt64(min(Int(tenths), Self.tenthsMax))
  }

  /// The common store has been asked about the key.
  package var isSettled: Bool { word >> 63 == 1 }
  /// Requests that may be admitted since the last settlement. 0 while the key is fresh.
  package var granted: Int { Int(truncatingIfNeeded: word >> 43) & Self.countMax }
  /// Requests that were admitted since the last settlement.
  package var spent: Int { Int(truncatingIfNeeded: word >> 23) & Self.countMax }
  /// Requests that were refused since the last settlement, at most `refusedMax`.
  package var refused: Int { Int(truncatingIfNeeded: word >> 16) & Self.refusedMax }
  /// How long a refused request is told to wait.
  package var wait: Nanoseconds { Nanoseconds(Int64(word & 0xFFFF) * 100_000_000) }
  /// Nothing was spent or refused, and nothing is granted.
  package var isFree: Bool { word == 0 }

  /// The bucket after a request, and whether the request is admitted. `share` is what a fresh key
  /// may admit.
  func taking(share: Int) -> (next: SharedBucket, isAdmitted: Bool) {
    let limit = isSettled ? granted : share
    if spent < limit { return (SharedBucket(word: word + (1 << 23)), true) }
    return (refused < Self.refusedMax ? SharedBucket(word: word + (1 << 16)) : self, false)
  }

  /// The bucket after an admitted request was given back. A request that is settled stays spent.
  func givingBack() -> SharedBucket { spent > 0 ? SharedBucket(word: word - (1 << 23)) : self }

  /// The bucket after `spent` requests of a former look were settled and `grant` more granted.
  package func settled(spent former: Int, grant: Int, wait: Nanoseconds) -> SharedBucket {
    let left = isSettled ? max(0, granted - former) : 0
    return SharedBucket(granted: left + grant, spent: max(0, spent - former), wait: wait)
  }
}
