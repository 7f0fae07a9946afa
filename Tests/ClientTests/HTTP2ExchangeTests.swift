// Exchanges over HTTP/2 as bytes: each answer as a whole, at every split point and byte by byte.
import Client
import HTTP
import Primitives
import Testing

/// What a server sends.
private enum Wire {
  static func frame(
    _ type: UInt8, _ flags: UInt8 = 0, on stream: UInt8 = 1, _ payload: [UInt8] = []
  ) -> [UInt8] {
    let count = payload.count
    return [UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags]
      + [0, 0, 0, stream] + payload
  }

  /// Literal fields without indexing (RFC 7541 §6.2.2). Names and values have less than 127 bytes.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in fields {
      bytes += [0, UInt8(name.utf8.count)]
      bytes += name.utf8
      bytes.append(UInt8(value.utf8.count))
      bytes += value.utf8
    }
    return bytes
  }

  static let settings = frame(4, 0, on: 0, [0, 3, 0, 0, 0, 100])
  static let type = ("content-type", "application/grpc")
  static let ok = block([(":status", "200"), type])
  static let head = frame(1, 4, ok)
  static let message: [UInt8] = [0, 0, 0, 0, 2, 8, 1]
  static let data = frame(0, 0, message)
  static let end = frame(1, 5, block([("grpc-status", "0")]))
}

@Suite struct HTTP2ExchangeTests {
  private enum End: Equatable {
    case answered(Int, [UInt8], CallEnd?)
    case failed(ClientFailure.Kind, String)
    /// Neither the bytes nor their end completed it.
    case unfinished
  }

  private struct Row: Sendable {
    var bytes: [UInt8]
    /// The peer closes after it.
    var closes = false
    var end: End

    init(_ bytes: [UInt8], closes: Bool = false, _ end: End) {
      (self.bytes, self.closes, self.end) = (bytes, closes, end)
    }

    /// A violation of HTTP/2.
    init(bad bytes: [UInt8], _ detail: String) {
      self.init(bytes, .failed(.badHTTP, "HTTP/2: " + detail))
    }
  }

  private static let good = End.answered(
    200, Wire.message, CallEnd(status: .ok, message: ""))
  private static func frame(
    _ type: UInt8, _ flags: UInt8 = 0, on stream: UInt8 = 1, _ payload: [UInt8] = []
  ) -> [UInt8] { Wire.frame(type, flags, on: stream, payload) }

