import Balancer
import Certificates
import Fleet
import IO
import Primitives
import Synchronization
import Testing

/// An endpoint that runs a closure for each connection, on a thread of its own.
private final class ScriptedEndpoint: Sendable {
  let address: SocketAddress
  private let listener: BlockingSocket

  init(_ script: @escaping @Sendable (BlockingSocket) throws -> Void) throws {
    let (listener, address) = try BlockingSocket.listen()
    self.listener = listener
    self.address = address
    _ = try ThreadHandle.start(name: "endpoint") {
      while let connection = listener.accept() {
        _ = try? ThreadHandle.start(name: "script") { try? script(connection) }
      }
    }
  }
}

/// A balancer with one pool and one listener, for one test.
private final class Proxy {
  let board: WeightBoard
  let evidence: EvidenceBoard
  let pickBoard: PickBoard
  let balancer: Balancer
  let fleet: Fleet

  init(_ endpoints: [SocketAddress], workers: Int = 1, change: (inout Fleet) -> Void = { _ in })
    throws
  {
    var fleet = Fleet()
    fleet.limits.connectionsMax = 64
    fleet.pools = [Pool(name: "p", endpoints: endpoints.map { Endpoint(address: $0) })]
    fleet.pools[0].balance = .roundRobin
    fleet.listeners = [
      Listener(address: .loopback(port: 0), routes: [Route(pathPrefix: "/", pool: 0)])
    ]
    change(&fleet)
    var slots = EndpointIndexMap(for: fleet)
    slots.assign(&fleet) { _ in false }
    self.fleet = fleet
    board = WeightBoard(fleet: fleet, endpointLimit: slots.count)
    evidence = EvidenceBoard(workerCount: workers, endpointLimit: slots.count)
    pickBoard = PickBoard(endpointLimit: slots.count)
    balancer = try Balancer(
      board: board, evidence: evidence, pickBoard: pickBoard,
      accessLog: AccessLogDriver(workerCount: workers),
      credentials: Credentials(workerCount: workers), inherited: InheritedSockets(),
      connectionsMax: fleet.limits.connectionsMax)
    try balancer.start(seed: 1)
  }

  deinit {
    balancer.beginStop(deadline: Clock.now)
    balancer.join()
  }

  func client() throws -> BlockingSocket { try .connect(to: balancer.addresses[0]) }

  func sum(_ column: EvidenceBoard.Column, _ position: Int) -> UInt64 {
    evidence.sum(column, fleet.pools[0].endpoints[position].endpointIndex)
  }

  /// Waits until nothing is in flight. Returns false after 20 s.
  func isQuiet() -> Bool {
    let deadline = Clock.now + .seconds(20)
    while Clock.now < deadline {
      if balancer.inFlight == 0 { return true }
      _ = try? ThreadHandle.start(name: "yield") {}.join()
    }
    return false
  }
}

private let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

