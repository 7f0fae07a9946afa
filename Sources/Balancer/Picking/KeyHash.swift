// A 64-bit hash of any bytes: folded 128-bit products over words of eight bytes (as in wyhash, Wang
// Yi 2019), finished by SplitMix64's mix. Invariant: the hash is the same in every process and
// release. It is not secret: a client that chooses its keys can choose their endpoint; bounded load
// limits the effect.
// HOT PATH: no allocation, no lock, no existential, no clock.

enum KeyHash {
  private static let seed: UInt64 = 0x9E37_79B9_7F4A_7C15
  private static let factor: UInt64 = 0xA076_1D64_78BD_642F

  /// The hash of the bytes. It depends on nothing else.
  static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state = seed ^ UInt64(bytes.count)
    var offset = 0
    while offset + 8 <= bytes.count {
      state = fold(
        state, UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      offset += 8
    }
    if offset < bytes.count {
      var last: UInt64 = 0
      for index in (offset..<bytes.count).reversed() { last = last << 8 | UInt64(bytes[index]) }
      state = fold(state, last)
    }
    return mix(state)
  }

  static func hash(_ text: String) -> UInt64 {
    Array(text.utf8).withUnsafeBytes { hash($0) }
  }

  // The sum preserves what the product may lose: a factor of 0 erases the other factor.
  @inline(__always)
  private static func fold(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let product = (state ^ word).multipliedFullWidth(by: factor)
    return (product.high ^ product.low) &+ (state << 23 | state >> 41)
  }

  /// SplitMix64's finalizer: each bit of the result depends on each bit of `value`.
  @inline(__always)
  static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
