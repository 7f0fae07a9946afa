// Heads as they come from clients and endpoints of inference servers, parsed.
import HTTP

enum HeadCases {
  static let shortRequest = "GET /v1/models HTTP/1.1\r\nHost: api.example.com\r\n\r\n"

  static let longRequest = """
    POST /v1/chat/completions HTTP/1.1\r
    Host: api.example.com\r
    User-Agent: OpenAI/Python 1.99.9\r
    Accept: application/json\r
    Accept-Encoding: gzip, deflate, br, zstd\r
    Accept-Language: en-GB,en;q=0.9,de;q=0.7\r
    Authorization: Bearer sk-proj-0123456789abcdef0123456789abcdef0123456789abcdef\r
    Content-Type: application/json\r
    Content-Length: 300\r
    X-Stainless-Lang: python\r
    X-Stainless-Runtime-Version: 3.12.4\r
    Cookie: session=5f0c8a1e9d3b47d2; theme=dark\r
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r
    \r

    """

  static let shortResponse = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n"

  static let longResponse = """
    HTTP/1.1 200 OK\r
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r
    Server: uvicorn\r
    Content-Type: application/json\r
    Content-Length: 1024\r
    Cache-Control: no-store\r
    Vary: Accept-Encoding, Origin\r
    ETag: "5f0c8a1e9d3b47d2"\r
    Strict-Transport-Security: max-age=31536000; includeSubDomains\r
    X-Content-Type-Options: nosniff\r
    Openai-Processing-Ms: 412\r
    Access-Control-Allow-Origin: *\r
    \r

    """

  static var all: [Case] {
    [
      request("request head parsed, short", shortRequest),
      request("request head parsed, twelve fields", longRequest),
      response("response head parsed, short", shortResponse),
      response("response head parsed, eleven fields", longResponse),
    ]
  }

  private static func request(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      var parser = HeadParser()
      Array(text.utf8).withUnsafeBytes { bytes in
        for _ in 0..<count {
          var head = RequestHead()
          guard parser.parse(bytes, into: &head) == .complete else { fatalError(name) }
          sink.take(head.end &+ parser.fieldCount)
        }
      }
    }
  }

  private static func response(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      var parser = HeadParser()
      Array(text.utf8).withUnsafeBytes { bytes in
        for _ in 0..<count {
          var head = ResponseHead()
          guard parser.parse(bytes, answering: .get, into: &head) == .complete else {
            fatalError(name)
          }
          sink.take(head.end &+ parser.fieldCount)
        }
      }
    }
  }
}
