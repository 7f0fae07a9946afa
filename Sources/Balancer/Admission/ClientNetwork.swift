// The network that counts as one client: an IPv4 address, or the /64 network of an IPv6 address.
// Invariant: all addresses of one /64 are one client, because one host has the whole network (RFC
// 7707 §3, RFC 8504 §5).
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Reads the client's network from the text of an address.
package enum ClientNetwork {
  /// The hash of the client's network, for an address as text. Text that is no IPv6 address is
  /// hashed unchanged.
  package static func hash(_ text: UnsafeRawBufferPointer, _ hash: SipHash) -> UInt64 {
    if let network = ipv6Network(text) { return hash(network) }
    return hash(text)
  }

  /// The first four groups of an IPv6 address (RFC 5952 text, RFC 4291 accepted). nil for anything
  /// else, and for an IPv4 address in IPv6 (::ffff:0:0/96), which is a client by itself.
  package static func ipv6Network(_ text: UnsafeRawBufferPointer) -> UInt64? {
    var (network, group, groupCount, digitCount) = (UInt64(0), UInt64(0), 0, 0)
    var isIPv6 = false
    for (index, byte) in text.enumerated() {
      switch byte {
      case 0x30...0x39: group = group << 4 | UInt64(byte - 0x30)
      case 0x41...0x46, 0x61...0x66: group = group << 4 | UInt64((byte | 0x20) - 0x57)
      case 0x3A:
        isIPv6 = true
        // "::" stands for zeros, which are at the end in most networks.
        if digitCount == 0, index > 0 {
          return finish(network, groupCount, text, from: index + 1)
        }
        if digitCount > 0 {
          (network, group, groupCount) = (network << 16 | group, 0, groupCount + 1)
          if groupCount == 4 { return network }
        }
        digitCount = 0
        continue
      case 0x2E: return nil
      default: return nil
      }
      digitCount += 1
      if digitCount > 4 { return nil }
    }
    return isIPv6 ? network : nil
  }

  /// Completes an address after "::", which stands for the groups that are missing.
  private static func finish(
    _ network: UInt64, _ count: Int, _ text: UnsafeRawBufferPointer, from start: Int
  ) -> UInt64? {
    var behind = start < text.count ? 1 : 0
    for index in start..<max(start, text.count) {
      if text[index] == 0x3A { behind += 1 }
      if text[index] == 0x2E { return nil }
    }
    // Groups after "::" may still belong to the first four.
    var network = network
    let zeros = 8 - count - behind
    guard zeros >= 0 else { return nil }
    var total = count
    for _ in 0..<min(zeros, 4 - count) { (network, total) = (network << 16, total + 1) }
    var offset = start
    while total < 4, offset < text.count {
      var group: UInt64 = 0
      while offset < text.count, text[offset] != 0x3A {
        let byte = text[offset]
        switch byte {
        case 0x30...0x39: group = group << 4 | UInt64(byte - 0x30)
        case 0x41...0x46, 0x61...0x66: group = group << 4 | UInt64((byte | 0x20) - 0x57)
        default: return nil
        }
        offset += 1
      }
      offset += 1
      (network, total) = (network << 16 | group & 0xFFFF, total + 1)
    }
    return network
  }
}
