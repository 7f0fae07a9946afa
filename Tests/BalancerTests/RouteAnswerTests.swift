// Redirects and fixed answers, byte by byte, and the targets that a rewrite makes.
import Fleet
import HTTP
import Testing

@testable import Balancer

private func text(
  _ answer: RouteAnswer, host: String = "", target: String = "/", isHead: Bool = false
) -> String {
  let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
  defer { room.deallocate() }
  var writer = ByteWriter(room)
  Array("DATE".utf8).withUnsafeBytes { date in
    Array(host.utf8).withUnsafeBytes { host in
      Array(target.utf8).withUnsafeBytes { target in
        answer.write(
          to: &writer, date: date, host: host, target: target, isHead: isHead, closes: false)
      }
    }
  }
  return String(decoding: writer.written, as: UTF8.self)
}

@Suite struct RouteAnswerTests {
  @Test(arguments: [
    ("https://h.example{path}", "/a?b=c", "https://h.example/a?b=c"),
    ("https://h.example{path}", "?b", "https://h.example/?b"),
    ("https://h.example{path}", "", "https://h.example/"),
    ("https://h.example{path}", "//evil.example/", "https://h.example//evil.example/"),
    ("/new{path}#top", "/a", "/new/a#top"), ("/fixed", "/a?b", "/fixed"),
    ("https://{host}{path}", "/a?b", "https://[::1]/a?b"),
    ("https://{host}:8443/x", "/a?b", "https://[::1]:8443/x"),
    ("http://{host}", "/", "http://[::1]"),
  ])
  func aRedirectSaysWhere(_ location: String, _ target: String, _ expected: String) {
    #expect(
      text(RouteAnswer(Redirect(location: location)), host: "[::1]", target: target)
        == "HTTP/1.1 308 Permanent Redirect\r\nServer: steelyard\r\nDate: DATE\r\n"
        + "Content-Length: 0\r\nLocation: \(expected)\r\n\r\n")
  }

  @Test func aFixedAnswerIsWhatTheFileSays() {
    var fixed = FixedAnswer()
    fixed.body = "ok\n"
    let head =
      "HTTP/1.1 200 OK\r\nServer: steelyard\r\nDate: DATE\r\nContent-Type: text/plain\r\n"
      + "Content-Length: 3\r\n\r\n"
    #expect(text(RouteAnswer(fixed)) == head + "ok\n")
    #expect(text(RouteAnswer(fixed), isHead: true) == head)
  }

  @Test func anAnswerWithoutContentSaysNoLength() {
    var fixed = FixedAnswer()
    fixed.status = 204
    #expect(
      text(RouteAnswer(fixed))
        == "HTTP/1.1 204 No Content\r\nServer: steelyard\r\nDate: DATE\r\n\r\n")
    fixed.status = 299
    #expect(
      text(RouteAnswer(fixed))
        == "HTTP/1.1 299 \r\nServer: steelyard\r\nDate: DATE\r\nContent-Length: 0\r\n\r\n")
  }

  @Test(arguments: [
    ("/api/text/x?y=/api/text/", 10, "/", "/x?y=/api/text/"), ("/api/text/", 10, "/", "/"),
    ("/api/text/?q", 10, "/new/", "/new/?q"), ("/a", 2, "/b/c", "/b/c"),
    ("/api/text/../../admin", 10, "/", "/../../admin"), ("/api/text/%2e%2e", 10, "/", "/%2e%2e"),
    ("http://h.example", 1, "/v1/", "/v1/"), ("http://h.example?q", 1, "/v1/", "/v1/?q"),
    ("/as/it/is?q", 1, "", "/as/it/is?q"), ("http://h.example?q", 1, "", "/?q"),
  ])
  func aRewriteReplacesWhatMatched(
    _ target: String, _ count: Int, _ rewrite: String, _ expected: String
  ) {
    var parser = HeadParser()
    var head = RequestHead()
    let bytes = Array("GET \(target) HTTP/1.1\r\nHost: h.example\r\nA: b\r\n\r\n".utf8)
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 8)
    defer { room.deallocate() }
    var writer = ByteWriter(room)
    bytes.withUnsafeBytes { bytes in
      #expect(parser.parse(bytes, into: &head) == .complete)
      Array("10.0.0.9".utf8).withUnsafeBytes { client in
        ForwardedRequest(
          head: head, fields: parser.table(in: bytes), noted: NotedFields(parser.table(in: bytes)),
          client: ForwardedClient(
            address: client, peer: client, isPeerTrusted: false,
            requestID: UnsafeRawBufferPointer(start: nil, count: 0), trace: .dropped),
          host: Array("pool.example".utf8), rewrite: Array(rewrite.utf8), matchedCount: count
        ).write(to: &writer)
      }
    }
    #expect(
      String(decoding: writer.written, as: UTF8.self)
        == "GET \(expected) HTTP/1.1\r\nHost: pool.example\r\nA: b\r\n"
        + "X-Forwarded-For: 10.0.0.9\r\nX-Real-IP: 10.0.0.9\r\nX-Forwarded-Proto: http\r\n"
        + "X-Forwarded-Host: h.example\r\nVia: 1.1 steelyard\r\n\r\n")
  }
}
