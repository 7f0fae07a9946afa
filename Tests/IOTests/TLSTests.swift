import CSystem
import Glibc
@testable import IO
import Primitives
import Testing

/// A loop with a TLS server's connection and a client's to it.
private final class SecurePair {
  var io: IOLoop
  private(set) var server = ConnectionID.none
  private(set) var client = ConnectionID.none
  var events: [(IOEvent, [UInt8])] = []
  let context: ServerContext
  let peer: TLSPeer

  init(
    _ options: ServerContextOptions? = nil, client clientOptions: ClientContextOptions? = nil,
    name: String = "localhost", peer: TLSPeer? = nil
  ) throws {
    context = try ServerContext(options ?? Self.server(), library: TLSLibrary())
    self.peer =
      try peer
      ?? TLSPeer(
        ClientContext(clientOptions ?? Self.client(), library: TLSLibrary()), name: name)
    io = try IOLoop(connectionsMax: 16, waker: Waker())
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    guard let socket = group.take(0) else { throw TLSError("no socket") }
    try io.listen(socket, tag: 1)
    client = try io.connect(to: KernelAddress(group.address), tag: 2)
    io.startTLS(client, self.peer)
  }

  static func server() -> ServerContextOptions {
    var options = ServerContextOptions(pairs: [TestCertificates.server, TestCertificates.wild])
    options.ticketKeys = [TicketKey(bytes: [UInt8](repeating: 7, count: 80))!]
    return options
  }

  static func client() -> ClientContextOptions {
    var options = ClientContextOptions()
    options.ca = TestCertificates.authority
    return options
  }

  /// Runs the loop until something has happened that is waited for. Fails after 20 s.
  @discardableResult
  func run(until isReached: (IOEvent, [UInt8]) -> Bool) -> IOEvent? {
    let deadline = Clock.now + .seconds(20)
    while Clock.now < deadline {
      let event = io.next()
      if event.kind == .none {
        io.wait(until: deadline)
        continue
      }
      if event.kind == .accepted {
        server = event.id
        io.startTLS(event.id, context)
      }
      let bytes = event.kind == .received ? Array(io.received) : []
      events.append((event, bytes))
      if isReached(event, bytes) { return event }
    }
    Issue.record("it did not happen in 20 s")
    return nil
  }

  func connect() {
    var left = 2
    run { event, _ in
      if event.kind == .connected { left -= 1 }
      return left == 0 || event.kind == .failed
    }
  }

  func send(_ id: ConnectionID, _ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { io.send(id, $0) }
  }

  /// What arrives at the connection, until there are `count` bytes.
  func receive(_ id: ConnectionID, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    run { event, received in
      if event.id == id { bytes += received }
      return bytes.count >= count
    }
    return bytes
  }
}

@Suite struct TLSTests {
  private static let content = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

  @Test func bytesGoBothWaysInAnyAmount() throws {
    let pair = try SecurePair()
    // Sent before the connection is open.
    _ = pair.send(pair.client, [1, 2, 3])
    pair.connect()
    #expect(pair.receive(pair.server, 3) == [1, 2, 3])
    for count in [1, 16_383, 16_384, 16_385, 70_000, 1_000_000] {
      let bytes = Array(Self.content.prefix(count))
      _ = pair.send(pair.client, bytes)
      #expect(pair.receive(pair.server, count) == bytes)
      _ = pair.send(pair.server, bytes)
      #expect(pair.receive(pair.client, count) == bytes)
    }
    #expect(pair.servesHost("localhost"))
    #expect(pair.servesHost("A.test."))
    #expect(!pair.servesHost("x.wild.test"))
  }

  @Test func aReadLimitBoundsPlaintext() throws {
    let pair = try SecurePair()
    pair.connect()
    pair.io.setReadLimit(pair.server, 100)
    _ = pair.send(pair.client, Array(Self.content.prefix(20_000)))
    #expect(pair.receive(pair.server, 20_000) == Array(Self.content.prefix(20_000)))
    #expect(pair.events.allSatisfy { $0.0.id != pair.server || $0.1.count <= 100 })
  }

  @Test func anEndIsToldFromACut() throws {
    let pair = try SecurePair()
    pair.connect()
    _ = pair.send(pair.client, [9])
    pair.io.finish(pair.client)
    #expect(pair.run { event, _ in event.kind == .eof && event.id == pair.server }?.value == 0)
    #expect(pair.send(pair.server, [8]))
    #expect(pair.receive(pair.client, 1) == [8])
    pair.io.close(pair.server)
    #expect(pair.run { event, _ in event.kind == .eof && event.id == pair.client }?.value == 0)

    let other = try SecurePair()
    other.connect()
    // The kernel's end without TLS's.
    shutdown(other.io.connections[Int(other.client.index)].fd, Int32(SHUT_WR))
    #expect(other.run { event, _ in event.kind == .eof }?.value == 1)
  }

