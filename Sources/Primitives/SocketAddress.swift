// An IP address with a port, as text and as bytes. Names are not resolved here.

/// One IPv4 or IPv6 address with a TCP port.
public struct SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// 4 or 16 bytes in network order.
  public let bytes: [UInt8]
  public let port: UInt16

  /// Requires: 4 or 16 bytes.
  public init(bytes: [UInt8], port: UInt16) {
    precondition(bytes.count == 4 || bytes.count == 16)
    self.bytes = bytes
    self.port = port
  }

  /// `127.0.0.1:port`.
  public static func loopback(port: UInt16) -> SocketAddress {
    SocketAddress(bytes: [127, 0, 0, 1], port: port)
  }

  /// Whether only programs of the same machine can reach the address: 127.0.0.0/8 or ::1.
  public var isLoopback: Bool {
    let address = IPAddress(self)
    return address.isV4 ? address.v4 >> 24 == 127 : address.high == 0 && address.low == 1
  }

  /// Reads `10.0.0.1:8000` or `[::1]:8000`; nil for anything else, including a missing port.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
      let port = UInt16(digits)
    else { return nil }
    self.init(host: String(text[..<colon]), port: port)
  }

  /// Reads `10.0.0.1` or `[::1]`; nil for anything else.
  public init?(host: String, port: UInt16) {
    if host.hasPrefix("["), host.hasSuffix("]") {
      guard let bytes = Self.ipv6(host.dropFirst().dropLast()) else { return nil }
      self.init(bytes: bytes, port: port)
    } else {
      guard let bytes = Self.ipv4(host[...]) else { return nil }
      self.init(bytes: bytes, port: port)
    }
  }

  /// The same host with another port.
  public func with(port: UInt16) -> SocketAddress { SocketAddress(bytes: bytes, port: port) }

  /// The address without its port; IPv6 in brackets and uncompressed (RFC 4291 §2.2 form 1).
  public var host: String {
    if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
    let groups = stride(from: 0, to: 16, by: 2).map {
      String(UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]), radix: 16)
    }
    return "[" + groups.joined(separator: ":") + "]"
  }

  public var description: String { "\(host):\(port)" }

  private static func ipv4(_ text: Substring) -> [UInt8]? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bytes: [UInt8] = []
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
        part.utf8.count == 1 || part.utf8.first != 0x30, let byte = UInt8(part)
      else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  // RFC 4291 §2.2: eight groups of hexadecimal digits, one run of zeros as "::", the last two
  // groups possibly as IPv4. Zone identifiers are refused.
  private static func ipv6(_ text: Substring) -> [UInt8]? {
    let halves = text.split(separator: "::", omittingEmptySubsequences: false)
    guard halves.count <= 2 else { return nil }
    func groups(_ half: Substring) -> [UInt8]? {
      if half.isEmpty { return [] }
      var bytes: [UInt8] = []
      let parts = half.split(separator: ":", omittingEmptySubsequences: false)
      for (index, part) in parts.enumerated() {
        if index == parts.count - 1, part.contains(".") {
          guard let four = ipv4(part) else { return nil }
          bytes += four
          continue
        }
        guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }),
          let group = UInt16(part, radix: 16)
        else { return nil }
        bytes += [UInt8(group >> 8), UInt8(group & 255)]
      }
      return bytes
    }
    guard let head = groups(halves[0]) else { return nil }
    if halves.count == 1 { return head.count == 16 ? head : nil }
    guard let tail = groups(halves[1]), head.count + tail.count <= 14 else { return nil }
    return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
  }
}
