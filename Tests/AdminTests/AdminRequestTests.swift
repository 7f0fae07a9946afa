// A request as the admin server reads it from bytes.
import HTTP
import Testing

@testable import Admin

@Suite struct AdminRequestTests {
  private func read(_ text: String) throws -> AdminRequest {
    var parser = HeadParser()
    var head = RequestHead()
    return try Array(text.utf8).withUnsafeBytes { bytes in
      try #require(parser.parse(bytes, into: &head) == .complete)
      return AdminRequest(bytes, head, parser)
    }
  }

  /// RFC 9112 §2.2: an empty line before a request is passed over, and changes nothing.
  @Test(arguments: ["", "\r\n"])
  func knowsItsTargetAndFields(_ before: String) throws {
    let request = try read(
      before + "POST /a%20b?x=1 HTTP/1.1\r\nHost: evil.example\r\nORIGIN: http://a\r\nX: y\r\n"
        + "Accept: a\r\naccept: b\r\nContent-Length: 3\r\n\r\nabc")
    #expect(request.method == .post && request.path == "/a%20b" && request.query == "x=1")
    #expect(
      request.fields == ["host": "evil.example", "origin": "http://a", "accept": "a, b"])
    #expect(request.hasContent)
    #expect(throws: Problem.self) { try AdminAccess().check(request, needs: .read) }
  }

  @Test func withoutAPathItIsTheRoot() throws {
    let request = try read("GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(request.path == "/" && request.query == "x" && !request.hasContent)
  }
}