  @Test func aSessionIsResumedAlsoAtAnotherContextWithTheKey() throws {
    let first = try SecurePair()
    first.connect()
    _ = first.send(first.server, [1])
    #expect(first.receive(first.client, 1) == [1])
    #expect(!first.isResumed)
    first.io.close(first.client)
    let second = try SecurePair(peer: first.peer)
    second.connect()
    #expect(second.isResumed)
    // A ticket is used once; each connection brings another.
    _ = second.send(second.server, [1])
    #expect(second.receive(second.client, 1) == [1])
    var other = SecurePair.server()
    other.ticketKeys = [TicketKey(bytes: [UInt8](repeating: 8, count: 80))!] + other.ticketKeys
    let third = try SecurePair(other, peer: first.peer)
    third.connect()
    #expect(third.isResumed)
    // Where clients have to show a certificate, a ticket from elsewhere is none.
    var strict = SecurePair.server()
    strict.clientCA = TestCertificates.authority
    let fourth = try SecurePair(strict, peer: first.peer)
    fourth.connect()
    #expect(!fourth.isResumed)
  }

  @Test(
    arguments: [
      ("127.0.0.1", nil), ("b.test", nil), ("x.wild.test", nil), ("c.test", TLSFailure.wrongName),
      ("x.y.wild.test", .wrongName), ("127.0.0.2", .wrongName),
    ] as [(String, TLSFailure?)])
  func theNameIsChecked(_ name: String, _ failure: TLSFailure?) throws {
    let pair = try SecurePair(name: name)
    let event = pair.run { event, _ in
      event.id == pair.client && (event.kind == .connected || event.kind == .failed)
    }
    #expect(event?.kind == (failure == nil ? .connected : .failed))
    #expect(pair.failures.client == failure)
  }

  @Test func anUnknownAuthorityIsRefusedUnlessNothingIsChecked() throws {
    var options = ClientContextOptions()
    options.ca = TestCertificates.client.certificate
    let pair = try SecurePair(client: options)
    let isEnded = { (event: IOEvent, _: [UInt8]) in event.kind == .failed }
    _ = pair.run(until: isEnded)
    #expect(pair.failures.client == .unknownAuthority)
    _ = pair.run { event, _ in event.kind == .failed && event.id == pair.server }
    #expect(pair.failures.server == .refusedByPeer)
    options.isInsecure = true
    let other = try SecurePair(client: options, name: "no.test")
    other.connect()
    #expect(other.failures.client == nil)
  }

  /// What the client offers, whether the server allows HTTP/2, and whether it is chosen; nil: the
  /// handshake fails.
  private static let choices: [(ApplicationProtocols, Bool, Bool?)] = [
    (.http1, false, false), (.http1, true, false), (.both, false, false), (.both, true, true),
    (.http2, true, true), (.http2, false, nil),
  ]

  @Test(arguments: choices)
  func http2IsChosenWhereBothWantIt(
    _ offered: ApplicationProtocols, _ isAllowed: Bool, _ isChosen: Bool?
  ) throws {
    var server = SecurePair.server()
    server.offersHTTP2 = isAllowed
    var client = SecurePair.client()
    client.protocols = offered
    let pair = try SecurePair(server, client: client)
    guard let isChosen else {
      _ = pair.run { event, _ in event.kind == .failed && event.id == pair.client }
      #expect(pair.failures.client == .noCommonProtocol)
      return
    }
    #expect(pair.areHTTP2 == [false])
    pair.connect()
    #expect(pair.areHTTP2 == [isChosen, isChosen])
    // A resumed session chooses anew.
    _ = pair.send(pair.server, [1])
    #expect(pair.receive(pair.client, 1) == [1])
    server.offersHTTP2 = false
    guard offered != .http2 else { return }
    let second = try SecurePair(server, peer: pair.peer)
    second.connect()
    #expect(second.isResumed)
    #expect(second.areHTTP2 == [false, false])
  }

