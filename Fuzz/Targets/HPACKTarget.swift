// Laws of the heads of HTTP/2: blocks of one connection, one after the other through one coder. The
// text of a head is one head of HTTP/1.1, whatever the peer sent; it goes through blocks again
// unchanged; what is refused leaves no text; memory is bounded and given back.
import HTTP

enum HPACKTarget {
  static let target = FuzzTarget(
    "hpack", byteCountMax: 1_500,
    words: [
      ":method", ":scheme", ":path", ":authority", ":status", ":protocol", "GET", "POST",
      "OPTIONS", "CONNECT", "https", "/", "*", "200", "100", "204", "304", "host", "cookie", "te",
      "trailers", "content-length", "transfer-encoding", "chunked", "connection", "content-type",
      "application/grpc", "grpc-status", "\r\n", " HTTP/1.1\r\n", "http://a/",
    ],
    check: { data throws(Finding) in
      try Peer(FuzzInput(data)).run()
      try require(Tools.shared.memory.liveByteCount == 0, "a coder keeps memory after its end")
    },
    seeds: { _ in Seeds.all })

  /// The most memory of one coder, bytes: two tables, and the longest field that is decoded.
  private static let liveBytesMax = 400_000
  private static let reservedBytesMax = 4_000_000

  /// What a block is said to be: the byte before its length.
  private struct Role {
    let byte: UInt8
    var kind: UInt8 { byte & 3 }
    var isEnd: Bool { byte & 4 != 0 }
    var isHead: Bool { byte & 8 != 0 }
  }

  private static func newCoder() -> HeadCoder {
    guard let coder = HeadCoder(Tools.shared.memory) else { fatalError("no memory") }
    return coder
  }

  /// Encoder and decoder of a connection on which heads are sent on.
  private final class NextHop {
    var sender = newCoder()
    let receiver = newCoder()

    deinit {
      sender.free()
      receiver.free()
    }
  }

  /// What all inputs use, one after the other.
  private final class Tools {
    // SAFETY: a target runs on one thread at a time.
    nonisolated(unsafe) static let shared = Tools()

