import HTTP
import Testing

/// The rules of response heads and trailers, and what gRPC says in them.
@Suite struct HeadCoderResponseTests {
  struct Case: Sendable {
    let fields: [(String, String)]
    let isEnd: Bool
    let isHead: Bool
    let text: String
    let framing: Framing

    init(
      _ fields: [(String, String)], isEnd: Bool = true, isHead: Bool = false, _ text: String,
      _ framing: Framing = .none
    ) {
      (self.fields, self.isEnd, self.isHead) = (fields, isEnd, isHead)
      (self.text, self.framing) = (text, framing)
    }
  }

  private static func status(
    _ status: Int, _ more: [(String, String)] = []
  ) -> [(String, String)] {
    [(":status", String(status))] + more
  }

  private static func length(_ count: Int) -> (String, String) { ("content-length", "\(count)") }
  private static let okay = "HTTP/1.1 200 OK\r\n"
  private static let grpc = ("content-type", "application/grpc")

  static let accepted = [
    Case(status(200), okay + "Content-Length: 0\r\n\r\n"),
    Case(status(200, [length(0)]), okay + "Content-Length: 0\r\n\r\n"),
    Case(status(200, [length(0)]), isEnd: false, okay + "Content-Length: 0\r\n\r\n"),
    Case(status(200), isEnd: false, okay + "Transfer-Encoding: chunked\r\n\r\n", .chunked),
    Case(
      status(200, [length(5), ("a", "b")]), isEnd: false,
      okay + "a: b\r\nContent-Length: 5\r\n\r\n", .length(5)),
    Case(
      status(200, [grpc, length(5)]), isEnd: false,
      okay + "content-type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n", .chunked),
    Case(status(200), isHead: true, okay + "\r\n"),
    Case(status(200, [length(5)]), isHead: true, okay + "Content-Length: 5\r\n\r\n"),
    Case(status(200), isEnd: false, isHead: true, okay + "\r\n"),
    Case(status(204), "HTTP/1.1 204 No Content\r\n\r\n"),
    Case(status(204, [length(0)]), isEnd: false, "HTTP/1.1 204 No Content\r\n\r\n"),
    Case(status(304), "HTTP/1.1 304 Not Modified\r\n\r\n"),
    Case(status(304, [length(9)]), "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    Case(status(100), isEnd: false, "HTTP/1.1 100 Continue\r\n\r\n"),
    Case(
      status(103, [("link", "</a>"), length(9)]), isEnd: false,
      "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
    Case(status(599), "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"),
    Case(
      status(200, [("set-cookie", "a"), ("cookie", "b"), ("cookie", "c"), ("host", "d")]),
      okay + "set-cookie: a\r\ncookie: b\r\ncookie: c\r\nhost: d\r\nContent-Length: 0\r\n\r\n"),
  ]

  @Test(arguments: accepted)
  func acceptsWhatIsRight(row: Case) {
    let read = TestCoder().response(row.fields, isEnd: row.isEnd, isHead: row.isHead)
    #expect(read.text == row.text)
    #expect(read.facts?.framing == row.framing)
    #expect(read.facts?.isInterim == (row.fields[0].1.first == "1"))
    var parser = HeadParser()
    var head = ResponseHead()
    let verdict = Array(read.text.utf8).withUnsafeBytes {
      parser.parse($0, answering: row.isHead ? .head : .get, into: &head)
    }
    #expect(verdict == .complete)
    #expect(head.end == read.text.utf8.count)
    #expect(head.framing == row.framing)
    #expect(head.status == read.facts?.status)
  }

  struct Refusal: Sendable {
    let fields: [(String, String)]
    let isEnd: Bool
    let fault: HeadFault

    init(_ fields: [(String, String)], isEnd: Bool = true, _ fault: HeadFault) {
      (self.fields, self.isEnd, self.fault) = (fields, isEnd, fault)
    }
  }

  static let refused =
    ["", "20", "2000", "2 0", "+20", "20a", "099", "600", "999", "101", "000"].map {
      Refusal([(":status", $0)], .badStatus)
    } + [
      Refusal([], .missingPseudoField), Refusal([("a", "b")], .missingPseudoField),
      Refusal(status(200, [(":status", "200")]), .repeatedPseudoField),
      Refusal(status(200, [("a", "b"), (":status", "200")]), .latePseudoField),
      Refusal(status(200, [(":path", "/")]), .unknownPseudoField),
      Refusal([(":statuS", "200")], .unknownPseudoField),
      Refusal(status(100), .interimEnd), Refusal(status(199), .interimEnd),
      Refusal(status(200, [length(5)]), .badContentLength),
      Refusal(status(200, [length(5), length(5)]), isEnd: false, .badContentLength),
      Refusal(status(200, [("content-length", "x")]), isEnd: false, .badContentLength),
      Refusal(status(204, [("content-length", "x")]), .badContentLength),
      Refusal(status(200, [("Server", "x")]), .badName),
      Refusal(status(200, [("server", "x\r\n\r\nHTTP/1.1 200 OK")]), .badValue),
      Refusal(status(200, [("te", "gzip")]), .connectionField),
    ]
    + ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map {
      Refusal(status(200, [($0, "x")]), isEnd: false, .connectionField)
    }

  @Test(arguments: refused)
  func refusesWhatIsMalformed(row: Refusal) {
    let coder = TestCoder()
    let read = coder.response(Block.literal(row.fields) + Block.indexed("x", "y"), isEnd: row.isEnd)
    #expect(read.fault == row.fault)
    #expect(read.text == "")
    #expect(coder.trailers([0xBE]).text == "x: y\r\n", "the table is right")
  }

  @Test func reasonPhrasesAreOneLine() {
    for status in 100...599 where status != 101 {
      let read = TestCoder().response([(":status", "\(status)")], isEnd: false)
      let line = read.text.prefix { $0 != "\r\n" }
      #expect(line.hasPrefix("HTTP/1.1 \(status) "))
      #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
    }
  }

  // MARK: Trailers

  @Test func trailersAreLines() {
    let coder = TestCoder()
    #expect(coder.trailers([("a", "b"), ("c", "")]).text == "a: b\r\nc: \r\n")
    #expect(coder.trailers([("content-length", "1")]).text == "content-length: 1\r\n")
    #expect(coder.trailers([("te", "trailers")]).text == "")
    #expect(coder.trailers([UInt8]()).text == "")
    #expect(coder.trailers([UInt8]()).facts != nil)
  }

  @Test(arguments: [
    ((":status", "200"), HeadFault.unknownPseudoField),
    ((":method", "GET"), .unknownPseudoField), ((":", ""), .unknownPseudoField),
    (("connection", "x"), .connectionField), (("transfer-encoding", "chunked"), .connectionField),
    (("te", "gzip"), .connectionField), (("A", "x"), .badName), (("a", "x\n"), .badValue),
  ])
  func trailersHaveRulesToo(field: (String, String), fault: HeadFault) {
    let read = TestCoder().trailers([("a", "b"), field])
    #expect(read.fault == fault)
    #expect(read.text == "")
  }

  @Test(arguments: [
    ("a: b", "a: b\r\n"), ("a: b\n", "a: b\r\n"), ("A:\t b \t\r\nC:d\r\n", "a: b\r\nc: d\r\n"),
    (": b\r\n", ""), ("a b: c\r\nd: e\r\n", "d: e\r\n"), ("a: b\rc\r\nd: e\r\n", "d: e\r\n"),
    ("\r\nd: e\r\n", "d: e\r\n"), ("d: e\r\n\r\n", "d: e\r\n"), ("a\r\n", ""),
    ("Connection: x\r\nTE: y\r\nTransfer-Encoding: chunked\r\nd: e\r\n", "d: e\r\n"),
    ("a: \0\r\nd: e\r\n", "d: e\r\n"),
  ])
  func linesThatAreNoneAreNotSent(lines: String, expected: String) {
    let (sender, receiver) = (TestCoder(), TestCoder())
    #expect(receiver.trailers(sender.encodeTrailers(lines) ?? []).text == expected)
  }

  // MARK: gRPC

  @Test(
    arguments: [
      ("0", 0), ("1", 1), ("9", 9), ("10", 10), ("16", 16), ("17", 17), ("19", 17), ("99", 17),
      ("00", 17), ("01", 17), ("014", 17), ("100", 17), ("-1", 17), ("", 17), ("x", 17), ("1x", 17),
      ("2,2", 17), ("1 4", 17), ("/", 17), (":", 17), ("1:", 17),
    ] as [(String, Int16)])
  func theStatusOfACallIsANumber(text: String, status: Int16) {
    let coder = TestCoder()
    let fields = [("grpc-status", text)]
    #expect(coder.trailers(fields).facts?.grpcStatus == status)
    let head = coder.response(Self.status(200, [Self.grpc] + fields))
    #expect(head.facts?.grpcStatus == status)
    #expect(head.facts?.isGRPC == true)
    #expect(coder.request(Block.get(fields)).facts?.grpcStatus == -1)
  }

  @Test func aCallHasOneStatusOrNone() {
    let coder = TestCoder()
    #expect(coder.trailers([("a", "b")]).facts?.grpcStatus == -1)
    #expect(
      coder.trailers([("grpc-status", "0"), ("grpc-status", "0")]).facts?.grpcStatus == 17)
  }

  @Test(arguments: [
    ("application/grpc", true), ("application/grpc+proto", true), ("application/GRPC", true),
    ("application/grpc;charset=x", true), ("application/grpc ; x", true),
    ("application/grpc-web", false), ("application/grpc-web+proto", false),
    ("application/grpcx", false), ("applicatiom/grpc", false), ("application/grqc", false),
    ("bpplication/grpc", false), ("application/grp", false), ("", false), ("text/plain", false),
  ])
  func gRPCIsAMediaType(type: String, isGRPC: Bool) {
    let coder = TestCoder()
    #expect(coder.request(Block.post([("content-type", type)])).facts?.isGRPC == isGRPC)
    #expect(
      coder.response(Self.status(200, [("content-type", type)])).facts?.isGRPC == isGRPC)
    let (sender, receiver) = (TestCoder(), TestCoder())
    let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: \(type)\r\n\r\n"
    let block = sender.encodeRequest(text) ?? []
    #expect(receiver.request(block).facts?.isGRPC == isGRPC)
    #expect(block.contains(Block.literal([("te", "trailers")])) == isGRPC)
  }

  @Test func anAnswerOfTrailersAloneHasNoLength() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let (length, type) = ("Content-Length: 0\r\n", "Content-Type: application/grpc\r\n")
    let other = "Content-Type: text/plain\r\n"
    for (lines, hasLength) in [
      (length + type, false), (type + length, false), (length + other, true),
      (other + length, true), (type + "Content-Length: 7\r\n", true),
    ] {
      let text = "HTTP/1.1 200 OK\r\n\(lines)grpc-status: 14\r\n\r\n"
      let block = sender.encodeResponse(text) ?? []
      // The index of content-length, without indexing.
      #expect(block.contains([0x0F, 0x0D]) == hasLength)
      let read = receiver.response(block, isEnd: false)
      #expect(read.facts?.grpcStatus == 14)
      #expect(read.text.contains("\r\ngrpc-status: 14\r\n"))
    }
  }
}
