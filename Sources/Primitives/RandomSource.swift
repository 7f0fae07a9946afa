// SplitMix64 (Steele, Lea, Flood 2014): one word of state and a seed, so that a run can be
// repeated.

/// A deterministic generator. Functions that decide take it as `inout`; the same seed gives the
/// same run.
@frozen public struct RandomSource: RandomNumberGenerator, Sendable {
  @usableFromInline var state: UInt64

  @inlinable public init(seed: UInt64) { state = seed }

  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in 0..<1.
  @inlinable public mutating func unit() -> Double {
    Double(next() >> 11) * 0x1.0p-53
  }

  /// Uniform in 0..<bound (Lemire's multiplication; the bias below 2^-32 is accepted).
  /// Requires: bound > 0.
  @inlinable public mutating func index(below bound: Int) -> Int {
    Int(truncatingIfNeeded: UInt64(bound).multipliedFullWidth(by: next()).high)
  }
}
