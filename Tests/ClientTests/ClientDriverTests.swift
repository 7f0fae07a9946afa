// Many lanes on one loop, over real loopback sockets.
import Client
import HTTP
import IO
import Primitives
import Testing

/// A loop with a driver, and what came of its exchanges.
private struct Rig: ~Copyable {
  var io: IOLoop
  var driver = ClientDriver(tag: 7, userAgent: "steelyard/1")
  var ends: [(ticket: ClientTicket, text: String)] = []
  /// What completions say of their lane.
  var isWanted = true

  init() throws { io = try IOLoop(connectionsMax: 16, waker: Waker()) }

  mutating func start(_ request: ClientRequest, lane: UInt64, serial: UInt64 = 0) {
    var ends: [(ClientTicket, String)] = []
    let isWanted = isWanted
    driver.start(request, ClientTicket(lane: lane, serial: serial), &io) {
      ends.append(($0, Self.text($1)))
      return isWanted
    }
    self.ends += ends
  }

  /// Turns until there are so many ends, or ten seconds have passed.
  mutating func run(until count: Int) -> Bool {
    let limit = Clock.now + .seconds(10)
    while ends.count < count {
      io.wait(until: limit)
      guard io.now < limit else { return false }
      while case let event = io.next(), event.kind != .none {
        var ends: [(ClientTicket, String)] = []
        let isWanted = isWanted
        driver.handle(event, &io) {
          ends.append(($0, Self.text($1)))
          return isWanted
        }
        self.ends += ends
      }
    }
    return true
  }

  private static func text(_ outcome: ClientOutcome) -> String {
    switch outcome {
    case .answered(let answer): String(decoding: answer.content, as: UTF8.self)
    case .failed(let failure): failure.kind.label
    case .part(let bytes): "part \(String(decoding: bytes, as: UTF8.self))"
    case .connected: "connected"
    }
  }
}

@Suite struct ClientDriverTests {
  private static func request(
    _ server: LoopbackServer, _ path: String = "/", timeout: Nanoseconds = .seconds(20)
  ) -> ClientRequest {
    ClientRequest(.get, path, at: server.address, timeout: timeout, contentBytesMax: 100)
  }

