// SipHash-2-4 (Aumasson & Bernstein 2012), a keyed hash. Invariant: a client that chooses the input
// cannot choose collisions, because it does not know the key.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// A hash function whose key is known only to the process.
package struct SipHash: Sendable {
  private let key: (UInt64, UInt64)

  /// Draws the key. Requires: an unpredictable generator.
  package init(random: inout some RandomNumberGenerator) {
    self.init(random.next(), random.next())
  }

  /// Uses a given key, for tests against the reference.
  package init(_ first: UInt64, _ second: UInt64) { key = (first, second) }

  /// The key, for a process that goes on with the same hashes.
  var words: [UInt64] { [key.0, key.1] }

  /// The hash of the bytes.
  package func callAsFunction(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state = State(key)
    let wordsEnd = bytes.count & ~7
    var offset = 0
    while offset < wordsEnd {
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      state.absorb(UInt64(littleEndian: word))
      offset += 8
    }
    var last = UInt64(truncatingIfNeeded: bytes.count) << 56
    for index in wordsEnd..<bytes.count { last |= UInt64(bytes[index]) << UInt64(8 * (index & 7)) }
    state.absorb(last)
    return state.finish()
  }

  /// The hash of one word, equal to that of its eight bytes in little-endian order.
  package func callAsFunction(_ word: UInt64) -> UInt64 {
    var state = State(key)
    state.absorb(word)
    state.absorb(8 << 56)
    return state.finish()
  }

  private struct State {
    var v0, v1, v2, v3: UInt64

    init(_ key: (UInt64, UInt64)) {
      v0 = key.0 ^ 0x736F_6D65_7073_6575
      v1 = key.1 ^ 0x646F_7261_6E64_6F6D
      v2 = key.0 ^ 0x6C79_6765_6E65_7261
      v3 = key.1 ^ 0x7465_6462_7974_6573
    }

    @inline(__always)
    mutating func absorb(_ word: UInt64) {
      v3 ^= word
      round()
      round()
      v0 ^= word
    }

    mutating func finish() -> UInt64 {
      v2 ^= 0xFF
      for _ in 0..<4 { round() }
      return v0 ^ v1 ^ v2 ^ v3
    }

    @inline(__always)
    private mutating func round() {
      v0 = v0 &+ v1
      v1 = Self.rotate(v1, 13) ^ v0
      v0 = Self.rotate(v0, 32)
      v2 = v2 &+ v3
      v3 = Self.rotate(v3, 16) ^ v2
      v0 = v0 &+ v3
      v3 = Self.rotate(v3, 21) ^ v0
      v2 = v2 &+ v1
      v1 = Self.rotate(v1, 17) ^ v2
      v2 = Self.rotate(v2, 32)
    }

    @inline(__always)
    private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
      word &<< count | word &>> (64 - count)
    }
  }
}
