// TLS connections of the event loop, whose records come in pieces, with a byte changed, or cut: a
// client and a server of one loop, with a relay between them that does what the input says.
import IO
import Primitives
import Synchronization

enum TLSTarget {
  static let target = FuzzTarget(
    "tls", byteCountMax: 256, words: ["\u{16}\u{3}\u{1}", "\u{17}\u{3}\u{3}", "GET / HTTP/1.1"],
    check: { data throws(Finding) in try Stage.shared.check(data) },
    seeds: { _ in
      // Options: 0 pieces alone, 1 a byte changed, 2 cut, 3 the bytes themselves to the server.
      let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3] as [UInt8]
      return [
        FuzzInput.make([1, 2, 3, 200, 0, 9], options: 0),
        FuzzInput.make([255, 255, 40], options: 0),
        FuzzInput.make([7, 0, 90, 1, 2], options: 1, seed: 3),
        FuzzInput.make([3, 30, 4], options: 2),
        FuzzInput.make(hello, options: 3),
        FuzzInput.make(Array("GET / HTTP/1.1\r\n".utf8), options: 3),
      ]
    })

  /// The loop and the contexts, made once. One input at a time.
  // SAFETY: the lock.
  private final class Stage: @unchecked Sendable {
    static let shared = Stage()
    private let lock = Mutex(())
    private var play: Play

    private init() {
      do {
        play = try Play()
      } catch {
        fatalError("no TLS to fuzz: \(error)")
      }
    }

    func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
      let result = lock.withLock { _ -> Result<Void, Finding> in
        do throws(Finding) {
          try play.run(data)
          return .success(())
        } catch {
          return .failure(error)
        }
      }
      try result.get()
    }
  }

  /// One connection between a client and a server through a relay, all on one loop.
  private struct Play: ~Copyable {
    private static let relayTag: UInt32 = 1
    private static let serverTag: UInt32 = 2
    private static let clientTag: UInt32 = 3
    private static let contentMax = 40_000

    private var io: IOLoop
    private let context: ServerContext
    private let client: ClientContext
    private let relayAddress: SocketAddress
    private let serverAddress: SocketAddress
    private var ends = Ends()

    /// The four ends of the two connections, and what came of them.
    private struct Ends {
      var client = ConnectionID.none
      var clientRelay = ConnectionID.none
      var serverRelay = ConnectionID.none
      var server = ConnectionID.none
      var gotByClient: [UInt8] = []
      var gotByServer: [UInt8] = []
      var hasFailed = false
      var connectedCount = 0
      var relayedCount = 0
      var pieceIndex = 0
    }

    init() throws {
      let made = try DevelopmentCertificates(names: [], days: 1)
      var options = ServerContextOptions(pairs: [
        CertificatePair(
          name: "server", certificate: made.server.certificate, key: made.server.key)
      ])
      options.ticketKeys = [try TicketKey.random()]
      var clientOptions = ClientContextOptions()
      clientOptions.ca = made.authority
      let contexts = (
        try ServerContext(options, library: TLSLibrary()),
        try ClientContext(clientOptions, library: TLSLibrary())
      )
      let relay = try ListenSocket.open(.loopback(port: 0), count: 1)
      let server = try ListenSocket.open(.loopback(port: 0), count: 1)
      var loop = try IOLoop(connectionsMax: 8, waker: Waker())
      if let socket = relay.take(0) { try loop.listen(socket, tag: Self.relayTag) }
      if let socket = server.take(0) { try loop.listen(socket, tag: Self.serverTag) }
      (context, client) = contexts
      (relayAddress, serverAddress) = (relay.address, server.address)
      io = loop
    }

    mutating func run(_ data: UnsafeRawBufferPointer) throws(Finding) {
      let input = FuzzInput(data)
      ends = Ends()
      defer { closeAll() }
      let isRaw = input.options & 3 == 3
      let content = Self.content(input)
      do throws(IOError) {
        ends.client = try io.connect(
          to: KernelAddress(isRaw ? serverAddress : relayAddress), tag: Self.clientTag)
        if isRaw {
          io.send(ends.client, input.bytes)
          io.finish(ends.client)
        } else {
          io.startTLS(ends.client, TLSPeer(client, name: "localhost"))
          content.withUnsafeBytes { _ = io.send(ends.client, $0) }
          io.finish(ends.client)
        }
      } catch {
        return
      }
      settle(input, isRaw || input.options & 3 != 0 ? nil : content.count)
      if isRaw {
        try require(ends.gotByServer.isEmpty, "bytes that are no TLS came out as content")
        return
      }
      try require(content.starts(with: ends.gotByServer), "the server got other content")
      try require(content.starts(with: ends.gotByClient), "the client got other content")
      if input.options & 3 == 0 {
        try require(!ends.hasFailed, "pieces alone made TLS fail")
        try require(ends.gotByServer == content, "content is missing at the server")
        try require(ends.gotByClient == content, "content is missing at the client")
      }
    }

    /// The content that goes both ways: its length is the input's choice.
    private static func content(_ input: FuzzInput) -> [UInt8] {
      let sum = input.bytes.reduce(into: 1) { $0 = $0 &* 31 &+ Int($1) }
      return (0..<(1 + abs(sum) % contentMax)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    }

    /// Runs the loop until `count` bytes have come to both ends, or, without a count, until nothing
    /// more happens.
    private mutating func settle(_ input: FuzzInput, _ count: Int?) {
      let deadline = Clock.now + .seconds(10)
      var idleCount = 0
      while Clock.now < deadline, !ends.hasFailed || idleCount < 3 {
        if let count {
          if min(ends.gotByServer.count, ends.gotByClient.count) >= count { break }
        } else if idleCount >= 3 {
          break
        }
        io.wait(until: io.now + .milliseconds(idleCount >= 2 ? 2 : 0))
        var hasEvent = false
        while case let event = io.next(), event.kind != .none {
          hasEvent = true
          handle(event, input)
        }
        idleCount = hasEvent ? 0 : idleCount + 1
      }
    }

    private mutating func handle(_ event: IOEvent, _ input: FuzzInput) {
      switch (event.kind, event.tag) {
      case (.accepted, Self.relayTag):
        ends.clientRelay = event.id
        do throws(IOError) {
          ends.serverRelay = try io.connect(to: KernelAddress(serverAddress), tag: Self.relayTag)
        } catch {
          ends.hasFailed = true
        }
      case (.accepted, Self.serverTag):
        ends.server = event.id
        io.startTLS(event.id, context)
        io.setReadLimit(event.id, 1 + Int(input.options >> 2) * 300)
      case (.received, Self.relayTag): relay(event.id, input)
      case (.received, Self.serverTag):
        ends.gotByServer += io.received
        _ = io.send(event.id, UnsafeRawBufferPointer(io.received))
      case (.received, Self.clientTag): ends.gotByClient += io.received
      case (.eof, Self.relayTag):
        let other = event.id == ends.clientRelay ? ends.serverRelay : ends.clientRelay
        if io.isOpen(other) { io.finish(other) }
      case (.eof, Self.serverTag): if event.value == 0 { io.finish(event.id) }
      case (.failed, _): fail(event.id)
      default: break
      }
    }

    private mutating func fail(_ id: ConnectionID) {
      ends.hasFailed = true
      io.close(id)
    }

    /// Passes bytes on in the pieces that the input wants, with one changed, or not to the end.
    private mutating func relay(_ id: ConnectionID, _ input: FuzzInput) {
      let other = id == ends.clientRelay ? ends.serverRelay : ends.clientRelay
      guard io.isOpen(other) else { return }
      var bytes = Array(io.received)
      let target = 40 * Int(input.bytes.first ?? 0) + Int(input.bytes.dropFirst().first ?? 0)
      let position = target - ends.relayedCount
      ends.relayedCount += bytes.count
      if bytes.indices.contains(position) {
        switch input.options & 3 {
        case 1: bytes[position] ^= 1 << (input.options >> 5)
        case 2: bytes.removeSubrange(position...)
        default: break
        }
      }
      var start = 0
      while start < bytes.count {
        let size = input.bytes.isEmpty ? 1 : Int(input.bytes[ends.pieceIndex % input.bytes.count])
        ends.pieceIndex += 1
        // Enough single bytes make the rest dull.
        let end =
          ends.pieceIndex > 500 ? bytes.count : min(bytes.count, start + 1 + size * size / 4)
        bytes[start..<end].withUnsafeBytes { _ = io.send(other, $0) }
        start = end
      }
    }

    private mutating func closeAll() {
      for id in [ends.client, ends.clientRelay, ends.serverRelay, ends.server]
      where id != .none && io.isOpen(id) {
        io.close(id)
      }
      // Nothing of this input may be taken for the next one's.
      io.wait(until: io.now)
      while case let event = io.next(), event.kind != .none {
        if event.kind == .accepted { io.close(event.id) }
      }
    }
  }
}
