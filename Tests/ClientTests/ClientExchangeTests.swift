import Client
import HTTP
import Primitives
import Testing

@Suite struct ClientExchangeTests {
  private enum End: Equatable {
    case answered(Int, String, isReusable: Bool)
    case failed(ClientFailure.Kind, String)
    /// Neither the bytes nor their end completed it.
    case unfinished
  }

  /// What the program's exchanges differ in.
  private enum Kind: Sendable {
    case page, check, canary, hook
  }

  private static let address = SocketAddress(bytes: [10, 0, 0, 1], port: 8000)

  private static func request(_ kind: Kind = .page, max: Int = 20) -> ClientRequest {
    var request = ClientRequest(
      kind == .hook ? .post : .get, "/metrics", at: address, timeout: .seconds(1),
      contentBytesMax: kind == .hook ? 0 : max)
    switch kind {
    case .page:
      request.decodesGzip = true
      request.followsRedirect = true
    case .check: request.excess = .ignored
    case .canary:
      request.keepsConnection = false
      request.keptBytesMax = 128
    case .hook:
      request.excess = .ignored
      request.keepsConnection = false
    }
    return request
  }

  private struct Row: Sendable {
    var response: String
    /// The peer closes after it.
    var closes = false
    var kind = Kind.page
    var end: End
    var location: SourceLocation

    init(
      _ response: String, closes: Bool = false, kind: Kind = .page, _ end: End,
      _ location: SourceLocation = #_sourceLocation
    ) {
      (self.response, self.closes, self.kind) = (response, closes, kind)
      (self.end, self.location) = (end, location)
    }
  }