  /// HTTP/2 goes first wherever it stands in the list; a list that is cut short is no list.
  @Test(
    arguments: [
      ("\u{8}http/1.1\u{2}h2", true, "h2"), ("\u{2}h2\u{8}http/1.1", false, "http/1.1"),
      ("\u{3}h2c\u{8}http/1.1", true, "http/1.1"), ("\u{8}http/1.0\u{6}spdy/3", true, nil),
      ("\u{9}http/1.1", true, nil), ("\u{0}\u{2}h2", true, "h2"), ("\u{2}h", true, nil),
      ("", true, nil),
    ] as [(String, Bool, String?)])
  func theListOfProtocolsIsRead(_ list: String, _ isAllowed: Bool, _ expected: String?) {
    let bytes = Array(list.utf8)
    bytes.withUnsafeBytes { offered in
      var (chosen, count) = (UnsafePointer<UInt8>?.none, UInt8(0))
      let code = ApplicationProtocols.choose(offered, allowsHTTP2: isAllowed, &chosen, &count)
      let name = chosen.map {
        String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self)
      }
      #expect(name == expected)
      #expect((code == 0) == (expected != nil))
    }
  }

  @Test func clientsShowTheirCertificates() throws {
    var options = SecurePair.server()
    options.clientCA = TestCertificates.authority
    options.requiresClientCertificate = true
    options.keepsClientNames = true
    var client = SecurePair.client()
    client.pair = TestCertificates.client
    let pair = try SecurePair(options, client: client)
    pair.connect()
    #expect(
      pair.clientCertificate() == ["CN=worker\\, one", "DNS:client.test,URI:spiffe://test/worker"])

    let other = try SecurePair(options)
    _ = other.run { event, _ in event.kind == .failed && event.id == other.server }
    #expect(other.failures.server == .noCertificate)
  }

  @Test func plainHTTPIsToldAndCanBeAnswered() throws {
    let pair = try SecurePair()
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    guard let socket = group.take(0) else { throw TLSError("no socket") }
    try pair.io.listen(socket, tag: 3)
    let plain = try pair.io.connect(to: KernelAddress(group.address), tag: 4)
    _ = pair.send(plain, Array("GET / HTTP/1.1\r\n\r\n".utf8))
    let event = try #require(pair.run { event, _ in event.kind == .failed })
    let failure = pair.io.tlsFailure(event.id)
    #expect(failure == .plainHTTP)
    pair.io.leaveTLS(event.id)
    #expect(pair.send(event.id, [5]))
    #expect(pair.receive(plain, 1) == [5])
  }

  @Test func whatCannotBeUsedIsNamed() throws {
    let library = try TLSLibrary()
    func message(_ change: (inout ServerContextOptions) -> Void) -> String {
      var options = SecurePair.server()
      change(&options)
      do throws(TLSError) {
        _ = try ServerContext(options, library: library)
        return ""
      } catch {
        return error.message
      }
    }
    #expect(message { _ in } == "")
    #expect(
      message { $0.pairs[0].key = TestCertificates.wild.key }.hasPrefix(
        "server: the key does not belong to the certificate"))
    #expect(message { $0.pairs[1].certificate = [1] }.hasPrefix("wild: no certificate in PEM form"))
    #expect(message { $0.pairs[1].key = [] }.hasPrefix("wild: no private key in PEM form"))
    #expect(
      message { $0.pairs = [TestCertificates.weak] } == "weak: cannot be used: ee key too small")
    #expect(message { $0.ciphers = "NONE" }.hasPrefix("`ciphers: NONE`"))
    #expect(message { $0.groups = "X" }.hasPrefix("`groups: X`"))
    #expect(message { $0.clientCA = [2] }.hasPrefix("`client_ca`"))
  }
}

extension SecurePair {
  fileprivate var isResumed: Bool { io.isResumed(client) }

  /// Of the connections that are there: the client's, the server's.
  fileprivate var areHTTP2: [Bool] {
    var answers: [Bool] = []
    for id in [client, server] where id != .none { answers.append(io.isHTTP2(id)) }
    return answers
  }

  fileprivate func servesHost(_ host: String) -> Bool {
    Array(host.utf8).withUnsafeBytes { io.servesHost(server, $0) }
  }

  fileprivate func clientCertificate() -> [String] {
    guard let shown = io.clientCertificate(server) else { return [] }
    return [
      String(decoding: shown.subject, as: UTF8.self), String(decoding: shown.names, as: UTF8.self),
    ]
  }

  fileprivate var failures: (client: TLSFailure?, server: TLSFailure?) {
    (io.tlsFailure(client), io.tlsFailure(server))
  }
}