  private static let begun = Wire.settings + Wire.head
  private static let answers: [Row] = [
    Row(begun + Wire.data + Wire.end, good),
    // The message in pieces, one of them empty, with padding, and an unknown frame between.
    Row(
      begun + frame(0, 0, [0]) + frame(0, 8, [3] + Wire.message[1...4] + [0, 0, 0]) + frame(0)
        + frame(77, 255, on: 9, [1, 2]) + frame(0, 0, Array(Wire.message[5...])) + Wire.end,
      good),
    // A head with padding and priority, in three frames.
    Row(
      Wire.settings + frame(1, 0x28, [2, 0, 0, 0, 0, 9] + Wire.ok.prefix(3) + [0, 0])
        + frame(9, 0, Array(Wire.ok[3..<8])) + frame(9, 4, Array(Wire.ok[8...])) + Wire.data
        + Wire.end, good),
    // The connection's own frames, before and between.
    Row(
      Wire.settings + frame(4, 1, on: 0) + frame(8, 0, on: 0, [0, 0, 1, 0]) + Wire.head
        + frame(6, 0, on: 0, [1, 2, 3, 4, 5, 6, 7, 8]) + frame(2, 0, on: 1, [0, 0, 0, 0, 1])
        + frame(7, 0, on: 0, [0, 0, 0, 1, 0, 0, 0, 0, 0x68]) + frame(8, 0, [0, 0, 1, 0])
        + Wire.data + Wire.end, good),
    Row(
      Wire.settings + frame(1, 4, Wire.block([(":status", "103"), ("link", "<x>")])) + Wire.head
        + Wire.data + Wire.end, good),
    // Trailers alone, with a message that is percent-encoded.
    Row(
      Wire.settings
        + frame(
          1, 5,
          Wire.block([
            (":status", "200"), Wire.type, ("grpc-status", "14"), ("grpc-message", "no %C3%A9"),
          ])), .answered(200, [], CallEnd(status: .unavailable, message: "no é"))),
    Row(
      begun + frame(1, 5, Wire.block([("grpc-message", "50 %"), ("grpc-status", "99")])),
      .answered(200, [], CallEnd(status: .other, message: "50 %"))),
    // No gRPC.
    Row(
      Wire.settings + frame(1, 4, Wire.block([(":status", "404"), ("content-length", "2")]))
        + frame(0, 1, [0x61, 0x62]), .answered(404, [0x61, 0x62], nil)),
    Row(Wire.settings + frame(1, 5, Wire.block([(":status", "503")])), .answered(503, [], nil)),
    // Unfinished, and the end of the connection.
    Row([], closes: true, .failed(.cut, "closed without an answer")),
    Row(Wire.settings, .unfinished),
    Row(begun + Wire.data, .unfinished),
    Row(begun + Wire.data, closes: true, .failed(.cut, "closed after 7 bytes of content")),
    Row(
      Wire.settings + frame(7, 0, on: 0, [0, 0, 0, 1, 0, 0, 0, 11]), closes: true,
      .failed(.cut, "closed without an answer, with GOAWAY ENHANCE_YOUR_CALM")),
    Row(begun + frame(0, 0, [UInt8](repeating: 0, count: 21)), .failed(.tooLarge, tooLarge)),
    // Other protocols.
    Row(
      Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
      .failed(.badHTTP, "the server speaks HTTP/1, not HTTP/2")),
    Row(
      [0x15, 3, 3, 0, 2, 2, 70], closes: true,
      .failed(.badHTTP, "the server speaks TLS: `tls` is missing")),
    Row(bad: Array("SSH-2.0-OpenSSH_9\r\n".utf8), "a frame of 5460808 bytes"),
  ]
  private static let tooLarge = "more than 20 bytes"

