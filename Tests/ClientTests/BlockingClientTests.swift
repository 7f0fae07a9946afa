// The blocking client over real loopback sockets.
import Client
import HTTP
import IO
import Primitives
import Testing

@Suite struct BlockingClientTests {
  private static func request(
    _ server: LoopbackServer, _ path: String = "/x", timeout: Nanoseconds = .seconds(20)
  ) -> ClientRequest {
    ClientRequest(.get, path, at: server.address, timeout: timeout, contentBytesMax: 100)
  }

  private static func text(_ reply: ClientReply) -> String {
    guard case .answered(let status, _, _, let content) = reply.outcome else {
      return "\(reply.outcome)"
    }
    return "\(status) \(String(decoding: content, as: UTF8.self))"
  }

  private static let answers: [(Reply, String)] = [
    (.text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "200 ok"),
    (.text("HTTP/1.0 200 OK\r\n\r\nuntil the end", closes: true), "200 until the end"),
    (
      .pieces([
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nTransfer-",
        "Encoding: chunked\r\n\r\n3\r\nab",
        "c\r\n2\r\nde\r\n", "0\r\n\r\n",
      ]), "201 abcde"
    ),
    (.text("HTTP/1.1 204 No Content\r\n\r\n"), "204 "),
  ]

  @Test func theContentTypeIsKeptForWhoeverAsks() throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
    for keeps in [false, true] {
      let server = try LoopbackServer { _, _ in .text(answer + "Content-Length: 1\r\n\r\nx") }
      defer { server.stop() }
      var request = Self.request(server)
      request.keepsContentType = keeps
      let reply = BlockingClient.send(request, userAgent: "steelyard/1")
      guard case .answered(200, nil, let type, _) = reply.outcome else {
        Issue.record("\(reply.outcome)")
        continue
      }
      #expect(type == (keeps ? "text/plain; version=0.0.4" : nil))
    }
  }

  @Test(arguments: answers.indices) func anAnswerIsWholeHoweverItsEndIsTold(row: Int) throws {
    let (reply, text) = Self.answers[row]
    let server = try LoopbackServer { _, _ in reply }
    defer { server.stop() }
    let got = BlockingClient.send(Self.request(server), userAgent: "steelyard/1")
    #expect(Self.text(got) == text)
    #expect(got.path == "/x" && got.firstBytes.starts(with: Array("HTTP/1.".utf8)))
    #expect(server.requests.first?.contains("\r\nUser-Agent: steelyard/1\r\n") == true)
  }

  @Test func theEndOfTheTimeIsAFailureThatSaysHowFarItGot() throws {
    let server = try LoopbackServer { _, _ in
      .text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    }
    defer { server.stop() }
    let got = BlockingClient.send(
      Self.request(server, timeout: .milliseconds(200)), userAgent: "steelyard/1")
    #expect(got.outcome == .failed(ClientFailure(.timeout, "3 bytes of content within 0.2 s")))
    #expect(got.duration >= .milliseconds(200))
  }

  @Test func whoGivesUpIsNotHeldUntilTheEnd() throws {
    let server = try LoopbackServer { _, _ in .nothing }
    defer { server.stop() }
    let start = Clock.now
    let got = BlockingClient.send(
      Self.request(server, timeout: .seconds(600)), userAgent: "steelyard/1",
      isStopped: { !server.requests.isEmpty })
    guard case .failed(let failure) = got.outcome else {
      Issue.record("\(got.outcome)")
      return
    }
    #expect(failure.kind == .stopped)
    #expect(Clock.now - start < .seconds(60))
  }

  @Test func aRedirectIsFollowedOnceWhereThatIsWanted() throws {
    let server = try LoopbackServer { _, request in
      request.hasPrefix("GET /there ")
        ? .text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        : .text(
          "HTTP/1.1 302 Found\r\nLocation: \(request.hasPrefix("GET /loop ") ? "/loop" : "/there")\r\n"
            + "Content-Length: 0\r\n\r\n")
    }
    defer { server.stop() }
    var request = Self.request(server)
    let plain = BlockingClient.send(request, userAgent: "steelyard/1")
    #expect(
      plain.outcome == .answered(status: 302, location: "/there", contentType: nil, content: []))
    request.followsRedirect = true
    let followed = BlockingClient.send(request, userAgent: "steelyard/1")
    #expect(Self.text(followed) == "200 ok" && followed.path == "/there")
    request.path = "/loop"
    let looped = BlockingClient.send(request, userAgent: "steelyard/1")
    #expect(
      looped.outcome == .answered(status: 302, location: "/loop", contentType: nil, content: []))
    #expect(server.requests.count == 5)
  }

  @Test func failuresAreToldApart() throws {
    let server = try LoopbackServer { _, request in
      request.hasPrefix("GET /cut ") ? .close : .text("SSH-2.0-OpenSSH\r\n")
    }
    func kind(_ path: String) -> ClientFailure.Kind? {
      let got = BlockingClient.send(Self.request(server, path), userAgent: "steelyard/1")
      if case .failed(let failure) = got.outcome { return failure.kind }
      return nil
    }
    #expect(kind("/cut") == .cut)
    #expect(kind("/other") == .badHTTP)
    server.stop()
    #expect(kind("/x") == .refused)
  }
}
