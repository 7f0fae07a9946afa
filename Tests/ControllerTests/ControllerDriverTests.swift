// The driver over real loopback sockets: a server of a few lines on the same loop.
import Controller
import Fleet
import IO
import Primitives
import Testing

/// A loop with the driver and a server whose answers the test chooses.
private struct Rig: ~Copyable {
  static let driverTag: UInt32 = 1
  static let serverTag: UInt32 = 2

  var io: IOLoop
  var driver: ControllerDriver
  var controller: Controller
  let address: SocketAddress
  var acceptedCount = 0
  var requestTexts: [String] = []
  private var open: Set<ConnectionID> = []

  init(
    law: Law = .headroom, isListening: Bool = true, health: HealthPolicy? = nil,
    canary: CanaryPolicy? = nil, tls: ClientTLS? = nil, interval: Nanoseconds = .milliseconds(100),
    timeout: Nanoseconds? = nil
  ) throws {
    var io = try IOLoop(connectionsMax: 64, waker: Waker())
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    // Taken and not given to the loop, it is closed: nobody listens on that port any more.
    if let socket = group.take(0), isListening { try io.listen(socket, tag: Self.serverTag) }
    var source = try ScrapeSource.json
    source.tls = tls
    var fleet = makeFleet(
      bases: [1], law: law, scrapes: [source], health: health, interval: interval)
    fleet.pools[0].endpoints[0].address = group.address
    fleet.pools[0].weights.timeout = timeout
    fleet.pools[0].canary = canary
    self.io = io
    address = group.address
    driver = ControllerDriver(tag: Self.driverTag, userAgent: "steelyard/1")
    controller = Controller(
      fleet: fleet, evidence: EvidenceBoard(workerCount: 1, endpointLimit: 64),
      pickBoard: PickBoard(endpointLimit: 64), random: RandomSource(seed: 1), now: Clock.now)
  }

  /// Turns until `isDone` or ten seconds have passed. `answer` gets the number of the connection
  /// and the request; nil says nothing, an empty text closes.
  mutating func run(
    answer: (_ connection: Int, _ request: String) -> String?, until isDone: (borrowing Rig) -> Bool
  ) -> Bool {
    let end = Clock.now + .seconds(10)
    while !isDone(self) {
      driver.start(&controller, &io, wall: Clock.wall)
      io.wait(until: min(controller.nextDue, end))
      guard io.now < end else { return false }
      while case let event = io.next(), event.kind != .none {
        if event.tag == Self.driverTag {
          driver.handle(event, &io, &controller, wall: Clock.wall)
        } else {
          serve(event, answer)
        }
      }
    }
    return true
  }

  private mutating func serve(_ event: IOEvent, _ answer: (Int, String) -> String?) {
    switch event.kind {
    case .accepted:
      acceptedCount += 1
      open.insert(event.id)
    case .received:
      let text = String(decoding: io.received, as: UTF8.self)
      requestTexts.append(text)
      guard let response = answer(acceptedCount, text) else { return }
      if response.isEmpty { return close(event.id) }
      let bytes = Array(response.utf8)
      _ = bytes.withUnsafeBytes { io.send(event.id, $0) }
      if response.contains("HTTP/1.0") || response.contains("Connection: drop") { close(event.id) }
    case .eof, .failed, .hangup: close(event.id)
    default: break
    }
  }

  private mutating func close(_ id: ConnectionID) {
    if open.remove(id) != nil { io.close(id) }
  }

  /// The server closes all its connections.
  mutating func hangUp() {
    for id in open { close(id) }
  }

  var scrape: ScrapeState? { controller.endpoints[0]?.scrapes[0] }
}