  private static let faults: [Row] = [
    Row(bad: Wire.head, "the first frame is no SETTINGS"),
    Row(bad: frame(4, 1, on: 0), "the first frame is no SETTINGS"),
    Row(bad: frame(4, 0, on: 0, [0, 3, 0]), "a frame of type 4 with 3 bytes"),
    Row(bad: Wire.settings + frame(4, 1, on: 0, [1]), "a frame of type 4 with 1 bytes"),
    Row(bad: frame(4, 0, on: 1), "a frame of type 4 on stream 1"),
    Row(bad: frame(4, 0, on: 0, [0, 2, 0, 0, 0, 1]), "setting 2 is 1"),
    Row(bad: frame(4, 0, on: 0, [0, 4, 0x80, 0, 0, 0]), "setting 4 is 2147483648"),
    Row(bad: frame(4, 0, on: 0, [0, 5, 0, 0, 0x3F, 0xFF]), "setting 5 is 16383"),
    Row(bad: Wire.settings + [0, 0x40, 1, 0, 0, 0, 0, 0, 1], "a frame of 16385 bytes"),
    Row(bad: Wire.settings + Wire.data, "content before the head"),
    Row(bad: begun + frame(0, 8), "DATA with wrong padding"),
    Row(bad: begun + frame(0, 8, [1]), "DATA with wrong padding"),
    Row(bad: Wire.settings + frame(1, 12, [9, 0]), "HEADERS with wrong padding"),
    Row(bad: Wire.settings + frame(1, 0x24, [0, 0, 0]), "a frame of type 1 with 3 bytes"),
    Row(bad: begun + frame(0, 0, on: 3, [1]), "a frame of type 0 on stream 3"),
    Row(bad: Wire.settings + frame(1, 5, on: 2, Wire.ok), "a frame of type 1 on stream 2"),
    Row(bad: begun + frame(5, 4, on: 1, [0, 0, 0, 2]), "a frame of type 5 on stream 1"),
    Row(bad: begun + frame(5, 4, on: 0, [0, 0, 0, 2]), "a frame of type 5 on stream 0"),
    Row(bad: begun + frame(6, 0, on: 0, [1]), "a frame of type 6 with 1 bytes"),
    Row(bad: begun + frame(6, 0, on: 1), "a frame of type 6 on stream 1"),
    Row(bad: begun + frame(3, 0, [0]), "a frame of type 3 with 1 bytes"),
    Row(bad: begun + frame(2, 0, [0]), "a frame of type 2 with 1 bytes"),
    Row(bad: begun + frame(8, 0, [0]), "a frame of type 8 with 1 bytes"),
    Row(bad: begun + frame(8, 0, [0x80, 0, 0, 0]), "WINDOW_UPDATE by 0, or of another stream"),
    Row(
      bad: begun + frame(8, 0, on: 5, [0, 0, 0, 1]), "WINDOW_UPDATE by 0, or of another stream"),
    Row(bad: begun + frame(7, 0, on: 0, [0, 0, 0, 1]), "a frame of type 7 with 4 bytes"),
    Row(
      bad: Wire.settings + frame(7, 0, on: 0, [0, 0, 0, 0, 0, 0, 0, 0]),
      "the server takes no call: GOAWAY NO_ERROR"),
    Row(
      bad: begun + frame(3, 0, [0, 0, 0, 7]), "the server has reset the call: REFUSED_STREAM"),
    Row(bad: begun + frame(3, 0, [0, 0, 1, 0]), "the server has reset the call: 256"),
    Row(bad: begun + frame(9, 4, Wire.ok), "CONTINUATION of no header block"),
    Row(
      bad: Wire.settings + frame(1, 0, Wire.ok) + frame(6, 0, on: 0, Wire.message + [0]),
      "another frame within a header block"),
    Row(bad: Wire.settings + frame(1, 0, []) + frame(9, 4, on: 3), "a frame of type 9 on stream 3"),
    Row(
      bad: begun + frame(1, 4, Wire.block([("grpc-status", "0")])),
      "trailers that do not end the answer"),
    Row(bad: begun + Wire.head, "a malformed head: an unknown pseudo-field"),
    Row(bad: Wire.settings + frame(1, 4, [0x80]), "the header block cannot be decoded"),
    Row(
      bad: Wire.settings + frame(1, 4, Wire.block([("a", "b")])),
      "a malformed head: a pseudo-field is missing"),
    Row(
      bad: Wire.settings + frame(1, 4, Wire.block([(":status", "101")])),
      "a malformed head: the status is none, or 101"),
    Row(
      bad: Wire.settings + frame(1, 4, Wire.block([(":status", "200"), ("content-length", "3")]))
        + frame(0, 1, [1, 2]), "2 bytes of content instead of 3"),
    Row(
      bad: Wire.settings
        + [[UInt8]](repeating: frame(1, 4, Wire.block([(":status", "100")])), count: 9)
        .flatMap(\.self), "too many interim heads"),
  ]

  private static let address = SocketAddress(bytes: [10, 0, 0, 1], port: 8000)

  private static func request() -> ClientRequest {
    var request = ClientRequest(
      .post, "/a.B/C", at: address, timeout: .seconds(1), contentBytesMax: 20)
    request.version = .http2
    request.fields = [.init("Content-Type", "application/grpc"), .init("grpc-timeout", "1000m")]
    request.content = [0, 0, 0, 0, 0]
    return request
  }