    let memory = FieldMemory()
    var parser = HeadParser(fieldsMax: 1_000)
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 100_000, alignment: 1)
    /// The block of `a: b`.
    let field = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)

    private init() { field.copyBytes(from: [0, 1, 0x61, 1, 0x62]) }
  }

  // MARK: One connection

  private struct Peer: ~Copyable {
    private let tools = Tools.shared
    private let input: FuzzInput
    private var coder: HeadCoder
    private let next = NextHop()
    private var isBroken = false

    init(_ input: FuzzInput) {
      self.input = input
      coder = newCoder()
    }

    deinit {
      coder.free()
    }

    /// The input is blocks: a byte for what they are, one for their length, and the block; the last
    /// is as long as it is.
    consuming func run() throws(Finding) {
      var start = 0
      while start < input.bytes.count, !isBroken {
        let role = Role(byte: input.bytes[start])
        let length = start + 1 < input.bytes.count ? Int(input.bytes[start + 1]) : 0
        start = min(start + 2, input.bytes.count)
        let isLast = length == 255
        let end = isLast ? input.bytes.count : min(start + length, input.bytes.count)
        let taken = try input.bytes.withCopy(of: start..<end) { block throws(Finding) in
          try take(UnsafeRawBufferPointer(block), role)
        }
        isBroken = !taken
        start = end
        if role.kind == 3 { coder.setPeerTableSize(length * 40) }
      }
      let (live, reserved) = (tools.memory.liveByteCount, tools.memory.reservedByteCount)
      try require(live <= liveBytesMax, "a connection keeps \(live) bytes")
      try require(reserved <= reservedBytesMax, "\(reserved) bytes were taken from the system")
    }

    /// False where the connection is at its end.
    private func take(_ block: UnsafeRawBufferPointer, _ role: Role) throws(Finding) -> Bool {
      var writer = ByteWriter(
        UnsafeMutableRawBufferPointer(
          rebasing: tools.room[..<(input.options & 1 == 0 ? 16_384 : 120)]))
      writer.append("mine")
      let head =
        switch role.kind {
        case 0, 3: coder.decodeRequest(block, isEnd: role.isEnd, into: &writer)
        case 1:
          coder.decodeResponse(
            block, isEnd: role.isEnd, isHeadRequest: role.isHead, into: &writer)
        default: coder.decodeTrailers(block, into: &writer)
        }
      try require(!writer.hasOverflowed, "the writer is left overflown")
      let text = UnsafeRawBufferPointer(rebasing: writer.written[4...])
      guard case .head(let facts) = head else {
        try require(text.isEmpty, "\(head) leaves text")
        if head == .broken {
          var again = ByteWriter(tools.room)
          let other = coder.decodeTrailers(UnsafeRawBufferPointer(tools.field), into: &again)
          try require(other == .broken, "a broken table is used again: \(other)")
        }
        return head != .broken && head != .bomb
      }
      try require((-1...17).contains(facts.grpcStatus), "grpc-status \(facts.grpcStatus)")
      try checkLines(text, isHead: role.kind != 2)
      switch role.kind {
      case 0, 3: try checkRequest(text, facts, role)
      case 1: try checkResponse(text, facts, role)
      default: try checkTrailers(text)
      }
      return true
    }

    // MARK: The text

    /// Lines end in CRLF, hold no controls, and an empty one is the last of a head.
    private func checkLines(_ text: UnsafeRawBufferPointer, isHead: Bool) throws(Finding) {
      var lineStart = 0
      for (index, byte) in text.enumerated() {
        if byte == 0x0D {
          try require(index + 1 < text.count && text[index + 1] == 0x0A, "CR without LF")
        } else if byte == 0x0A {
          try require(index > 0 && text[index - 1] == 0x0D, "LF without CR")
          let isEmpty = index == lineStart + 1
          let isLast = index + 1 == text.count
          try require(isEmpty == (isHead && isLast), "an empty line within, or none at the end")
          lineStart = index + 1
        } else {
          try require(byte == 0x09 || byte >= 0x20 && byte != 0x7F, "a control in the text")
        }
      }
      try require(lineStart == text.count, "the text ends within a line")
    }

    private func checkRequest(
      _ text: UnsafeRawBufferPointer, _ facts: HeadFacts, _ role: Role
    ) throws(Finding) {
      var head = RequestHead()
      guard try isComplete(tools.parser.parse(text, into: &head)) else { return }
      try require(head.end == text.count && head.start == 0, "bytes behind the head: smuggled")
      try require(!head.isAbsoluteForm, "a path became another authority")
      try require(head.framing == facts.framing, "framing \(head.framing), not \(facts.framing)")
      try require(role.isEnd ? head.framing == .none : true, "content without content")
      try require(
        head.framing != .none || role.isEnd || facts.contentLength == 0, "content without framing")
      let connection = head.connection
      try require(
        !connection.close && !connection.upgrade && !connection.namesFields && !head.asksUpgrade,
        "fields of a connection")
      try require(
        HeadLaws.framing(tools.parser, text, minorVersion: 1) != nil, "two readings of the framing")
      try checkAgain(text, isEnd: role.isEnd) { bytes, room in
        var head = RequestHead()
        guard tools.parser.parse(bytes, into: &head) == .complete else { return nil }
        return next.sender.encodeRequest(
          head, tools.parser.table(in: bytes), isSecure: true, into: room)
      } decode: { block, writer in
        next.receiver.decodeRequest(block, isEnd: role.isEnd, into: &writer)
      }
    }

    private func checkResponse(
      _ text: UnsafeRawBufferPointer, _ facts: HeadFacts, _ role: Role
    ) throws(Finding) {
      var head = ResponseHead()
      let method = role.isHead ? Method.head : .get
      guard try isComplete(tools.parser.parse(text, answering: method, into: &head)) else { return }
      try require(head.end == text.count, "bytes behind the head: smuggled")
      try require(head.status == facts.status && !head.isUpgrade, "another status")
      try require(facts.isInterim == (head.status < 200), "whether a final head follows")
      try require(head.framing == facts.framing, "framing \(head.framing), not \(facts.framing)")
      try require(role.isEnd ? head.framing == .none : true, "content without content")
      try checkAgain(text, isEnd: role.isEnd) { bytes, room in
        var head = ResponseHead()
        guard tools.parser.parse(bytes, answering: method, into: &head) == .complete else {
          return nil
        }
        return next.sender.encodeResponse(head, tools.parser.table(in: bytes), into: room)
      } decode: { block, writer in
        next.receiver.decodeResponse(
          block, isEnd: role.isEnd, isHeadRequest: role.isHead, into: &writer)
      }
    }

    private func checkTrailers(_ text: UnsafeRawBufferPointer) throws(Finding) {
      try checkAgain(text, isEnd: true) { bytes, room in
        next.sender.encodeTrailers(bytes, into: room)
      } decode: { block, writer in
        next.receiver.decodeTrailers(block, into: &writer)
      }
    }

    /// The parser takes the text as a head, or refuses it; it never waits for more.
    private func isComplete(_ verdict: HeadVerdict) throws(Finding) -> Bool {
      switch verdict {
      case .incomplete: throw Finding(description: "a head without an end: smuggled")
      case .rejected: return false
      case .complete: return true
      }
    }

    // MARK: Sent on

    /// Encoded and decoded, a text gives one that stays as it is when that is done again.
    private func checkAgain(
      _ text: UnsafeRawBufferPointer, isEnd: Bool,
      encode: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int?,
      decode: (UnsafeRawBufferPointer, inout ByteWriter) -> DecodedHead
    ) throws(Finding) {
      let first = try sentOn(Array(text), encode: encode, decode: decode)
      guard !first.isEmpty || text.isEmpty else { return }
      let second = try sentOn(first, encode: encode, decode: decode)
      try require(
        first == second,
        "sent on again it is another: \(String(decoding: first, as: UTF8.self)) "
          + String(decoding: second, as: UTF8.self))
    }

    private func sentOn(
      _ text: [UInt8], encode: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int?,
      decode: (UnsafeRawBufferPointer, inout ByteWriter) -> DecodedHead
    ) throws(Finding) -> [UInt8] {
      let room = UnsafeMutableRawBufferPointer.allocate(
        byteCount: HeadCoder.blockBytesMax, alignment: 1)
      defer { room.deallocate() }
      guard let count = text.withUnsafeBytes({ encode($0, room) }) else {
        throw Finding(description: "no room for a head: " + String(decoding: text, as: UTF8.self))
      }
      var writer = ByteWriter(
        UnsafeMutableRawBufferPointer(rebasing: tools.room[20_000...]))
      let head = decode(UnsafeRawBufferPointer(rebasing: room[..<count]), &writer)
      guard case .head = head else {
        // As many fields as a block may have, and `te`.
        if text.count(where: { $0 == 0x0A }) > 190 { return [] }
        throw Finding(
          description: "what was sent on is \(head): " + String(decoding: text, as: UTF8.self))
      }
      return Array(writer.written)
    }
  }

  // MARK: Inputs to begin with

  private enum Seeds {
    static var all: [[UInt8]] {
      let get = string(":method", "GET") + string(":scheme", "http") + string(":path", "/")
      let host = string(":authority", "a")
      let status = string(":status", "200")
      let fields =
        string("cookie", "a=1") + string("cookie", "b=2") + string("content-length", "5")
        + string("content-type", "application/grpc") + string("te", "trailers")
      // RFC 7541 §C.4: indexed fields, Huffman codes, an entry of the dynamic table.
      let huffman: [[UInt8]] = [
        [
          0x82, 0x86, 0x84, 0x41, 0x8C, 0xF1, 0xE3, 0xC2, 0xE5, 0xF2, 0x3A, 0x6B, 0xA0, 0xAB, 0x90,
          0xF4, 0xFF,
        ], [0x82, 0x86, 0x84, 0xBE, 0x58, 0x86, 0xA8, 0xEB, 0x10, 0x64, 0x9C, 0xBF],
      ]
      let bomb: [UInt8] = [0x40] + string("a", String(repeating: "b", count: 90)).dropFirst()
      return [
        [block(4, get + host)], [block(0, get + host + fields)],
        [block(4, get + string("host", "b"))],
        [block(4, Array(get.dropLast(9)) + string(":path", "http://b/") + host)],
        huffman.map { block(4, $0) }, [block(1, status + fields)], [block(5, status)],
        [block(9, status + string("content-length", "9"))],
        [block(2, string("grpc-status", "0") + string("grpc-message", "x"))],
        [block(2, bomb), [0, 255] + [UInt8](repeating: 0xBE, count: 300)],
        [block(2, [0x3F, 0xE1, 0x01] + string("a", "b")), block(3, get)],
      ].map { FuzzInput.make(Array($0.joined())) }
    }

    private static func block(_ role: UInt8, _ bytes: [UInt8]) -> [UInt8] {
      [role, UInt8(bytes.count)] + bytes
    }

    /// A literal field without indexing.
    private static func string(_ name: String, _ value: String) -> [UInt8] {
      [0, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
    }
  }
}