private func page(_ cpu: Int, _ field: String = "") -> String {
  let body = "{\"cpu_usage\": \(cpu)}"
  return "HTTP/1.1 200 OK\r\n\(field)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}

private func successes(_ rig: borrowing Rig) -> UInt64 {
  rig.controller.endpoints[0]?.scrapes[0].statistics.successes ?? 0
}

private func failed(_ kind: PollFailure.Kind) -> (borrowing Rig) -> Bool {
  { ($0.controller.endpoints[0]?.scrapes[0].statistics.failures(kind) ?? 0) >= 2 }
}

@Suite struct ControllerDriverTests {
  @Test func scrapesShareOneConnectionWhereTheServerKeepsIt() throws {
    var rig = try Rig()
    let isDone = rig.run(answer: { _, _ in page(50) }, until: { successes($0) >= 4 })
    #expect(isDone)
    #expect(rig.acceptedCount == 1)
    #expect(rig.scrape?.signals[0].value == 0.5)
    #expect(rig.requestTexts.first?.hasPrefix("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:") == true)
    #expect(rig.scrape?.statistics.lastSuccessWall != nil)
    rig.driver.closeIdle(&rig.io)
    #expect(rig.driver.connectionCount == 0)
  }

  @Test func aPageWithTLSIsNeverAskedInTheClear() throws {
    // No certificates are loaded.
    var rig = try Rig(tls: ClientTLS())
    let isDone = rig.run(answer: { _, _ in page(50) }, until: failed(.local))
    #expect(isDone)
    #expect(rig.acceptedCount == 0)
  }

  @Test func aServerThatClosesGetsANewConnectionForEachScrape() throws {
    var rig = try Rig()
    let isDone = rig.run(
      answer: { _, _ in "HTTP/1.0 200 OK\r\n\r\n{\"cpu_usage\": 25}" },
      until: { successes($0) >= 3 }
    )
    #expect(isDone)
    #expect(rig.acceptedCount >= 3)
    #expect(rig.scrape?.signals[0].value == 0.25)
    #expect(rig.driver.connectionCount <= 1)
  }

  @Test func aKeptConnectionThatTheServerClosedIsNoFailure() throws {
    var rig = try Rig()
    var served: Set<Int> = []
    let isDone = rig.run(
      answer: { connection, _ in
        // The second request of each connection meets its end.
        served.insert(connection).inserted ? page(50) : ""
      }, until: { successes($0) >= 4 })
    #expect(isDone)
    #expect(rig.acceptedCount >= 4)
    #expect(rig.scrape?.statistics.attempts == rig.scrape?.statistics.successes)
  }

  @Test func whereNobodyListensTheReasonIsRefused() throws {
    var rig = try Rig(isListening: false)
    let isDone = rig.run(answer: { _, _ in nil }, until: failed(.refused))
    #expect(isDone)
    #expect(rig.driver.connectionCount == 0)
  }

  @Test func aServerThatSaysNothingIsATimeoutAndNotTheEnd() throws {
    var rig = try Rig(timeout: .milliseconds(60))
    let hasTimedOut = rig.run(answer: { _, _ in nil }, until: failed(.timeout))
    #expect(hasTimedOut)
    #expect(rig.scrape?.statistics.failure?.detail == "no answer within 0.1 s")
    let hasRecovered = rig.run(answer: { _, _ in page(50) }, until: { successes($0) >= 2 })
    #expect(hasRecovered)
    #expect(rig.scrape?.statistics.failure == nil)
  }

  @Test func anAnswerThatIsCutIsCut() throws {
    var rig = try Rig()
    let isDone = rig.run(
      answer: { _, _ in "HTTP/1.1 200 OK\r\nConnection: drop\r\nContent-Length: 99\r\n\r\n{" },
      until: failed(.cut))
    #expect(isDone)
    #expect(rig.scrape?.statistics.failure?.detail == "closed after 1 bytes of content")
  }

  @Test func healthProbesGoBesideScrapesOnTheirOwnConnection() throws {
    var policy = HealthPolicy()
    policy.interval = .milliseconds(100)
    policy.timeout = .milliseconds(80)
    var rig = try Rig(health: policy)
    func answer(_: Int, _ request: String) -> String? {
      request.hasPrefix("GET /health ") ? "HTTP/1.1 204 No Content\r\n\r\n" : nil
    }
    // The metrics page hangs all the while.
    let isReady = rig.run(
      answer: answer, until: { $0.controller.endpoints[0]?.eligibility == .ready })
    #expect(isReady)
    let isUnhealthy = rig.run(
      answer: { _, request in
        request.hasPrefix("GET /health ")
          ? "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy" : page(50)
      }, until: { $0.controller.endpoints[0]?.eligibility == .unhealthy && successes($0) > 0 })
    #expect(isUnhealthy)
    let rows = rig.controller.tick(now: Clock.now)
    #expect(rows?[0]?.eligibility == .unhealthy)
    #expect(rows?[0]?.effective == 1)
  }

  @Test func aCanaryHasAConnectionOfItsOwnEachTime() throws {
    var canary = CanaryPolicy()
    canary.method = .post
    canary.path = "/c"
    canary.content = "{}"
    var rig = try Rig(canary: canary)
    let evidence = rig.controller.evidence
    evidence.block(ofWorker: 0).store(1, at: evidence.index(.ejectedSince, 0))
    _ = rig.controller.tick(now: Clock.now)
    let isDone = rig.run(
      answer: { _, request in
        request.hasPrefix("POST /c ") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" : page(50)
      }, until: { ($0.controller.endpoints[0]?.canary?.count(.good) ?? 0) >= 2 })
    #expect(isDone)
    let texts = rig.requestTexts.filter { $0.hasPrefix("POST ") }
    #expect(texts.count == 2 && texts.allSatisfy { $0.hasSuffix("\r\n\r\n{}") })
    // Scrapes share one.
    #expect(rig.acceptedCount == 3 && rig.driver.connectionCount == 1)
    #expect(successes(rig) >= 5)
  }

  @Test func aProbeThatAReloadMadePointlessEndsWithoutATrace() throws {
    var rig = try Rig(interval: .milliseconds(100), timeout: .seconds(5))
    let isSent = rig.run(answer: { _, _ in nil }, until: { $0.requestTexts.count == 1 })
    #expect(isSent)
    rig.controller.apply(fleet: makeFleet(bases: []), now: Clock.now)
    rig.driver.closeIdle(&rig.io)
    #expect(rig.driver.activeCount == 1)
    #expect(rig.controller.nextDue == .distantFuture)
    rig.hangUp()
    let isOver = rig.run(answer: { _, _ in nil }, until: { $0.driver.activeCount == 0 })
    #expect(isOver)
    #expect(rig.driver.connectionCount == 0)
  }
}