  private static let ok = "HTTP/1.1 200 OK\r\n"
  private static let tooLarge = "more than 20 bytes"
  private static let rows: [Row] = [
    Row(ok + "Content-Length: 3\r\n\r\nu 1", .answered(200, "u 1", isReusable: true)),
    Row(ok + "Content-Length: 0\r\n\r\n", .answered(200, "", isReusable: true)),
    Row("HTTP/1.1 204 \r\n\r\n", .answered(204, "", isReusable: true)),
    Row(
      ok + "Connection: close\r\nContent-Length: 1\r\n\r\nx",
      .answered(200, "x", isReusable: false)),
    Row(
      ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
      .answered(200, "abcde", isReusable: true)),
    Row("HTTP/1.0 200 OK\r\n\r\nu 1\n", closes: true, .answered(200, "u 1\n", isReusable: false)),
    Row(ok + "\r\n", closes: true, .answered(200, "", isReusable: false)),
    Row(
      "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx",
      .answered(200, "x", isReusable: true)),
    Row(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}",
      .answered(503, "{}", isReusable: true)),
    Row(
      ok + "Content-Length: 3\r\n\r\nu", closes: true,
      .failed(.cut, "closed after 1 bytes of content")),
    Row("HTTP/1.1 20", closes: true, .failed(.cut, "closed within the head")),
    Row("", closes: true, .failed(.cut, "closed without an answer")),
    Row(ok + "Content-Length: 3\r\n\r\nu", .unfinished),
    Row(ok + "Content-Length: 21\r\n\r\n", .failed(.tooLarge, tooLarge)),
    Row(
      ok + "\r\n" + String(repeating: "x", count: 21), .failed(.tooLarge, tooLarge)),
    Row(
      ok + "Transfer-Encoding: chunked\r\n\r\nf\r\n" + String(repeating: "x", count: 15)
        + "\r\n6\r\nxxxxxx\r\n0\r\n\r\n", .failed(.tooLarge, tooLarge)),
    Row(
      ok + "Content-Length: 21\r\n\r\n", kind: .check, .answered(200, "", isReusable: false)),
    Row(
      ok + "\r\n" + String(repeating: "x", count: 21), kind: .check,
      .answered(200, "", isReusable: false)),
    Row("SSH-2.0-OpenSSH\r\n", .failed(.badHTTP, "bad_status_line")),
    Row("\0\0\u{6}\u{4}\0\0\0\0\0", .failed(.badHTTP, "no HTTP/1, perhaps HTTP/2")),
    Row(
      ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", .failed(.badHTTP, "bad_chunk_size")),
    Row(
      "HTTP/1.1 101 Switching Protocols\r\n\r\n", .failed(.badHTTP, "101 without being asked")),
    // Of a canary's answer the beginning is kept, and it has to end.
    Row(
      ok + "Content-Length: 20\r\n\r\n12345678901234567890", kind: .canary,
      .answered(200, "12345678901234567890", isReusable: false)),
    Row(ok + "Content-Length: 21\r\n\r\n", kind: .canary, .failed(.tooLarge, "more than 20 bytes")),
    Row(
      ok + "\r\n" + String(repeating: "x", count: 21), kind: .canary,
      .failed(.tooLarge, "more than 20 bytes")),
    Row(
      ok + "Content-Length: 3\r\n\r\nu", closes: true, kind: .canary,
      .failed(.cut, "closed after 1 bytes of content")),
    Row(ok + "\r\nab", closes: true, kind: .canary, .answered(200, "ab", isReusable: false)),
    Row(
      String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 9),
      .failed(.badHTTP, "too many interim heads")),
    Row(
      ok + "X: " + String(repeating: "x", count: 20_000), .failed(.badHTTP, "head_too_large")),
    // The head of the answer to a hook is the whole of it.
    Row(ok + "Content-Length: 0\r\n\r\n", kind: .hook, .answered(200, "", isReusable: false)),
    Row(
      ok + "Transfer-Encoding: chunked\r\n\r\n", kind: .hook,
      .answered(200, "", isReusable: false)),
    Row(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n", kind: .hook,
      .answered(503, "", isReusable: false)),
    Row("HTTP/1.1 200", kind: .hook, .unfinished),
    Row("rubbish\r\n\r\n", kind: .hook, .failed(.badHTTP, "bad_status_line")),
  ]

  private static func run(_ row: Row, _ pieces: [ArraySlice<UInt8>]) -> End {
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request(row.kind), userAgent: "steelyard/1")
    var isOver = false
    for piece in pieces where !isOver {
      isOver = piece.withUnsafeBytes { exchange.receive($0, &parser) }
    }
    if !isOver {
      guard row.closes else { return .unfinished }
      exchange.end()
    }
    let isReusable = exchange.isReusable
    return exchange.withOutcome { outcome in
      switch outcome {
      case .answered(let answer):
        .answered(
          answer.status, String(decoding: answer.content, as: UTF8.self), isReusable: isReusable)
      case .failed(let failure): .failed(failure.kind, failure.detail)
      case .connected, .part: .unfinished
      }
    }
  }

  @Test(arguments: rows.indices) func theOutcomeIsTheSameAtEverySplitPoint(row: Int) {
    let row = Self.rows[row]
    let bytes = Array(row.response.utf8)
    #expect(Self.run(row, [bytes[...]]) == row.end, sourceLocation: row.location)
    let points =
      bytes.count > 1_000 ? Array(stride(from: 0, to: bytes.count, by: 997)) : Array(bytes.indices)
    for point in points {
      #expect(
        Self.run(row, [bytes[..<point], bytes[point...]]) == row.end, "at \(point)",
        sourceLocation: row.location)
    }
    guard bytes.count <= 1_000 else { return }
    let single = bytes.indices.map { bytes[$0...$0] }
    #expect(Self.run(row, single) == row.end, sourceLocation: row.location)
  }

  @Test func contentThatEndsWithTheConnectionIsCutWhereTLSDoesNotConfirmTheEnd() {
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(Self.request(), userAgent: "steelyard/1")
    _ = Array((Self.ok + "\r\nab").utf8).withUnsafeBytes { exchange.receive($0, &parser) }
    exchange.end(isCut: true)
    let failure = exchange.withOutcome { outcome -> ClientFailure? in
      if case .failed(let failure) = outcome { failure } else { nil }
    }
    #expect(failure?.kind == .cut)
  }

  @Test func bytesBehindTheAnswerMakeTheConnectionUseless() {
    let row = Row(
      Self.ok + "Content-Length: 1\r\n\r\nxHTTP", .answered(200, "x", isReusable: false))
    #expect(Self.run(row, [Array(row.response.utf8)[...]]) == row.end)
  }

  private static let paths: [(String, String)] = [
    ("/metrics", "/metrics"), ("/m?model=a&b=%20", "/m?model=a&b=%20"), ("health", "/health"),
    ("/a b\r\nX: y#ü", "/a%20b%0D%0AX:%20y%23%C3%BC"),
  ]

  private static func text(_ request: ClientRequest) -> String {
    var exchange = ClientExchange()
    exchange.begin(request, userAgent: "steelyard/1")
    return String(decoding: exchange.requestBytes, as: UTF8.self)
  }

  @Test(arguments: paths.indices) func theRequestIsOneCleanGet(row: Int) {
    let (path, target) = Self.paths[row]
    var request = Self.request()
    request.path = path
    #expect(
      Self.text(request) == """
        GET \(target) HTTP/1.1\r
        Host: 10.0.0.1:8000\r
        User-Agent: steelyard/1\r
        Accept: */*\r
        Accept-Encoding: identity\r
        \r\n
        """)
  }

  @Test func aRequestSaysItsMethodItsHostItsFieldsAndItsContent() {
    var request = Self.request(.hook)
    request.host = "model.example"
    request.content = Array("{\"a\": \"ü\"}".utf8)
    request.accept = "application/json"
    request.fields = [
      .init("Authorization", "Bearer a b"), .init("accept-encoding", "br"),
    ]
    #expect(
      Self.text(request) == """
        POST /metrics HTTP/1.1\r
        Host: model.example\r
        User-Agent: steelyard/1\r
        Accept: application/json\r
        Connection: close\r
        Content-Length: 11\r
        Authorization: Bearer a b\r
        accept-encoding: br\r
        \r
        {"a": "ü"}
        """)
  }

  @Test(arguments: Method.allCases.filter { $0 != .other })
  func contentGoesWithTheMethodsThatHaveSome(method: Method) {
    var request = Self.request()
    request.method = method
    request.content = [0x78]
    let text = Self.text(request)
    let hasContent = [.post, .put, .patch].contains(method)
    #expect(text.hasPrefix("\(method.label) /metrics HTTP/1.1\r\n"))
    #expect(text.contains("\r\nContent-Length: 1\r\n") == hasContent)
    #expect(text.hasSuffix("\r\n\r\nx") == hasContent)
  }

  @Test func aMereConnectionSendsNothing() {
    var request = Self.request()
    request.onlyConnects = true
    #expect(Self.text(request).isEmpty)
  }

  @Test func ofALongAnswerToACanaryNoMoreIsKeptThanIsTold() {
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(Self.request(.canary, max: 10_000), userAgent: "steelyard/1")
    let head = Array("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
    var isOver = head.withUnsafeBytes { exchange.receive($0, &parser) }
    for text in [String](
      repeating: "64\r\n" + String(repeating: "x", count: 100) + "\r\n", count: 90)
      + ["0\r\n\r\n"]
    {
      #expect(!isOver)
      isOver = Array(text.utf8).withUnsafeBytes { exchange.receive($0, &parser) }
    }
    #expect(isOver)
    exchange.withOutcome { outcome in
      guard case .answered(let answer) = outcome else {
        Issue.record("no answer")
        return
      }
      #expect(answer.status == 500 && answer.content.count == 128)
    }
  }

  @Test func theAnswerToHeadHasNoContent() {
    var request = Self.request(.check)
    request.method = .head
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request, userAgent: "steelyard/1")
    let bytes = Array("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n".utf8)
    #expect(bytes.withUnsafeBytes { exchange.receive($0, &parser) } == true)
    #expect(exchange.isReusable)
  }

  @Test func aSecondExchangeRemembersNothingOfTheFirst() {
    var exchange = ClientExchange()
    var parser = HeadParser()
    for content in ["first", "2nd"] {
      exchange.begin(Self.request(), userAgent: "steelyard/1")
      #expect(!exchange.hasReceived)
      let response = Array("\(Self.ok)Content-Length: \(content.utf8.count)\r\n\r\n\(content)".utf8)
      let isOver = response.withUnsafeBytes { exchange.receive($0, &parser) }
      #expect(isOver)
      let read = exchange.withOutcome { outcome in
        if case .answered(let answer) = outcome {
          String(decoding: answer.content, as: UTF8.self)
        } else {
          ""
        }
      }
      #expect(read == content)
    }
  }

  private static let redirects: [(String, String?)] = [
    ("/other?a=b", "/other?a=b"), ("http://10.0.0.1:8000/x", "/x"), ("HTTP://m.example/x", "/x"),
    ("http://m.example", "/"), ("http://m.example?a", "/?a"), ("http://10.0.0.1/x", nil),
    ("http://10.0.0.2:8000/x", nil), ("//m.example/x", nil), ("https://m.example/x", nil),
    ("x", nil),
  ]

  @Test(arguments: redirects.indices) func aRedirectIsFollowedToTheSameServerOnly(row: Int) {
    let (location, path) = Self.redirects[row]
    var request = Self.request()
    request.host = "m.example:80"
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request, userAgent: "steelyard/1")
    let bytes = Array("HTTP/1.1 302 No\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n".utf8)
    let isOver = bytes.withUnsafeBytes { exchange.receive($0, &parser) }
    #expect(isOver)
    #expect(exchange.redirectPath(of: request) == path)
    let told = exchange.withOutcome { outcome -> String? in
      if case .answered(let answer) = outcome { answer.location } else { nil }
    }
    #expect(told == location)
  }

  @Test func labelsTellFailuresApart() {
    let labels = Set(ClientFailure.Kind.allCases.map(\.label))
    #expect(labels.count == ClientFailure.Kind.allCases.count)
    #expect(labels.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
  }
}

