import HTTP
import Testing

private func parse(_ text: String, limit: Int = HeadParser.byteCountMax, fields: Int = 100)
  -> (HeadVerdict, RequestHead)
{
  var parser = HeadParser(headBytesMax: limit, fieldsMax: fields)
  var head = RequestHead()
  let verdict = Array(text.utf8).withUnsafeBytes { parser.parse($0, into: &head) }
  return (verdict, head)
}

private struct Rejected: Sendable {
  let text: String
  let error: HeadError
  init(_ text: String, _ error: HeadError) {
    self.text = text
    self.error = error
  }
}

@Suite struct RequestHeadTests {
  /// A name beyond the bits of `HeadParser`'s set would never be found, without a word.
  @Test func eachFieldNameHasABitOfItsOwn() {
    #expect(FieldName.allCases.allSatisfy { $0.rawValue < HeadParser.fieldNamesMax })
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing.none),
    ("GET /a?b=c%20d HTTP/1.1\r\nhost:a:80\r\nX: \t v \t\r\n\r\n", .none),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .none),
    ("GET / HTTP/1.0\r\n\r\n", .none),
    ("GET http://example.com:81/x HTTP/1.1\r\nHost: other\r\n\r\n", .none),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .none),
    ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", .length(5)),
    ("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", .none),
    ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", .chunked),
    ("BREW /x HTTP/1.1\r\nHost: [::1]:80\r\nEmpty:\r\n\r\n", .none),
    ("GET /x HTTP/1.9\r\nHost:\r\nX: \u{e9}\r\n\r\n", .none),
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: , close,,x-hop ,\r\n\r\n", .none),
  ])
  func acceptsWhatTheRFCAllows(text: String, framing: Framing) {
    let (verdict, head) = parse(text)
    #expect(verdict == .complete)
    #expect(head.framing == framing)
    #expect(head.end == text.utf8.count)
  }

  private static let rejected: [Rejected] = [
    .init("G(T / HTTP/1.1\r\n", .badMethod),
    .init(" GET / HTTP/1.1\r\n", .badMethod),
    .init(String(repeating: "A", count: 40), .badMethod),
    .init("GET  / HTTP/1.1\r\n", .badTarget),
    .init("GET /\u{7f} HTTP/1.1\r\n", .badTarget),
    .init("GET /#frag HTTP/1.1\r\n", .badTarget),
    .init("GET foo HTTP/1.1\r\n", .badTarget),
    .init("GET ftp://a/ HTTP/1.1\r\n", .badTarget),
    .init("GET http://u@a/ HTTP/1.1\r\n", .badTarget),
    .init("GET http:/// HTTP/1.1\r\n", .badTarget),
    .init("GET * HTTP/1.1\r\n", .badTarget),
    .init("GET /\r\n", .badTarget),
    .init("GET / HTTP/1.1 \r\n", .badVersion),
    .init("GET / http/1.1\r\n", .badVersion),
    .init("GET / HTTP/11\r\n", .badVersion),
    .init("GET / HTTP/1.1\n", .bareLF),
    .init("GET / HTTP/2.0\r\n", .unsupportedVersion),
    .init("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .unsupportedVersion),
    .init("GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\n", .targetTooLong),
    .init("CONNECT a:1 HTTP/1.1\r\n", .methodRefused),
    .init("TRACE / HTTP/1.1\r\n", .methodRefused),
    .init("GET / HTTP/1.1\r\nHost: a\n\r\n", .bareLF),
    .init("GET / HTTP/1.1\r\nHost: a\r\rX: y\r\n\r\n", .badLineEnd),
    .init("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", .badLineEnd),
    .init("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", .badLineEnd),
    .init("GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", .foldedLine),
    .init("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", .foldedLine),
    .init("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .badFieldName),
    .init("GET / HTTP/1.1\r\n: a\r\n\r\n", .badFieldName),
    .init("GET / HTTP/1.1\r\nHost\r\n\r\n", .badFieldName),
    .init("GET / HTTP/1.1\r\nX\u{e9}: a\r\n\r\n", .badFieldName),
    .init("GET / HTTP/1.1\r\nHost: a\u{0}b\r\n\r\n", .badFieldValue),
    .init("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1b}[0m\r\n\r\n", .badFieldValue),
    .init("GET / HTTP/1.1\r\n\r\n", .missingHost),
    .init("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", .severalHosts),
    .init("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", .badHost),
    .init("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .badHost),
    .init("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", .badHost),
    .init("P / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", .badContentLength),
    .init("P / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", .badContentLength),
    .init("P / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", .badContentLength),
    .init("P / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", .badContentLength),
    .init(
      "P / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", .badContentLength),
    .init(
      "P / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
      .severalContentLengths),
    .init(
      "P / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      .lengthAndTransferEncoding),
    .init(
      "P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", .badTransferEncoding
    ),
    .init("P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", .badFieldValue),
    .init("P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", .badTransferEncoding),
    .init(
      "P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      .severalTransferEncodings),
    .init("P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", .unknownTransferCoding),
    .init("P / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", .unknownTransferCoding),
    .init("P / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", .transferCodingBefore11),
    .init("P / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", .badConnectionOption),
    .init("P / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\n\r\n", .badConnectionOption),
    .init("P / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", .badConnectionOption),
    .init("P / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", .unknownExpectation),
  ]

  @Test(arguments: rejected.indices)
  func rejectsWhatCouldBeReadInTwoWays(row: Int) {
    let row = Self.rejected[row]
    #expect(parse(row.text).0 == .rejected(row.error), "\(row.text.debugDescription)")
  }

  @Test(arguments: rejected.indices)
  func rejectsTheSameHoweverItArrives(row: Int) {
    let row = Self.rejected[row]
    let bytes = Array(row.text.utf8)
    var verdicts: [HeadVerdict] = []
    for end in 1...min(bytes.count, 400) {
      let text = String(decoding: bytes[..<end], as: UTF8.self)
      let verdict = parse(text).0
      #expect(verdict != .complete, "\(text.debugDescription)")
      if verdict != .incomplete { verdicts.append(verdict) }
    }
    // A cut inside a character or a word may be wrong in its own way, but never right.
    if bytes.count <= 400 { #expect(verdicts.last == .rejected(row.error)) }
  }

  @Test func isIncompleteAtEveryCut() {
    let text =
      "POST /v1/x?y=z HTTP/1.1\r\nHost: a.example:8\r\nContent-Length: 12\r\nX-Y: z\r\n\r\n"
    let bytes = Array(text.utf8)
    for end in 0..<bytes.count {
      let verdict = parse(String(decoding: bytes[..<end], as: UTF8.self)).0
      #expect(verdict == .incomplete, "cut at \(end)")
    }
    #expect(parse(text).0 == .complete)
  }

  @Test func limitsBytesAndFields() {
    let field = "X: \(String(repeating: "v", count: 200))\r\n"
    let long = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: field, count: 90) + "\r\n"
    #expect(parse(long).0 == .rejected(.headTooLarge))
    let many = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 100) + "\r\n"
    #expect(parse(many).0 == .rejected(.tooManyFields))
    #expect(parse("GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", fields: 2).0 == .complete)
  }

  @Test func keepsAliveByVersionAndOption() {
    func persists(_ line: String, _ connection: String?) -> Bool {
      let field = connection.map { "Connection: \($0)\r\n" } ?? ""
      return parse("GET / \(line)\r\nHost: a\r\n\(field)\r\n").1.isPersistent
    }
    #expect(persists("HTTP/1.1", nil))
    #expect(!persists("HTTP/1.1", "close"))
    #expect(!persists("HTTP/1.1", "keep-alive, Close"))
    #expect(!persists("HTTP/1.0", nil))
    #expect(persists("HTTP/1.0", "Keep-Alive"))
  }

  @Test func takesTheAuthorityOfTheAbsoluteForm() {
    let text = "GET http://example.com:81?q HTTP/1.1\r\nHost: other\r\n\r\n"
    let (_, head) = parse(text)
    let bytes = Array(text.utf8)
    #expect(
      String(decoding: bytes[head.authorityStart..<head.authorityEnd], as: UTF8.self)
        == "example.com:81")
    #expect(String(decoding: bytes[head.targetStart..<head.targetEnd], as: UTF8.self) == "?q")
    #expect(head.pathEnd == head.targetStart)
  }

  @Test func findsControlBytesAtEveryPlaceOfAWord() {
    for control in [UInt8(0), 1, 10, 13, 31, 127] {
      for place in 0..<24 {
        var value = [UInt8](repeating: 0x76, count: 24)
        value[place] = control
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + value + Array("\r\n\r\n".utf8)
        var parser = HeadParser()
        var head = RequestHead()
        let verdict = bytes.withUnsafeBytes { parser.parse($0, into: &head) }
        #expect(verdict != .complete && verdict != .incomplete, "byte \(control) at \(place)")
      }
    }
  }
}
