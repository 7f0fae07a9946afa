// The PROXY protocol, versions 1 and 2: who the client is, said by a proxy before the first byte
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt §2). Strict: a connection whose
// header is malformed is not to be answered.
// Invariant: no prefix of a header is anything but incomplete.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// The two ends of the connection that a proxy accepted.
@frozen public struct ProxiedConnection: Equatable, Sendable {
  public var source: IPAddress
  public var sourcePort: UInt16
  public var destination: IPAddress
  public var destinationPort: UInt16

  public init(
    source: IPAddress, sourcePort: UInt16, destination: IPAddress, destinationPort: UInt16
  ) {
    self.source = source
    self.sourcePort = sourcePort
    self.destination = destination
    self.destinationPort = destinationPort
  }
}

public enum ProxyProtocol {
  /// The longest header that is read: a version 2 header with all that fits into 4 KB (§2.2 asks
  /// for at least 536 bytes).
  public static let byteCountMax = 16 + 4_096
  /// A line of version 1 with its CRLF (§2.1).
  static let lineMax = 107
  private static let signature: StaticString = "\r\n\r\n\0\r\nQUIT\n"

  public enum Verdict: Equatable, Sendable {
    case incomplete
    /// The header takes so many bytes. nil: the proxy speaks for itself, or cannot say; the
    /// socket's own addresses count.
    case complete(Int, ProxiedConnection?)
    case malformed
  }

  /// What is said at the start of `bytes`.
  public static func parse(_ bytes: UnsafeRawBufferPointer) -> Verdict {
    guard let first = bytes.first else { return .incomplete }
    if first == 0x0D { return parseBinary(bytes) }
    return first == 0x50 ? parseLine(bytes) : .malformed
  }

  // MARK: Version 1

  private static func parseLine(_ bytes: UnsafeRawBufferPointer) -> Verdict {
    guard hasPrefix(bytes, "PROXY ") else { return .malformed }
    // The LF is looked for first, as §2.1 has it; before it there are only visible ones.
    var end = 0
    while end < bytes.count, bytes[end] != 0x0D {
      guard (0x20...0x7E).contains(bytes[end]), end < lineMax - 2 else { return .malformed }
      end += 1
    }
    guard end + 1 < bytes.count else { return .incomplete }
    guard bytes[end + 1] == 0x0A else { return .malformed }
    let length = end + 2
    var words = Words(bytes: bytes, offset: 6, end: end)
    guard let family = words.next() else { return .malformed }
    if isWord(family, "UNKNOWN") { return .complete(length, nil) }
    let isV4 = isWord(family, "TCP4")
    guard isV4 || isWord(family, "TCP6"),
      let source = words.next().flatMap({ address($0, isV4: isV4) }),
      let destination = words.next().flatMap({ address($0, isV4: isV4) }),
      let sourcePort = words.next().flatMap(port), let destinationPort = words.next().flatMap(port),
      words.isAtEnd
    else { return .malformed }
    return .complete(
      length,
      ProxiedConnection(
        source: source, sourcePort: sourcePort, destination: destination,
        destinationPort: destinationPort))
  }

  /// Words with exactly one space between.
  private struct Words {
    let bytes: UnsafeRawBufferPointer
    var offset: Int
    let end: Int

    var isAtEnd: Bool { offset > end }

    mutating func next() -> UnsafeRawBufferPointer? {
      guard offset < end else { return nil }
      let start = offset
      while offset < end, bytes[offset] != 0x20 { offset += 1 }
      let word = UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
      offset += 1
      return word.isEmpty ? nil : word
    }
  }

  private static func isWord(_ word: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    word.count == text.utf8CodeUnitCount && hasPrefix(word, text)
  }

  private static func address(_ word: UnsafeRawBufferPointer, isV4: Bool) -> IPAddress? {
    guard word.contains(0x3A) != isV4 else { return nil }
    return IPAddress(text: word)
  }