@Suite struct ClientStreamTests {
  private static func receive(
    _ text: String, _ exchange: inout ClientExchange
  ) -> (isOver: Bool, part: String) {
    var parser = HeadParser()
    var part = ""
    let isOver = Array(text.utf8).withUnsafeBytes { exchange.receive($0, &parser) }
    exchange.withPart { part += String(decoding: $0, as: UTF8.self) }
    return (isOver, part)
  }

  private static func exchange() -> ClientExchange {
    var request = ClientRequest(
      .get, "/", at: .loopback(port: 1), timeout: .seconds(1), contentBytesMax: 5)
    (request.isStream, request.keptFields) = (true, ["x-index"])
    var exchange = ClientExchange()
    exchange.begin(request, userAgent: "t")
    return exchange
  }

  @Test func contentIsPassedOnAsItComesHoweverLongItIs() {
    var exchange = Self.exchange()
    let head = "HTTP/1.1 200 OK\r\nX-Index: 7\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd"
    #expect(Self.receive(head, &exchange) == (false, "abcd"))
    #expect(Self.receive("\r\n", &exchange) == (false, ""))
    #expect(Self.receive("8\r\nefghijkl\r\n", &exchange) == (false, "efghijkl"))
    #expect(Self.receive("0\r\n\r\n", &exchange) == (true, ""))
    exchange.withOutcome { outcome in
      guard case .answered(let answer) = outcome else {
        Issue.record("no answer")
        return
      }
      #expect(answer.keptFields == ["x-index": "7"] && answer.content.isEmpty)
    }
  }

  @Test func otherAnswersAreWholeAndBounded() {
    var exchange = Self.exchange()
    let head = "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nabcd"
    #expect(Self.receive(head, &exchange) == (true, ""))
    var long = Self.exchange()
    #expect(Self.receive("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n", &long) == (true, ""))
  }
}
