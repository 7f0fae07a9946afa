// What the audit log says of a request: known parameters only, cut to size.
import Testing

@testable import Admin

@Suite struct AuditLogTests {
  private func entry(_ path: String, _ query: String) throws -> AuditLog.Entry? {
    var request = AdminRequest(path: path)
    request.query = query
    request.client = "192.0.2.1:5"
    request.fields["authorization"] = "Bearer 0123456789abcdef"
    return AuditLog.entry(request, try AdminResource.find(path))
  }

  @Test func aChangeHasAnEntry() throws {
    let drain = try #require(
      try entry("/api/v1/pools/text/endpoints/10.0.0.1:80/drain", "for=1h&deadline=5m"))
    #expect(drain.action == "drain" && drain.pool == "text" && drain.endpoint == "10.0.0.1:80")
    #expect(drain.parameters == "deadline=5m for=1h")
    #expect(drain.client == "192.0.2.1:5")
    #expect(try entry("/api/v1/reload", "")?.action == "reload")
    #expect(try entry("/api/v1/upgrade", "")?.action == nil)
    #expect(try entry("/api/v1/pools", "") == nil)
    #expect(try entry("/metrics", "") == nil)
  }

  @Test func noTokenAndNoLongTextGetsIn() throws {
    let long = String(repeating: "é", count: 500)
    let set = try #require(
      try entry("/api/v1/pools/\(long)/set", "law=\(long)&access_token=0123456789abcdef"))
    #expect("\(set)".utf8.count < 400)
    #expect(!"\(set)".contains("0123456789abcdef"))
    #expect(try entry("/api/v1/pools/a/set", "law=%zz")?.parameters == "unreadable")
  }
}
