// Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), and a set of them. `contains` is used
// on the request path; reading and printing are not.

/// All addresses with the same prefix.
@frozen public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
  /// The base address, with zeros after the prefix.
  public let base: IPAddress
  /// The prefix length of 128 bits; an IPv4 network's is longer by 96.
  public let bits: Int

  /// Requires: 0...128.
  public init(_ address: IPAddress, bits: Int) {
    precondition((0...128).contains(bits))
    self.bits = bits
    base = IPAddress(high: address.high & Self.mask(bits), low: address.low & Self.mask(bits - 64))
  }

  /// Reads `10.0.0.0/8`, `fd00::/8`, and a single address. nil for anything else, including bits
  /// after the prefix: `10.0.0.1/8` is probably a mistake.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = IPAddress(String(parts[0])) else { return nil }
    let isV4 = !parts[0].contains(":")
    let width = isV4 ? 32 : 128
    var bits = width
    if parts.count == 2 {
      let digits = parts[1].utf8
      guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
        digits.count == 1 || digits.first != 0x30, let count = Int(parts[1]), count <= width
      else { return nil }
      bits = count
    }
    self.init(address, bits: isV4 ? bits + 96 : bits)
    guard base == address else { return nil }
  }

  @inlinable public func contains(_ address: IPAddress) -> Bool {
    address.high & Self.mask(bits) == base.high && address.low & Self.mask(bits - 64) == base.low
  }

  /// A mask of the first `bits` of a 64-bit word; none below 1, all above 63.
  @inlinable static func mask(_ bits: Int) -> UInt64 {
    bits <= 0 ? 0 : bits >= 64 ? .max : .max << UInt64(64 - bits)
  }

  public var description: String {
    let isV4 = base.isV4 && bits >= 96
    return "\(base)/\(isV4 ? bits - 96 : bits)"
  }
}

extension [AddressRange] {
  /// Whether any of the networks contains the address.
  @inlinable public func contain(_ address: IPAddress) -> Bool {
    for range in self where range.contains(address) { return true }
    return false
  }
}