  private static func port(_ word: UnsafeRawBufferPointer) -> UInt16? {
    guard word.count <= 5, word.count == 1 || word[0] != 0x30 else { return nil }
    var value = 0
    for byte in word {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    return UInt16(exactly: value)
  }

  /// Whether the bytes that there are agree with the text.
  private static func hasPrefix(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    for index in 0..<min(bytes.count, text.utf8CodeUnitCount)
    where bytes[index] != text.utf8Start[index] {
      return false
    }
    return true
  }

  // MARK: Version 2

  private static func parseBinary(_ bytes: UnsafeRawBufferPointer) -> Verdict {
    guard hasPrefix(bytes, signature) else { return .malformed }
    if bytes.count > 12, bytes[12] != 0x20, bytes[12] != 0x21 { return .malformed }
    if bytes.count > 13, bytes[13] >> 4 > 3 || bytes[13] & 15 > 2 { return .malformed }
    guard bytes.count >= 16 else { return .incomplete }
    let length = 16 + Int(bytes[14]) << 8 + Int(bytes[15])
    guard length <= byteCountMax else { return .malformed }
    let isLocal = bytes[12] == 0x20
    // Addresses are skipped, with all that follows, for LOCAL and for what is no TCP over IP.
    let width = isLocal ? 0 : bytes[13] == 0x11 ? 4 : bytes[13] == 0x21 ? 16 : 0
    guard length - 16 >= 2 * width + (width > 0 ? 4 : 0) else { return .malformed }
    guard bytes.count >= length else { return .incomplete }
    guard width > 0 else { return .complete(length, nil) }
    func address(_ start: Int) -> IPAddress {
      IPAddress(networkOrder: UnsafeRawBufferPointer(rebasing: bytes[start..<start + width]))
    }
    func port(_ start: Int) -> UInt16 { UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1]) }
    let ports = 16 + 2 * width
    return .complete(
      length,
      ProxiedConnection(
        source: address(16), sourcePort: port(ports), destination: address(16 + width),
        destinationPort: port(ports + 2)))
  }

  // MARK: Writing

  /// Appends a version 1 line; `UNKNOWN` where nothing is known.
  public static func writeLine(_ connection: ProxiedConnection?, to writer: inout ByteWriter) {
    guard let connection else {
      writer.append("PROXY UNKNOWN\r\n")
      return
    }
    let isV4 = connection.source.isV4 && connection.destination.isV4
    writer.append(isV4 ? "PROXY TCP4 " : "PROXY TCP6 ")
    write(connection.source, isV4: isV4, to: &writer)
    writer.append(" ")
    write(connection.destination, isV4: isV4, to: &writer)
    writer.append(" ")
    writer.append(number: Int(connection.sourcePort))
    writer.append(" ")
    writer.append(number: Int(connection.destinationPort))
    writer.append("\r\n")
  }

  private static func write(_ address: IPAddress, isV4: Bool, to writer: inout ByteWriter) {
    // An IPv4 address among IPv6 ones keeps its mapped form.
    if address.isV4, !isV4 { writer.append("::ffff:") }
    withUnsafeTemporaryAllocation(byteCount: IPAddress.textMax, alignment: 1) { room in
      guard let base = room.baseAddress else { return }
      writer.append(base, address.write(to: base))
    }
  }

  /// Appends a version 2 header; LOCAL where nothing is known.
  public static func writeBinary(_ connection: ProxiedConnection?, to writer: inout ByteWriter) {
    writer.append(signature)
    guard let connection else {
      append(0x2000, 16, to: &writer)
      append(0, 16, to: &writer)
      return
    }
    let isV4 = connection.source.isV4 && connection.destination.isV4
    append(isV4 ? 0x2111 : 0x2121, 16, to: &writer)
    append(isV4 ? 12 : 36, 16, to: &writer)
    for index in 0..<2 {
      let address = index == 0 ? connection.source : connection.destination
      if !isV4 { append(address.high, 64, to: &writer) }
      append(isV4 ? UInt64(address.v4) : address.low, isV4 ? 32 : 64, to: &writer)
    }
    append(UInt64(connection.sourcePort), 16, to: &writer)
    append(UInt64(connection.destinationPort), 16, to: &writer)
  }

  /// The low `bits` of a number in network order.
  private static func append(_ value: UInt64, _ bits: Int, to writer: inout ByteWriter) {
    var word = (value << UInt64(64 - bits)).bigEndian
    withUnsafeBytes(of: &word) { bytes in
      writer.append(UnsafeRawBufferPointer(rebasing: bytes[0..<bits / 8]))
    }
  }
}
