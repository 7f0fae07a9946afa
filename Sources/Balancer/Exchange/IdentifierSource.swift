// Generates request and trace identifiers: two generators with 64 bits of entropy each, so that
// identifiers of two workers or processes do not collide. Invariant: identifiers are unique but not
// secret; the next identifier can be predicted from one.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Primitives

/// The source of identifiers of one worker.
package struct IdentifierSource: Sendable {
  private var first: RandomSource
  private var second: RandomSource

  /// Takes 128 bits of entropy.
  package init<Entropy: RandomNumberGenerator>(_ entropy: inout Entropy) {
    first = RandomSource(seed: entropy.next())
    second = RandomSource(seed: entropy.next())
  }

  /// 128 bits, not all of them 0.
  package mutating func next() -> (high: UInt64, low: UInt64) {
    let (high, low) = (first.next(), second.next())
    return (high, high | low == 0 ? 1 : low)
  }

  /// 64 bits, not all of them 0.
  package mutating func nextHalf() -> UInt64 { max(1, first.next() ^ second.next()) }
}
