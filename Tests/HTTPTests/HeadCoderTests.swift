import HTTP
import Testing

/// From text to blocks and back, as heads are passed on from one connection to another.
@Suite struct HeadCoderTests {
  private static let request = """
    POST /v1/chat?a=b HTTP/1.1\r
    Host: api.example.com:8080\r
    User-Agent: curl/8\r
    Content-Length: 300\r
    Cookie: a=1; b=2\r
    X-Forwarded-For: 192.0.2.1, 192.0.2.2\r
    X-Real-IP: 192.0.2.2\r
    X-Forwarded-Proto: http\r
    X-Request-Id: 0123456789abcdef\r
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r
    Via: 1.1 steelyard\r
    \r

    """

  @Test func aRequestComesOutAsItWentIn() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let expected = """
      POST /v1/chat?a=b HTTP/1.1\r
      Host: api.example.com:8080\r
      user-agent: curl/8\r
      x-forwarded-for: 192.0.2.1, 192.0.2.2\r
      x-real-ip: 192.0.2.2\r
      x-forwarded-proto: http\r
      x-request-id: 0123456789abcdef\r
      traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r
      via: 1.1 steelyard\r
      cookie: a=1; b=2\r
      Content-Length: 300\r
      \r

      """
    for _ in 0..<3 {
      let block = sender.encodeRequest(Self.request)
      let read = receiver.request(block ?? [], isEnd: false)
      #expect(read.text == expected)
      #expect(read.facts?.framing == .length(300))
    }
  }

  @Test func aResponseComesOutAsItWentIn() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let text = """
      HTTP/1.1 200 Fine\r
      Content-Type: text/plain\r
      Set-Cookie: a=1\r
      Set-Cookie: b=2\r
      Transfer-Encoding: chunked\r
      X-Served-By: 192.0.2.9:8080\r
      Date: Sat, 21 Nov 2026 12:00:00 GMT\r
      Connection: close\r
      Via: 1.1 steelyard\r
      \r

      """
    let expected = """
      HTTP/1.1 200 OK\r
      content-type: text/plain\r
      set-cookie: a=1\r
      set-cookie: b=2\r
      x-served-by: 192.0.2.9:8080\r
      date: Sat, 21 Nov 2026 12:00:00 GMT\r
      via: 1.1 steelyard\r
      Transfer-Encoding: chunked\r
      \r

      """
    for _ in 0..<3 {
      let read = receiver.response(sender.encodeResponse(text) ?? [], isEnd: false)
      #expect(read.text == expected)
      #expect(read.facts?.status == 200)
      #expect(read.facts?.framing == .chunked)
    }
  }

  @Test func trailersComeOutAsTheyWentIn() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let lines = "Grpc-Status: 0\r\ngrpc-message:  a b \r\nX:\r\n"
    let read = receiver.trailers(sender.encodeTrailers(lines) ?? [])
    #expect(read.text == "grpc-status: 0\r\ngrpc-message: a b\r\nx: \r\n")
    #expect(read.facts?.grpcStatus == 0)
    #expect(sender.encodeTrailers("") == [])
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"),
    (
      "\r\nGET /x HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", "GET /x HTTP/1.1\r\nHost: a\r\na: b\r\n\r\n"
    ),
    (
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, upgrade\r\nKeep-Alive: 1\r\n"
        + "Upgrade: x\r\nTE: gzip\r\nProxy-Connection: close\r\nHTTP2-Settings: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
  ])
  func whatBelongsToAConnectionOfHTTP1StaysThere(text: String, expected: String) {
    let (sender, receiver) = (TestCoder(), TestCoder())
    #expect(receiver.request(sender.encodeRequest(text) ?? []).text == expected)
  }
}
