import HTTP
import Testing

/// The rules of request heads (RFC 9113 §8.2, §8.3).
@Suite struct HeadCoderRequestTests {
  private static func verdict(_ text: String) -> (HeadVerdict, RequestHead) {
    var parser = HeadParser()
    var head = RequestHead()
    let verdict = Array(text.utf8).withUnsafeBytes { parser.parse($0, into: &head) }
    return (verdict, head)
  }

  // MARK: Framing

  struct Case: Sendable {
    let fields: [(String, String)]
    let isEnd: Bool
    let text: String
    let framing: Framing

    init(
      _ fields: [(String, String)], isEnd: Bool = true, _ text: String, _ framing: Framing = .none
    ) {
      (self.fields, self.isEnd, self.text, self.framing) = (fields, isEnd, text, framing)
    }
  }

  private static let get = "GET / HTTP/1.1\r\nHost: a\r\n"
  private static let post = "POST / HTTP/1.1\r\nHost: a\r\n"
  private static let grpc = "application/grpc+proto"

  static let accepted = [
    Case(Block.get(), get + "\r\n"),
    Case(Block.get([("content-length", "0")]), get + "Content-Length: 0\r\n\r\n"),
    Case(Block.get(), isEnd: false, get + "Transfer-Encoding: chunked\r\n\r\n", .chunked),
    Case(Block.post(), post + "Content-Length: 0\r\n\r\n"),
    Case(Block.post([("content-length", "0")]), isEnd: false, post + "Content-Length: 0\r\n\r\n"),
    Case(
      Block.post([("content-length", "7"), ("a", "b")]), isEnd: false,
      post + "a: b\r\nContent-Length: 7\r\n\r\n", .length(7)),
    Case(Block.post(), isEnd: false, post + "Transfer-Encoding: chunked\r\n\r\n", .chunked),
    Case(
      Block.post([("content-length", "7"), ("content-type", grpc)]), isEnd: false,
      post + "content-type: \(grpc)\r\nTransfer-Encoding: chunked\r\n\r\n", .chunked),
    Case(
      Block.post([("content-length", "7"), ("content-type", "application/grpc-web")]),
      isEnd: false,
      post + "content-type: application/grpc-web\r\nContent-Length: 7\r\n\r\n", .length(7)),
    Case(
      [(":scheme", "https"), (":path", "/p?q=%20"), (":method", "BREW"), ("host", "b:1")],
      "BREW /p?q=%20 HTTP/1.1\r\nhost: b:1\r\n\r\n"),
    Case(
      [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "[::1]:80")],
      "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
    Case(Block.get([("host", "A")]), get + "\r\n"),
    Case(Block.get([("te", "trailers"), ("x", "")]), get + "x: \r\n\r\n"),
    Case(
      Block.get([("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "")]),
      get + "x: y\r\ncookie: a=1; b=2; \r\n\r\n"),
    Case(Block.get([("cookie", "a=1; b=2")]), get + "cookie: a=1; b=2\r\n\r\n"),
    Case(Block.get([("x", "a\t b")]), get + "x: a\t b\r\n\r\n"),
    Case(
      Block.post([("expect", "100-continue"), ("content-length", "1")]), isEnd: false,
      post + "expect: 100-continue\r\nContent-Length: 1\r\n\r\n", .length(1)),
  ]

  @Test(arguments: accepted)
  func acceptsWhatIsRight(row: Case) {
    let read = TestCoder().request(row.fields, isEnd: row.isEnd)
    #expect(read.text == row.text)
    #expect(read.facts?.framing == row.framing)
    let (verdict, head) = Self.verdict(read.text)
    #expect(verdict == .complete)
    #expect(head.end == read.text.utf8.count)
    #expect(head.framing == row.framing)
  }

  @Test func theDeclaredLengthIsKnownWhereTheTextHasNone() {
    let coder = TestCoder()
    let read = coder.request(
      Block.post([("content-length", "7"), ("content-type", Self.grpc)]), isEnd: false)
    #expect(read.facts?.contentLength == 7)
    #expect(read.facts?.isGRPC == true)
    #expect(coder.request(Block.post()).facts?.contentLength == -1)
  }

  // MARK: Malformed

  struct Refusal: Sendable {
    let fields: [(String, String)]
    let isEnd: Bool
    let fault: HeadFault

    init(_ fields: [(String, String)], isEnd: Bool = true, _ fault: HeadFault) {
      (self.fields, self.isEnd, self.fault) = (fields, isEnd, fault)
    }
  }

  private static func pseudo(
    _ method: String? = "GET", _ scheme: String? = "http", _ path: String? = "/",
    _ authority: String? = "a"
  ) -> [(String, String)] {
    let all = [
      (":method", method), (":scheme", scheme), (":path", path), (":authority", authority),
    ]
    return all.compactMap { name, value in value.map { (name, $0) } }
  }

  static let refused =
    [
      Refusal([], .missingPseudoField), Refusal([("a", "b")], .missingPseudoField),
      Refusal(pseudo(nil), .missingPseudoField), Refusal(pseudo("GET", nil), .missingPseudoField),
      Refusal(pseudo("GET", "http", nil), .missingPseudoField),
      Refusal(pseudo(""), .badMethod), Refusal(pseudo("G T"), .badMethod),
      Refusal(pseudo(String(repeating: "A", count: 33)), .badMethod),
      Refusal(pseudo("CONNECT"), .connectRefused),
      Refusal([(":method", "CONNECT"), (":authority", "a:1")], .missingPseudoField),
      Refusal(pseudo("CONNECT") + [(":protocol", "websocket")], .connectRefused),
      Refusal(pseudo("GET", ""), .badScheme), Refusal(pseudo("GET", "1http"), .badScheme),
      Refusal(pseudo("GET", "ht tp"), .badScheme),
      Refusal(pseudo("GET", "http", ""), .badPath), Refusal(pseudo("GET", "http", "*"), .badPath),
      Refusal(pseudo("OPTIONS", "http", "**"), .badPath),
      Refusal(pseudo("GET", "http", "x"), .badPath),
      Refusal(pseudo("GET", "http", "?x"), .badPath),
      Refusal(pseudo("GET", "http", "http://b/"), .badPath),
      Refusal(pseudo("GET", "http", "/ HTTP/1.1"), .badPath),
      Refusal(pseudo("GET", "http", "/a#b"), .badPath),
      Refusal(pseudo("GET", "http", "/\u{e9}"), .badPath),
      Refusal(pseudo("GET", "http", "/", ""), .badAuthority),
      Refusal(pseudo("GET", "http", "/", "a b"), .badAuthority),
      Refusal(pseudo("GET", "http", "/", nil) + [("host", "")], .badAuthority),
      Refusal(Block.get([("host", "b")]), .otherHost),
      Refusal(Block.get([("host", "aa")]), .otherHost),
      Refusal(Block.get([("host", "")]), .otherHost),
      Refusal(Block.get([(":path", "/b")]), .repeatedPseudoField),
      Refusal(Block.get([(":method", "GET")]), .repeatedPseudoField),
      Refusal(Block.get([(":scheme", "http")]), .repeatedPseudoField),
      Refusal(Block.get([(":authority", "a")]), .repeatedPseudoField),
      Refusal(Block.get([("x", "y"), (":path", "/")]), .latePseudoField),
      Refusal(pseudo(nil) + [("x", "y"), (":method", "GET")], .missingPseudoField),
      Refusal(Block.get([(":status", "200")]), .unknownPseudoField),
      Refusal(Block.get([(":", "x")]), .unknownPseudoField),
      Refusal(Block.get([(":Path", "/")]), .unknownPseudoField),
      Refusal(Block.get([(":host", "/")]), .unknownPseudoField),
      Refusal(Block.get([("", "x")]), .badName), Refusal(Block.get([("X", "x")]), .badName),
      Refusal(Block.get([("x y", "x")]), .badName), Refusal(Block.get([("x:", "x")]), .badName),
      Refusal(Block.get([("x", " y")]), .badValue), Refusal(Block.get([("x", "y ")]), .badValue),
      Refusal(Block.get([("x", "\ty")]), .badValue), Refusal(Block.get([("x", "y\t")]), .badValue),
      Refusal(Block.get([("x", " ")]), .badValue),
      Refusal(Block.get([("cookie", "a\r\nx: y")]), .badValue),
      Refusal(Block.get([("te", "gzip")]), .connectionField),
      Refusal(Block.get([("te", "trailers, gzip")]), .connectionField),
      Refusal(Block.get([("content-length", "1")]), .badContentLength),
      Refusal(Block.post([("content-length", "0"), ("content-length", "0")]), .badContentLength),
      Refusal(Block.post([("content-type", grpc), ("content-length", "1")]), .badContentLength),
    ]
    + ["", "-1", "+1", "1,1", "1 1", "0x1", "1234567890123456789"].map {
      Refusal(Block.post([("content-length", $0)]), isEnd: false, .badContentLength)
    }
    + ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].flatMap {
      [
        Refusal(Block.get([($0, "close")]), .connectionField),
        Refusal(Block.get([($0, "")]), .connectionField),
        Refusal(Block.post([($0, "chunked")]), isEnd: false, .connectionField),
      ]
    }

  @Test(arguments: refused)
  func refusesWhatIsMalformed(row: Refusal) {
    let coder = TestCoder()
    // A table entry is made before, and one behind, what is wrong.
    let marks = (Block.indexed("x-one", "1"), Block.indexed("x-two", "2"))
    _ = coder.trailers(marks.0)
    let read = coder.request(Block.literal(row.fields) + marks.1, isEnd: row.isEnd)
    #expect(read.fault == row.fault)
    #expect(read.text == "")
    #expect(coder.trailers([0xBF, 0xBE]).text == "x-one: 1\r\nx-two: 2\r\n", "the table is right")
  }

  @Test func whatHeadParserKnowsItIsLeftTo() {
    let noHost = TestCoder().request([(":method", "GET"), (":scheme", "http"), (":path", "/")])
    #expect(Self.verdict(noHost.text).0 == .rejected(.missingHost))
    let hosts = TestCoder().request(
      [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a"), ("host", "a")])
    #expect(Self.verdict(hosts.text).0 == .rejected(.severalHosts))
    let user = TestCoder().request(
      [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")])
    #expect(Self.verdict(user.text).0 == .rejected(.badHost))
    let trace = TestCoder().request(
      [(":method", "TRACE"), (":scheme", "http"), (":path", "/"), (":authority", "a")])
    #expect(Self.verdict(trace.text).0 == .rejected(.methodRefused))
  }

  // MARK: Bytes

  /// "aXb", "Xab", "abX" for each X.
  private static func words(with byte: UInt8) -> [[UInt8]] {
    [[0x61, byte, 0x62], [byte, 0x61, 0x62], [0x61, 0x62, byte]]
  }

  @Test(arguments: UInt8.min...UInt8.max)
  func namesAreLowerCaseTokens(byte: UInt8) {
    let coder = TestCoder()
    let isLetter = byte >= 0x61 && byte <= 0x7A
    let isDigit = byte >= 0x30 && byte <= 0x39
    let isAllowed = isLetter || isDigit || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    for (place, name) in Self.words(with: byte).enumerated() {
      let block = Block.literal(Block.get()) + Block.literal(name, Array("value".utf8))
      let read = coder.request(block)
      let fault: HeadFault = byte == 0x3A && place == 1 ? .latePseudoField : .badName
      // Behind the other pseudo-fields it is one more of them.
      let expected = fault == .latePseudoField ? HeadFault.unknownPseudoField : fault
      #expect(read.fault == (isAllowed ? nil : expected))
      let trailers = coder.trailers(Block.literal(name, [])).fault
      #expect(trailers == (isAllowed ? nil : expected))
    }
  }

  @Test(arguments: UInt8.min...UInt8.max)
  func valuesHoldNoControls(byte: UInt8) {
    let coder = TestCoder()
    let isBlank = byte == 0x20 || byte == 0x09
    let isAllowed = byte >= 0x20 && byte != 0x7F || byte == 0x09
    // At each place of a value that is longer than the words in which it is read.
    for place in 0..<20 {
      var value = [UInt8](repeating: 0x61, count: 20)
      value[place] = byte
      let isRight = isAllowed && !(isBlank && (place == 0 || place == 19))
      for name in ["x", "cookie", "content-type", "host"] {
        let block = Block.literal(Block.get()) + Block.literal(Array(name.utf8), value)
        let fault = coder.request(block).fault
        let other: HeadFault? = name == "host" ? .otherHost : nil
        #expect(fault == (isRight ? other : .badValue), "\(name) at \(place)")
      }
      let block = Block.literal(Array("x".utf8), value)
      #expect(coder.trailers(block).fault == (isRight ? nil : .badValue))
      let response = Block.literal([(":status", "200")]) + block
      #expect(coder.response(response).fault == (isRight ? nil : .badValue))
    }
  }

  /// Whatever byte stands in a pseudo-field, the text is the one request line that it says.
  @Test(arguments: UInt8.min...UInt8.max)
  func pseudoFieldsAddNoLine(byte: UInt8) {
    let coder = TestCoder()
    for index in 0..<4 {
      for place in 0..<3 {
        let words = [Array("GET".utf8), Array("http".utf8), Array("/ab".utf8), Array("abc".utf8)]
        var block: [UInt8] = []
        for (number, name) in [":method", ":scheme", ":path", ":authority"].enumerated() {
          var value = words[number]
          if number == index { value[place] = byte }
          block += Block.literal(Array(name.utf8), value)
        }
        let read = coder.request(block)
        guard read.facts != nil else {
          #expect(read.text == "")
          continue
        }
        #expect(read.text.utf8.filter { $0 == 0x0A }.count == 3)
        #expect(read.text.utf8.filter { $0 == 0x0D }.count == 3)
        #expect(byte > 0x20 && byte < 0x7F)
        let (verdict, head) = Self.verdict(read.text)
        #expect(verdict != .incomplete && !head.isAbsoluteForm)
        #expect(verdict != .complete || head.end == read.text.utf8.count)
      }
    }
  }
}
