// Who may do what at the admin address: every combination of listener, tokens and credentials.
import Primitives
import Testing

@testable import Admin

private let read = "read-token-0123456789"
private let write = "write-token-0123456789"

@Suite struct AdminAccessTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var tokens: String
    var isLoopback = true
    var sent: String?
    var origin = false
    var host: String? = "localhost:9900"
    /// The status of a read and of a change; 200: let in.
    var reads: Int
    var changes: Int
    var location: SourceLocation = #_sourceLocation
    var testDescription: String {
      "\(tokens) \(isLoopback) \(sent ?? "-") \(origin) \(host ?? "-")"
    }
  }

  static let rows: [Row] = [
    Row(tokens: "", reads: 200, changes: 200),
    Row(tokens: "", sent: "Bearer \(write)", reads: 200, changes: 200),
    Row(tokens: "", sent: "Basic x", reads: 200, changes: 200),
    Row(tokens: "", origin: true, reads: 200, changes: 403),
    Row(tokens: "", host: "evil.example", reads: 421, changes: 421),
    Row(tokens: "", host: nil, reads: 200, changes: 200),
    Row(tokens: "", isLoopback: false, host: "lb.example", reads: 200, changes: 403),
    Row(tokens: "w", reads: 200, changes: 401),
    Row(tokens: "w", sent: "Bearer \(write)", reads: 200, changes: 200),
    Row(tokens: "w", sent: "Bearer \(write)", origin: true, reads: 200, changes: 200),
    Row(tokens: "w", sent: "Bearer \(write)", host: "lb.example", reads: 200, changes: 200),
    Row(tokens: "w", host: "lb.example", reads: 421, changes: 401),
    Row(tokens: "w", sent: "Bearer \(read)", reads: 401, changes: 401),
    Row(tokens: "w", sent: "Basic x", reads: 401, changes: 401),
    Row(tokens: "w", isLoopback: false, sent: "Bearer \(write)", reads: 200, changes: 200),
    Row(tokens: "r", reads: 401, changes: 403),
    Row(tokens: "r", sent: "Bearer \(read)", reads: 200, changes: 403),
    Row(tokens: "r", sent: "Bearer \(read)x", reads: 401, changes: 401),
    Row(tokens: "rw", reads: 401, changes: 401),
    Row(tokens: "rw", sent: "Bearer \(read)", reads: 200, changes: 403),
    Row(tokens: "rw", sent: "Bearer \(write)", reads: 200, changes: 200),
    Row(tokens: "rw", sent: "bearer \(write)", host: "lb.example", reads: 200, changes: 200),
    Row(tokens: "rw", isLoopback: false, sent: "Bearer \(read)", reads: 200, changes: 403),
    Row(tokens: "rw", sent: "Bearer \(read) \(write)", reads: 401, changes: 401),
  ]

  @Test(arguments: rows)
  func aRequestIsLetIn(_ row: Row) {
    var access = AdminAccess(isLoopback: row.isLoopback)
    if row.tokens.contains("r") { access.readToken = Secret(read.utf8) }
    if row.tokens.contains("w") { access.writeToken = Secret(write.utf8) }
    var request = AdminRequest(path: "/")
    request.fields["authorization"] = row.sent
    request.fields["host"] = row.host
    if row.origin { request.fields["origin"] = "http://evil.example" }
    #expect(status(access, request, .read) == row.reads, sourceLocation: row.location)
    #expect(status(access, request, .write) == row.changes, sourceLocation: row.location)
    #expect(status(access, request, .nothing) == 200, sourceLocation: row.location)
  }

  private func status(
    _ access: AdminAccess, _ request: AdminRequest, _ need: AdminResource.Need
  ) -> Int {
    do throws(Problem) {
      _ = try access.check(request, needs: need)
      return 200
    } catch {
      // Whoever lacks a token is told how to send one (RFC 6750 §3), and never told a token.
      if error.status == 401 {
        #expect(error.fields["WWW-Authenticate"]?.hasPrefix(#"Bearer realm="steelyard""#) == true)
      }
      #expect(!"\(error)".contains("0123456789"))
      return error.status
    }
  }

  @Test func theScopeIsWhatWasShown() throws {
    var access = AdminAccess(isLoopback: true)
    var request = AdminRequest(path: "/")
    request.fields["authorization"] = "Bearer \(write)"
    #expect(try access.check(request, needs: .write) == .open)
    access.writeToken = Secret(write.utf8)
    #expect(try access.check(request, needs: .write) == .write)
    #expect(try access.check(request, needs: .nothing) == .open)
    request.fields["authorization"] = "Bearer \(read)"
    access.readToken = Secret(read.utf8)
    #expect(try access.check(request, needs: .read) == .read)
  }

  @Test func whatIsWrittenInTheStatus() {
    #expect(AdminAccess(isLoopback: true).writing == .open)
    #expect(AdminAccess(isLoopback: false).writing == .none)
    #expect(AdminAccess(readToken: Secret(read.utf8), isLoopback: true).writing == .none)
    #expect(AdminAccess(writeToken: Secret(write.utf8), isLoopback: false).writing == .token)
  }
}