  private static func ok(_ text: String) -> Reply {
    .text("HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
  }

  @Test func aConnectionOfHTTP1IsNotUsedForHTTP2() throws {
    let server = try LoopbackServer { connection, _ in Self.ok("\(connection)") }
    defer { server.stop() }
    var rig = try Rig()
    rig.start(Self.request(server), lane: 1)
    let isKept = rig.run(until: 1)
    #expect(isKept && rig.driver.connectionCount == 1)
    var request = Self.request(server)
    request.version = .http2
    rig.start(request, lane: 1, serial: 1)
    let isOver = rig.run(until: 2)
    #expect(isOver && rig.ends[1].text == "bad_http")
    #expect(server.connectionCount == 2 && rig.driver.connectionCount == 0)
    // A request that cannot be sent ends before a connection is opened.
    request.method = .post
    request.content = [UInt8](repeating: 0, count: 65_536)
    rig.start(request, lane: 1, serial: 2)
    #expect(rig.ends.map(\.text) == ["1", "bad_http", "local"])
    #expect(server.connectionCount == 2)
  }

  @Test func aLaneKeepsItsConnectionAndLanesDoNotWaitForEachOther() throws {
    let server = try LoopbackServer { connection, request in
      request.hasPrefix("GET /hang ") ? .nothing : Self.ok("\(connection)")
    }
    defer { server.stop() }
    var rig = try Rig()
    rig.start(Self.request(server, "/hang"), lane: 1)
    for serial in UInt64(1)...3 {
      rig.start(Self.request(server), lane: 2, serial: serial)
      let isDone = rig.run(until: Int(serial))
      #expect(isDone)
    }
    #expect(rig.ends.map(\.ticket.serial) == [1, 2, 3])
    #expect(Set(rig.ends.map(\.text)).count == 1)
    #expect(server.connectionCount == 2)
    #expect(rig.driver.activeCount == 1 && rig.driver.connectionCount == 2)
    rig.driver.closeIdle(&rig.io)
    #expect(rig.driver.activeCount == 1 && rig.driver.connectionCount == 1)
  }

  @Test func aLaneOfNoMoreUseLosesItsConnection() throws {
    let server = try LoopbackServer { _, _ in Self.ok("x") }
    defer { server.stop() }
    var rig = try Rig()
    rig.isWanted = false
    rig.start(Self.request(server), lane: 1)
    let isDone = rig.run(until: 1)
    #expect(isDone)
    #expect(rig.driver.connectionCount == 0)
  }

  @Test func whatIsNotToBeKeptIsClosed() throws {
    let server = try LoopbackServer { _, _ in Self.ok("x") }
    defer { server.stop() }
    var rig = try Rig()
    var request = Self.request(server)
    request.keepsConnection = false
    rig.start(request, lane: 1)
    let isDone = rig.run(until: 1)
    #expect(isDone)
    #expect(rig.driver.connectionCount == 0)
  }

  @Test(arguments: [true, false])
  func aKeptConnectionThatEndedIsTriedOnceMoreWhereThatIsWanted(isSentAgain: Bool) throws {
    // The second request of each connection meets its end.
    let server = try LoopbackServer { connection, request in
      request.hasPrefix("GET /second ") && connection == 1 ? .close : Self.ok("\(connection)")
    }
    defer { server.stop() }
    var rig = try Rig()
    var request = Self.request(server)
    request.isSentAgain = isSentAgain
    rig.start(request, lane: 1)
    let isFirstDone = rig.run(until: 1)
    #expect(isFirstDone)
    request.path = "/second"
    rig.start(request, lane: 1)
    let isSecondDone = rig.run(until: 2)
    #expect(isSecondDone)
    #expect(rig.ends.map(\.text) == (isSentAgain ? ["1", "2"] : ["1", "cut"]))
  }

  @Test func anotherRequestOnTheLaneGivesUpTheOneBefore() throws {
    let server = try LoopbackServer { _, request in
      request.hasPrefix("GET /hang ") ? .nothing : Self.ok("x")
    }
    defer { server.stop() }
    var rig = try Rig()
    rig.start(Self.request(server, "/hang"), lane: 1, serial: 1)
    rig.start(Self.request(server), lane: 1, serial: 2)
    let isDone = rig.run(until: 1)
    #expect(isDone)
    #expect(rig.ends.map(\.ticket.serial) == [2])
    #expect(rig.driver.activeCount == 0 && rig.driver.connectionCount == 1)
  }

  @Test func aConnectionBeginsWithItsPrefaceOnce() throws {
    let server = try LoopbackServer { _, request in
      request.hasSuffix("\r\n\r\n") ? Self.ok("x") : .nothing
    }
    defer { server.stop() }
    var rig = try Rig()
    var request = Self.request(server)
    request.preface = Array("PROXY UNKNOWN\r\n".utf8)
    for count in 1...2 {
      rig.start(request, lane: 1)
      let isDone = rig.run(until: count)
      #expect(isDone)
    }
    let text = server.requests.joined()
    #expect(text.hasPrefix("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n"))
    #expect(text.split(separator: "PROXY").count == 1)
    #expect(text.split(separator: "GET / ").count == 3)
  }

  @Test func aMereConnectionIsMadeAndNothingSent() throws {
    let server = try LoopbackServer { _, _ in .nothing }
    defer { server.stop() }
    var rig = try Rig()
    var request = Self.request(server)
    request.onlyConnects = true
    rig.start(request, lane: 1)
    let isDone = rig.run(until: 1)
    #expect(isDone)
    #expect(rig.ends.map(\.text) == ["connected"])
    #expect(rig.driver.connectionCount == 0 && server.requests.isEmpty)
  }

  @Test func aDeadlineHoldsOverRedirects() throws {
    let server = try LoopbackServer { _, request in
      request.hasPrefix("GET /hang ")
        ? .nothing
        : .text("HTTP/1.1 302 Found\r\nLocation: /hang\r\nContent-Length: 0\r\n\r\n")
    }
    defer { server.stop() }
    var rig = try Rig()
    var request = Self.request(server, timeout: .milliseconds(150))
    request.followsRedirect = true
    rig.start(request, lane: 1)
    let isDone = rig.run(until: 1)
    #expect(isDone)
    #expect(rig.ends.map(\.text) == ["timeout"])
    #expect(rig.driver.path(1) == "/hang" && rig.driver.connectionCount == 0)
  }
}