  private static func run(
    _ pieces: [ArraySlice<UInt8>], closes: Bool = false
  ) -> (end: End, replies: [UInt8]) {
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request(), userAgent: "steelyard/1")
    var replies: [UInt8] = []
    var isOver = false
    for piece in pieces where !isOver {
      isOver = piece.withUnsafeBytes { exchange.receive($0, &parser) }
      replies += exchange.takeReplies()
    }
    if !isOver {
      guard closes else { return (.unfinished, replies) }
      exchange.end()
    }
    #expect(!exchange.isReusable)
    let end = exchange.withOutcome { outcome -> End in
      switch outcome {
      case .answered(let answer):
        .answered(answer.status, Array(answer.content), answer.call)
      case .failed(let failure): .failed(failure.kind, failure.detail)
      case .connected, .part: .unfinished
      }
    }
    return (end, replies)
  }

  private static func check(_ row: Row) {
    #expect(run([row.bytes[...]], closes: row.closes).end == row.end)
    for split in row.bytes.indices {
      let pieces = [row.bytes[..<split], row.bytes[split...]]
      #expect(run(pieces, closes: row.closes).end == row.end, "split at \(split)")
    }
    let single = row.bytes.indices.map { row.bytes[$0...$0] }
    #expect(run(single, closes: row.closes).end == row.end)
  }

  @Test(arguments: answers.indices) func theEndIsTheSameAtEverySplitPoint(row: Int) {
    Self.check(Self.answers[row])
  }

  @Test(arguments: faults.indices) func aViolationIsNamed(row: Int) { Self.check(Self.faults[row]) }

  @Test func aCutAnswerIsNeverWhole() {
    let bytes = Self.begun + Wire.data + Wire.end
    for count in bytes.indices {
      guard case .failed(.cut, _) = Self.run([bytes[..<count]], closes: true).end else {
        Issue.record("\(count) bytes are no answer")
        continue
      }
    }
  }

  // MARK: What is sent

  @Test func theRequestIsPrefaceSettingsHeadAndContent() throws {
    var exchange = ClientExchange()
    exchange.begin(Self.request(), userAgent: "steelyard/1")
    let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    #expect(exchange.requestBytes.starts(with: preface))
    var rest = exchange.requestBytes.dropFirst(preface.count)
    var frames: [[UInt8]] = []
    while rest.count >= 9 {
      let count = rest.prefix(3).reduce(0) { $0 << 8 | Int($1) }
      frames.append(Array(rest.prefix(9 + count)))
      rest = rest.dropFirst(9 + count)
    }
    try #require(frames.count == 3 && rest.isEmpty)
    // ENABLE_PUSH 0, MAX_HEADER_LIST_SIZE 16384.
    #expect(frames[0] == Self.frame(4, 0, on: 0, [0, 2, 0, 0, 0, 0, 0, 6, 0, 0, 0x40, 0]))
    #expect(Array(frames[1][3..<9]) == [1, 4, 0, 0, 0, 1])
    #expect(frames[2] == Self.frame(0, 1, [0, 0, 0, 0, 0]))
    let memory = FieldMemory()
    let coder = try #require(HeadCoder(memory))
    defer { coder.free() }
    let text = withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { room in
      var writer = ByteWriter(room)
      let head = frames[1].withUnsafeBytes { bytes in
        coder.decodeRequest(
          UnsafeRawBufferPointer(rebasing: bytes[9...]), isEnd: false, into: &writer)
      }
      guard case .head(let facts) = head, facts.isGRPC else { return "malformed" }
      return String(decoding: writer.written, as: UTF8.self)
    }
    let expected = """
      POST /a.B/C HTTP/1.1\r
      Host: 10.0.0.1:8000\r
      user-agent: steelyard/1\r
      accept: */*\r
      accept-encoding: identity\r
      content-type: application/grpc\r
      grpc-timeout: 1000m\r
      Transfer-Encoding: chunked\r
      \r\n
      """
    #expect(text == expected)
  }

  @Test func settingsPingsAndContentAreAnswered() {
    let ping: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
    let bytes =
      Wire.settings + Self.frame(6, 0, on: 0, ping) + Self.frame(6, 1, on: 0, ping) + Wire.head
      + Wire.data
    let expected =
      Self.frame(4, 1, on: 0) + Self.frame(6, 1, on: 0, ping)
      + Self.frame(8, 0, on: 0, [0, 0, 0, 7]) + Self.frame(8, 0, on: 1, [0, 0, 0, 7])
    #expect(Self.run([bytes[...]]).replies == expected)
    #expect(Self.run(bytes.indices.map { bytes[$0...$0] }).replies == expected)
  }

  @Test func whatIsTooLargeToSendFailsAtOnce() {
    var request = Self.request()
    request.content = [UInt8](repeating: 0, count: 65_536)
    var exchange = ClientExchange()
    exchange.begin(request, userAgent: "steelyard/1")
    #expect(exchange.hasFailed && exchange.requestBytes.isEmpty)
    request.content.removeLast()
    exchange.begin(request, userAgent: "steelyard/1")
    #expect(!exchange.hasFailed && exchange.requestBytes.count > 65_535)
  }

  // MARK: Limits

  @Test func floodsEnd() {
    let ping = Self.frame(6, 0, on: 0, [UInt8](repeating: 0, count: 8))
    let floods: [(first: [UInt8], again: [UInt8], String)] = [
      (Wire.settings, ping, "262144 bytes of frames beside the answer"),
      (Wire.settings, Wire.settings, "262144 bytes of frames beside the answer"),
      (Self.begun, Self.frame(0), "262144 bytes of frames beside the answer"),
      (Wire.settings, Self.frame(99), "262144 bytes of frames beside the answer"),
      (
        Wire.settings + Self.frame(1), Self.frame(9, 0, [UInt8](repeating: 0, count: 8_192)),
        "a header block of more than 32768 bytes"
      ),
      (
        Wire.settings + Self.frame(1), Self.frame(9), "262144 bytes of frames beside the answer"
      ),
    ]
    for (first, again, text) in floods {
      var pieces = [first[...]]
      let count = 300_000 / again.count
      pieces += [ArraySlice<UInt8>](repeating: again[...], count: count)
      let (end, replies) = Self.run(pieces)
      #expect(end == .failed(.badHTTP, "HTTP/2: " + text))
      #expect(replies.count <= 262_144 * 3)
    }
  }

  @Test func aHeadThatIsTooLargeIsNoHead() {
    // One field in the table, and then a byte for each time that it is there again.
    let value = [UInt8](repeating: 0x61, count: 100)
    let indexed = [0x40, 1, 0x62, 100] + value
    let bomb = Wire.ok + indexed + [UInt8](repeating: 0xBE, count: 3_000)
    let bytes = Wire.settings + Self.frame(1, 4, bomb)
    #expect(Self.run([bytes[...]]).end == .failed(.badHTTP, "HTTP/2: the head is too large"))
  }

  /// Frames with a few bytes changed: whatever comes of it, it is the same for all splits.
  @Test func changedBytesComeToTheSameEndHoweverTheyAreSplit() {
    var random = RandomSource(seed: 7)
    let rows = (Self.answers + Self.faults).filter { !$0.bytes.isEmpty }
    for _ in 0..<4_000 {
      var bytes = rows[Int(random.unit() * Double(rows.count))].bytes
      for _ in 0...Int(random.unit() * 4) {
        bytes[Int(random.unit() * Double(bytes.count))] = UInt8(random.unit() * 256)
      }
      let whole = Self.run([bytes[...]], closes: true)
      var pieces: [ArraySlice<UInt8>] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(1 + Int(random.unit() * 12))
        pieces.append(piece)
        rest = rest.dropFirst(piece.count)
      }
      let split = Self.run(pieces, closes: true)
      #expect(split.end == whole.end, "\(bytes)")
    }
  }
}
