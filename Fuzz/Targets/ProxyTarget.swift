// Laws of PROXY headers: no beginning of a header is anything but incomplete or malformed for good,
// what follows it changes nothing, and what is written is read as the same connection.
import HTTP
import Primitives

enum ProxyTarget {
  static let target = FuzzTarget(
    "proxy", byteCountMax: 300,
    words: [
      "PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "\r\n", "\r\n\r\n\0\r\nQUIT\n", "\u{21}\u{11}",
      "203.0.113.7 ", "2001:db8::1 ", "::ffff:1.2.3.4 ", "65535",
    ],
    check: { data throws(Finding) in try ProxyTarget.check(data) },
    seeds: { _ in
      let texts = [
        "PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\nGET /",
        "PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n",
        "PROXY TCP6 ::ffff:1.2.3.4 ::ffff:1.2.3.4 1 2\r\n", "PROXY UNKNOWN ffff\r\n",
      ].map { Array($0.utf8) }
      let signature = Array("\r\n\r\n\0\r\nQUIT\n".utf8)
      let binary: [[UInt8]] = [
        [0x21, 0x11, 0, 12, 203, 0, 113, 7, 198, 51, 100, 1, 0x12, 0x67, 1, 0xBB],
        [0x21, 0x21, 0, 36] + (0..<36).map { $0 }, [0x20, 0, 0, 0], [0x21, 0x31, 0, 2, 1, 2],
      ]
      return texts + binary.map { signature + $0 }
    })

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let verdict = ProxyProtocol.parse(data)
    for cut in 0..<data.count {
      let part = try data.withCopy(of: 0..<cut) { copy throws(Finding) in
        ProxyProtocol.parse(UnsafeRawBufferPointer(copy))
      }
      switch verdict {
      case .incomplete: try require(part == .incomplete, "a part is \(part)")
      case .malformed:
        try require(part == .incomplete || part == .malformed, "malformed, but a part is \(part)")
      case .complete(let count, _):
        try require(part == (cut < count ? .incomplete : verdict), "after \(cut) bytes: \(part)")
      }
    }
    guard case .complete(let count, let connection) = verdict else { return }
    try require(count > 0 && count <= data.count && count <= ProxyProtocol.byteCountMax, "a length")
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256, alignment: 1)
    defer { room.deallocate() }
    var line = ByteWriter(room)
    ProxyProtocol.writeLine(connection, to: &line)
    try require(!line.hasOverflowed && line.count <= 107, "a line of \(line.count) bytes")
    try require(
      ProxyProtocol.parse(line.written) == .complete(line.count, connection),
      "as a line: \(String(decoding: line.written, as: UTF8.self))")
    var binary = ByteWriter(room)
    ProxyProtocol.writeBinary(connection, to: &binary)
    try require(
      ProxyProtocol.parse(binary.written) == .complete(binary.count, connection),
      "in binary: \(Array(binary.written))")
  }
}
