import HTTP
import Testing

private func parse(_ text: String, answering method: Method = .get) -> (HeadVerdict, ResponseHead) {
  var parser = HeadParser()
  var head = ResponseHead()
  let verdict = Array(text.utf8).withUnsafeBytes {
    parser.parse($0, answering: method, into: &head)
  }
  return (verdict, head)
}

@Suite struct ResponseHeadTests {
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Method.get, Framing.length(3), true),
    ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .get, .none, true),
    ("HTTP/1.1 200 OK\r\n\r\n", .get, .untilClose, false),
    ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", .get, .length(3), false),
    (
      "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", .get, .length(3),
      true
    ),
    ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", .post, .chunked, true),
    ("HTTP/1.1 200 \r\nContent-Length: 9\r\n\r\n", .head, .none, true),
    ("HTTP/1.1 204 No Content\r\n\r\n", .get, .none, true),
    ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", .get, .none, true),
    ("HTTP/1.1 100 Continue\r\n\r\n", .post, .none, true),
    ("HTTP/1.1 404 Nö\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", .get, .length(1), false),
  ])
  func framesAfterStatusMethodAndFields(
    text: String, method: Method, framing: Framing, persists: Bool
  ) {
    let (verdict, head) = parse(text, answering: method)
    #expect(verdict == .complete)
    #expect(head.framing == framing)
    #expect(head.isPersistent == persists)
  }

  @Test(arguments: [
    ("HTTP/1.1 20 OK\r\n\r\n", HeadError.badStatusLine),
    ("HTTP/1.1 099 OK\r\n\r\n", .badStatusLine),
    ("HTTP/1.1  200 OK\r\n\r\n", .badStatusLine),
    ("HTTP/2.0 200 OK\r\n\r\n", .badStatusLine),
    ("ICY 200 OK\r\n\r\n", .badStatusLine),
    ("HTTP/1.1 2000 OK\r\n\r\n", .badStatusLine),
    ("HTTP/1.1 200 OK\n\n", .bareLF),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", .severalContentLengths),
    (
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      .lengthAndTransferEncoding
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unknownTransferCoding),
    ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .foldedLine),
  ])
  func rejectsWhatCannotBePassedOn(text: String, error: HeadError) {
    #expect(parse(text).0 == .rejected(error))
  }

  @Test(
    arguments: [
      ("", nil), ("timeout=5", 5), ("timeout=0", 0), ("TimeOut=5", 5), ("timeout=5, max=100", 5),
      ("max=100,timeout=5", 5), ("timeout=9, timeout=4", 4),
      ("timeout=4\r\nKeep-Alive: timeout=9", 4),
      ("timeout=99999999999999999999", 1_000_000), ("timeout=", nil), ("timeout=x", nil),
      ("timeout=5s", nil), ("timeout=-5", nil), ("timeout = 5", nil), ("timeouts=5", nil),
      ("5", nil),
    ] as [(String, Int?)])
  func readsForHowLongTheConnectionIsKept(value: String, seconds: Int?) {
    var parser = HeadParser()
    var head = ResponseHead()
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: \(value)\r\n\r\n"
    Array(text.utf8).withUnsafeBytes {
      #expect(parser.parse($0, answering: .get, into: &head) == .complete)
      #expect(parser.table(in: $0).keepAliveSeconds == seconds)
    }
  }

  @Test func isIncompleteAtEveryCut() {
    let bytes = Array("HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\n".utf8)
    for end in 0..<bytes.count {
      #expect(parse(String(decoding: bytes[..<end], as: UTF8.self)).0 == .incomplete)
    }
  }
}
