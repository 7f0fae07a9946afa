import HTTP
import Primitives
import Testing

private func parse(_ bytes: [UInt8]) -> ProxyProtocol.Verdict {
  bytes.withUnsafeBytes { ProxyProtocol.parse($0) }
}

private func written(
  _ write: (inout ByteWriter) -> Void
) -> [UInt8] {
  withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { room in
    var writer = ByteWriter(room)
    write(&writer)
    return Array(writer.written)
  }
}

private let signature: [UInt8] = Array("\r\n\r\n\0\r\nQUIT\n".utf8)

/// A version 2 header: version and command, family and protocol, what follows.
private func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
  signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 255)] + rest
}

private let v4: [UInt8] = [203, 0, 113, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xBB]

@Suite struct ProxyProtocolTests {
  private static func connection(_ source: String, _ destination: String) -> ProxiedConnection {
    ProxiedConnection(
      source: IPAddress(source) ?? .none, sourcePort: 4711,
      destination: IPAddress(destination) ?? .none, destinationPort: 443)
  }

  private static let accepted: [([UInt8], ProxiedConnection?)] = [
    (
      Array("PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n".utf8),
      connection("203.0.113.7", "198.51.100.1")
    ),
    (
      Array("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n".utf8),
      connection("2001:db8::1", "2001:db8::2")
    ),
    // The longest line (§2.1).
    (
      Array(
        ("PROXY UNKNOWN " + String(repeating: "f", count: 91) + "\r\n").utf8), nil
    ),
    (Array("PROXY UNKNOWN\r\n".utf8), nil),
    (binary(0x21, 0x11, v4), connection("203.0.113.7", "198.51.100.1")),
    (binary(0x21, 0x11, v4 + [3, 0, 1, 0]), connection("203.0.113.7", "198.51.100.1")),
    (
      binary(0x21, 0x11, v4 + [UInt8](repeating: 0, count: 4_084)),
      connection("203.0.113.7", "198.51.100.1")
    ),
    (binary(0x20, 0x00, []), nil), (binary(0x20, 0x11, v4), nil),
    (binary(0x21, 0x00, [1, 2, 3]), nil),
    (binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)), nil), (binary(0x21, 0x12, v4), nil),
  ]

  /// The split law: no prefix of a header is anything but incomplete.
  @Test(arguments: accepted.indices)
  func isCompleteWithItsLastByteOnly(row: Int) {
    let (bytes, connection) = Self.accepted[row]
    for cut in 0..<bytes.count {
      #expect(parse(Array(bytes[..<cut])) == .incomplete, "after \(cut) bytes")
    }
    #expect(parse(bytes) == .complete(bytes.count, connection))
    #expect(parse(bytes + Array("GET /".utf8)) == .complete(bytes.count, connection))
  }

  private static let rejected: [[UInt8]] =
    [
      "GET / HTTP/1.1\r\n", "PROXY\r\n", "PROXY \r\n", "PROXY TCP4\r\n", "proxy TCP4 1.2.3.4 ",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r",
      "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 123456 2\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
      "PROXY UNKNOWN\t\r\n", "PROXY UNKNOWNX\r\n",
      "PROXY UNKNOWN " + String(repeating: "f", count: 92) + "\r\n",
    ].map { Array($0.utf8) } + [
      Array(signature.dropLast()) + [0x0D], binary(0x11, 0x11, v4), binary(0x22, 0x11, v4),
      binary(0x31, 0x11, v4), binary(0x21, 0x41, v4), binary(0x21, 0x13, v4),
      binary(0x21, 0x11, Array(v4.dropLast())), binary(0x21, 0x21, v4),
      binary(0x21, 0x11, v4 + [UInt8](repeating: 0, count: 4_085)), [0],
    ]

  /// Malformed once is malformed for good, and never complete before.
  @Test(arguments: rejected.indices)
  func whatIsMalformedStaysSo(row: Int) {
    let bytes = Self.rejected[row]
    #expect(parse(bytes) == .malformed)
    var isMalformed = false
    for cut in 0...bytes.count {
      switch parse(Array(bytes[..<cut])) {
      case .incomplete: #expect(!isMalformed)
      case .malformed: isMalformed = true
      case .complete: Issue.record("complete after \(cut) bytes")
      }
    }
  }

  @Test(arguments: [
    ("203.0.113.7", "198.51.100.1"), ("2001:db8::1", "2001:db8::2"), ("203.0.113.7", "2001:db8::2"),
    ("::1", "10.0.0.1"),
  ])
  func whatIsWrittenIsReadTheSame(source: String, destination: String) {
    let connection = Self.connection(source, destination)
    let line = written { ProxyProtocol.writeLine(connection, to: &$0) }
    #expect(parse(line) == .complete(line.count, connection))
    let binary = written { ProxyProtocol.writeBinary(connection, to: &$0) }
    #expect(parse(binary) == .complete(binary.count, connection))
  }

  @Test func nothingKnownIsSaidAsSuch() {
    #expect(written { ProxyProtocol.writeLine(nil, to: &$0) } == Array("PROXY UNKNOWN\r\n".utf8))
    #expect(written { ProxyProtocol.writeBinary(nil, to: &$0) } == binary(0x20, 0, []))
  }
}