@Suite struct ProxyTests {
  @Test func aStreamOutlivesTenThousandWeightChanges() throws {
    let flag = Flag()
    // The endpoint sends a chunked stream of a known byte sequence until it is told to end.
    let endpoint = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      try connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      var next: UInt8 = 0
      var isLast = false
      while !isLast {
        isLast = flag.isSet
        let chunk = (0..<97).map { _ -> UInt8 in
          next &+= 1
          return next
        }
        try connection.send(Array("61\r\n".utf8) + chunk + Array("\r\n".utf8))
      }
      try connection.send("0\r\n\r\n")
    }
    let proxy = try Proxy([endpoint.address, .loopback(port: 1)]) {
      $0.pools[0].retries.retriesMax = 3
    }
    let client = try proxy.client()
    try client.send("GET /stream HTTP/1.0\r\n\r\n")
    let publisher = try ThreadHandle.start(name: "publisher") { [board = proxy.board] in
      var random = RandomSource(seed: 3)
      for _ in 0..<10_000 {
        var rows = board.table.rows
        for index in rows.indices where rows[index] != nil {
          rows[index]?.effective = random.unit() * 10
        }
        board.publish(rows: rows)
      }
      flag.set()
    }
    let response = client.receive { _ in false }
    publisher.join()
    #expect(proxy.board.revision >= 10_001)
    let head = response.firstIndex(of: 1) ?? 0
    let content = response[head...]
    #expect(content.count > 97 && content.count % 97 == 0)
    var expected: UInt8 = 0
    var isUnbroken = true
    for byte in content {
      expected &+= 1
      if byte != expected { isUnbroken = false }
    }
    #expect(isUnbroken)
    #expect(proxy.isQuiet())
  }

  @Test func aTunnelOutlivesTenThousandWeightChanges() throws {
    let flag = Flag()
    // The endpoint echoes every byte after the change of protocol.
    let endpoint = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      try connection.send(
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
      while let bytes = connection.receive() { try connection.send(bytes) }
    }
    let proxy = try Proxy([endpoint.address, .loopback(port: 1)]) {
      $0.pools[0].retries.retriesMax = 3
    }
    let client = try proxy.client()
    try client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    let head = client.receive { $0.suffix(4) == Array("\r\n\r\n".utf8)[...] }
    #expect(String(decoding: head, as: UTF8.self).hasPrefix("HTTP/1.1 101 "))
    let publisher = try ThreadHandle.start(name: "publisher") { [board = proxy.board] in
      var random = RandomSource(seed: 3)
      for _ in 0..<10_000 {
        var rows = board.table.rows
        for index in rows.indices where rows[index] != nil {
          rows[index]?.effective = random.unit() * 10
        }
        board.publish(rows: rows)
      }
      flag.set()
    }
    var count = 0
    while !flag.isSet || count < 100 {
      let message = Array("message \(count)".utf8)
      try client.send(message)
      #expect(client.receive { $0.count >= message.count } == message)
      count += 1
    }
    publisher.join()
    #expect(proxy.board.revision >= 10_001)
    #expect(proxy.sum(.tunnels, 0) + proxy.sum(.tunnels, 1) == 1)
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let endpoint = try ScriptedEndpoint { connection in
      while true {
        let request = connection.receiveMessage()
        guard let path = request.split(separator: " ").dropFirst().first else { return }
        try connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(path.count)\r\n\r\n\(path)")
      }
    }
    let proxy = try Proxy([endpoint.address])
    let client = try proxy.client()
    let paths = (0..<200).map { "/number/\($0)" }
    try client.send(
      paths.map { "GET \($0) HTTP/1.1\r\nHost: a\r\n\r\n" }.joined()
        + "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    let responses = client.receiveAll()
    let seen = responses.split(separator: "\r\n\r\n").dropFirst().map {
      String($0.prefix { !$0.isNewline }.split(separator: "HTTP").first ?? "")
    }
    #expect(seen == paths + ["/last"])
  }

  @Test func anEndpointThatCannotBeReachedCostsTheClientNothing() throws {
    let endpoint = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty { try connection.send(answer) }
    }
    let closed = try BlockingSocket.listen().address
    let proxy = try Proxy([closed, endpoint.address])
    let client = try proxy.client()
    let begun = Clock.now
    for _ in 0..<20 {
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
      #expect(client.receiveMessage().hasSuffix("\r\n\r\nok"))
    }
    #expect(proxy.isQuiet())
    #expect(proxy.sum(.completed, 1) == 20)
    // Two failures in a row eject the endpoint; until then each pick of it fails. Then one trial
    // follows each half second, as many as a busy machine has time for.
    let trialsMax = Int((Clock.now - begun).seconds / 0.5)
    #expect((2...2 + UInt64(trialsMax)).contains(proxy.sum(.failed, 0)))
    #expect(proxy.sum(.ejections, 0) == 1)
  }

  @Test func anEndpointThatFailsCostsAGetNothingAndAPostItsAnswers() throws {
    let failing = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty {
        try connection.send("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")
      }
    }
    let good = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty { try connection.send(answer) }
    }
    let proxy = try Proxy([failing.address, good.address])
    let client = try proxy.client()
    // Returns the number of failed requests that the client saw.
    func failed(_ request: String) throws -> Int {
      var count = 0
      let deadline = Clock.now + .seconds(60)
      let trialsBefore = proxy.sum(.failed, 0)
      // Two failures in a row eject the endpoint; the loop runs until another trial has failed.
      while proxy.sum(.failed, 0) < max(3, trialsBefore + 1), Clock.now < deadline {
        try client.send(request)
        if client.receiveMessage().contains(" 500 ") { count += 1 }
        Clock.pause(.milliseconds(5))
      }
      return count
    }
    #expect(try failed("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 0)
    #expect(proxy.sum(.retries, 0) == 3)
    #expect(try failed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") == 1)
    #expect(proxy.sum(.retries, 0) == 3)
    #expect(proxy.isQuiet())
  }

  @Test func anEndpointThatClientsGiveUpIsEjectedThoughItNeverFails() throws {
    let hanging = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty {}
    }
    let good = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty { try connection.send(answer) }
    }
    let proxy = try Proxy([hanging.address, good.address])
    // The fleet answers within 10 ms, and these clients wait 100 ms.
    for endpoint in proxy.fleet.pools[0].endpoints {
      proxy.pickBoard.setPool(
        endpoint.endpointIndex, fleetResponse: 0.01, interval: 1, balancers: 1)
    }
    let deadline = Clock.now + .seconds(60)
    let endpointIndex = proxy.fleet.pools[0].endpoints[0].endpointIndex
    while !proxy.evidence.isEjected(endpointIndex), Clock.now < deadline {
      let client = try proxy.client()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      Clock.pause(.milliseconds(100))
    }
    #expect(proxy.evidence.isEjected(endpointIndex))
    #expect(proxy.isQuiet())
    #expect(proxy.sum(.failed, 0) == 0)
  }

  @Test func aPostThatTheEndpointMayHaveSeenIsNotRepeated() throws {
    let endpoint = try ScriptedEndpoint { connection in _ = connection.receiveMessage() }
    let proxy = try Proxy([endpoint.address, endpoint.address.with(port: endpoint.address.port)])
    let client = try proxy.client()
    try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
    #expect(client.receiveMessage().hasPrefix("HTTP/1.1 502 "))
    #expect(proxy.isQuiet())
    #expect(proxy.sum(.started, 0) + proxy.sum(.started, 1) <= 2)
  }

  @Test func aCutResponseIsNeverMadeToLookWhole() throws {
    let endpoint = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    }
    let proxy = try Proxy([endpoint.address])
    let client = try proxy.client()
    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    var last: [UInt8]? = []
    repeat { last = client.receive() } while last.map { !$0.isEmpty } ?? false
    // The client sees a reset instead of an orderly end.
    #expect(last == nil)
    #expect(proxy.isQuiet())
    #expect(proxy.sum(.failed, 0) == 1)
  }

  @Test func aClientThatLeavesFreesTheEndpointAtOnce() throws {
    let left = Flag()
    let endpoint = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      // Blocks until the proxy closes.
      if connection.receive()?.isEmpty ?? true { left.set() }
    }
    let proxy = try Proxy([endpoint.address])
    do {
      let client = try proxy.client()
      try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      let deadline = Clock.now + .seconds(20)
      while proxy.balancer.inFlight == 0, Clock.now < deadline {}
    }
    #expect(proxy.isQuiet())
    #expect(proxy.sum(.failed, 0) == 0)
    let deadline = Clock.now + .seconds(20)
    while !left.isSet, Clock.now < deadline {}
    #expect(left.isSet)
  }

  @Test func aGracefulEndLetsARunningExchangeFinish() throws {
    let go = Flag()
    let endpoint = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      while !go.isSet {}
      try connection.send(answer)
    }
    let proxy = try Proxy([endpoint.address])
    let client = try proxy.client()
    try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let deadline = Clock.now + .seconds(20)
    while proxy.balancer.inFlight == 0, Clock.now < deadline {}
    proxy.balancer.beginStop(deadline: Clock.now + .seconds(20))
    go.set()
    let response = client.receiveAll()
    #expect(response.hasSuffix("\r\n\r\nok"))
    #expect(response.contains("Connection: close"))
    proxy.balancer.join()
    #expect(throws: BlockingSocket.Failure.self) { try proxy.client() }
  }

  @Test func aReloadKeepsRunningExchangesAndTakesNewEndpoints() throws {
    let go = Flag()
    let old = try ScriptedEndpoint { connection in
      _ = connection.receiveMessage()
      while !go.isSet {}
      try connection.send(answer)
    }
    let new = try ScriptedEndpoint { connection in
      while !connection.receiveMessage().isEmpty {
        try connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
      }
    }
    let proxy = try Proxy([old.address])
    let first = try proxy.client()
    try first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let deadline = Clock.now + .seconds(20)
    while proxy.balancer.inFlight == 0, Clock.now < deadline {}
    var next = proxy.fleet
    next.pools[0].endpoints = [Endpoint(address: new.address)]
    next.pools[0].endpoints[0].endpointIndex = proxy.fleet.pools[0].endpoints[0].endpointIndex + 1
    try proxy.balancer.apply(next)
    let second = try proxy.client()
    try second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(second.receiveMessage().hasSuffix("new"))
    go.set()
    #expect(first.receiveMessage().hasSuffix("ok"))
    #expect(proxy.isQuiet())
  }
}

private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)
  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
