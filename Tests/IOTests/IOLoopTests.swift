import CSystem
import Glibc
import IO
import Primitives
import Testing

private let serverTag: UInt32 = 1
private let clientTag: UInt32 = 2

/// A loop with a listener and a client connection to it, driven until both are open.
private final class Pair {
  var io: IOLoop
  private(set) var server = ConnectionID.none
  private(set) var client = ConnectionID.none

  init() throws {
    io = try IOLoop(connectionsMax: 16, waker: Waker())
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    guard let socket = group.take(0) else { throw Missing() }
    try io.listen(socket, tag: serverTag)
    client = try io.connect(to: KernelAddress(group.address), tag: clientTag)
    var isConnected = false
    while server == .none || !isConnected {
      let event = nextEvent()
      if event.kind == .accepted { server = event.id }
      if event.kind == .connected { isConnected = true }
    }
  }

  /// The next thing that happens; ends the test's patience after 20 s.
  func nextEvent() -> IOEvent {
    let deadline = Clock.now + .seconds(20)
    while Clock.now < deadline {
      let event = io.next()
      if event.kind != .none { return event }
      io.wait(until: deadline)
    }
    Issue.record("nothing happened in 20 s")
    return io.next()
  }

  func isOpen(_ id: ConnectionID) -> Bool { io.isOpen(id) }
  func unsent(_ id: ConnectionID) -> Int { io.unsentByteCount(id) }
  var received: [UInt8] { Array(io.received) }
  func hasInput(_ id: ConnectionID) -> Bool { io.hasInput(id) }

  func send(_ id: ConnectionID, _ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { io.send(id, $0) }
  }
}

private struct Missing: Error {}

@Suite struct IOLoopTests {
  @Test func timersBesideTheConnectionsExpireOnceAndInOrder() throws {
    var io = try IOLoop(connectionsMax: 1, timersMax: 3, waker: Waker())
    io.setTimer(2, io.now + .milliseconds(20))
    io.setTimer(0, io.now + .milliseconds(200))
    io.setTimer(1, io.now + .milliseconds(90))
    io.setTimer(1, nil)
    var expired: [Int] = []
    let deadline = Clock.now + .seconds(20)
    while expired.count < 2, Clock.now < deadline {
      io.wait(until: deadline)
      while case let event = io.next(), event.kind != .none {
        #expect(event.kind == .timer && event.id == .none)
        expired.append(event.value)
      }
    }
    #expect(expired == [2, 0])
    // Cleared by expiring, all are.
    io.wait(until: io.now + .milliseconds(1))
    #expect(io.next().kind == .none)
  }

  @Test func aStopOfTheProcessCountsForNoDeadline() throws {
    let pair = try Pair()
    pair.io.wait(until: pair.io.now)
    while pair.io.next().kind != .none {}
    pair.io.setDeadline(pair.client, pair.io.now + .milliseconds(600))
    // No turn ends meanwhile, as if the process were stopped.
    usleep(1_200_000)
    let before = Clock.now
    let event = pair.nextEvent()
    #expect(event.kind == .timeout && event.id == pair.client)
    #expect(Clock.now - before >= .milliseconds(500))
  }

  @Test func aStopIsToldOnceAndOnlyThen() throws {
    let pair = try Pair()
    pair.io.setDeadline(pair.client, pair.io.now + .seconds(60))
    usleep(1_100_000)
    pair.io.wait(until: Clock.now)
    #expect(pair.io.lastPause >= .seconds(1))
    while pair.io.next().kind != .none {}
    pair.io.wait(until: Clock.now)
    #expect(pair.io.lastPause == .zero)
  }

  @Test func carriesBytesAndTheEnd() throws {
    let pair = try Pair()
    #expect(pair.send(pair.client, Array("ping".utf8)))
    let event = pair.nextEvent()
    #expect(event.kind == .received && event.id == pair.server && event.tag == serverTag)
    #expect(pair.received == Array("ping".utf8))
    pair.io.finish(pair.client)
    let end = pair.nextEvent()
    #expect(end.kind == .eof && end.id == pair.server)
    // The other direction is still open.
    #expect(pair.send(pair.server, Array("pong".utf8)))
    #expect(pair.nextEvent().kind == .received)
  }

  @Test func inputIsKnownBeforeItIsReportedOnceTheTurnHasBegun() throws {
    let pair = try Pair()
    #expect(!pair.hasInput(pair.server) && !pair.hasInput(pair.client))
    #expect(pair.send(pair.client, [1]) && pair.send(pair.server, [2]))
    pair.io.wait(until: Clock.now + .seconds(20))
    #expect(pair.hasInput(pair.server) && pair.hasInput(pair.client))
    #expect(pair.nextEvent().kind == .received && pair.nextEvent().kind == .received)
    #expect(!pair.hasInput(pair.server) && !pair.hasInput(pair.client))
    pair.io.finish(pair.client)
    pair.io.wait(until: Clock.now + .seconds(20))
    #expect(pair.hasInput(pair.server))
    #expect(pair.nextEvent().kind == .eof)
  }

  @Test func whatAReadLeavesIsInputAndNothingMoreIsNot() throws {
    let pair = try Pair()
    pair.io.setReadLimit(pair.server, 4)
    #expect(pair.send(pair.client, Array("goodbyes".utf8)))
    #expect(pair.nextEvent().kind == .received && pair.received == Array("good".utf8))
    #expect(pair.hasInput(pair.server))
    #expect(pair.nextEvent().kind == .received && pair.received == Array("byes".utf8))
    // As many as were asked for: only the kernel knows that there are no more.
    #expect(!pair.hasInput(pair.server))
  }

  @Test func whatThePeerHasNotTakenIsCountedAlsoInTheKernel() throws {
    let pair = try Pair()
    pair.io.setPaused(pair.server, true)
    let block = [UInt8](repeating: 7, count: 65_536)
    var sent = 0
    while pair.send(pair.client, block) { sent += block.count }
    sent += block.count
    let full = pair.io.untakenByteCount(pair.client)
    #expect(full > pair.unsent(pair.client) && full <= sent)
    pair.io.setPaused(pair.server, false)
    var isLess = false
    while !isLess {
      _ = pair.nextEvent()
      isLess = pair.io.untakenByteCount(pair.client) < full
    }
  }

  @Test func keepsWhatTheKernelDoesNotTakeAndSaysWhenItIsGone() throws {
    let pair = try Pair()
    pair.io.setPaused(pair.server, true)
    let block = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var sent = 0
    while pair.send(pair.client, block) { sent += block.count }
    sent += block.count
    #expect(pair.unsent(pair.client) > 0)
    pair.io.setPaused(pair.server, false)
    var received = 0
    var isDrained = false
    var isSame = true
    while received < sent || !isDrained {
      let event = pair.nextEvent()
      switch event.kind {
      case .received:
        for byte in pair.received {
          if byte != block[received % block.count] { isSame = false }
          received += 1
        }
      case .drained: isDrained = true
      default:
        Issue.record("unexpected \(event.kind)")
        return
      }
    }
    #expect(isSame && received == sent)
    #expect(pair.unsent(pair.client) == 0)
  }

  @Test func readsNoMoreThanTheLimitAndNothingIsLost() throws {
    let pair = try Pair()
    pair.io.setReadLimit(pair.server, 3)
    _ = pair.send(pair.client, Array("abcdefgh".utf8))
    var pieces: [String] = []
    while pieces.joined().count < 8 {
      #expect(pair.nextEvent().kind == .received)
      pieces.append(String(decoding: pair.received, as: UTF8.self))
    }
    #expect(pieces.joined() == "abcdefgh")
    #expect(pieces.allSatisfy { $0.count <= 3 })
  }

  @Test func tellsOfAHangupWhileReadingIsPaused() throws {
    let pair = try Pair()
    pair.io.setPaused(pair.server, true)
    _ = pair.send(pair.client, Array("late".utf8))
    pair.io.close(pair.client)
    let event = pair.nextEvent()
    #expect(event.kind == .hangup && event.id == pair.server)
    pair.io.setPaused(pair.server, false)
    #expect(pair.nextEvent().kind == .received)
    #expect(pair.nextEvent().kind == .eof)
  }

  @Test func aClosedConnectionIsReportedNoMore() throws {
    let pair = try Pair()
    _ = pair.send(pair.client, Array("x".utf8))
    pair.io.wait(until: Clock.now + .seconds(20))
    pair.io.close(pair.server)
    #expect(!pair.isOpen(pair.server))
    // Bytes that were unread reset the connection: the client learns it, the server nothing.
    let event = pair.nextEvent()
    #expect(event.id == pair.client && (event.kind == .failed || event.kind == .eof))
  }

  @Test func reportsARefusedConnection() throws {
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    let address = group.address
    _ = consume group
    var io = try IOLoop(connectionsMax: 4, waker: Waker())
    do throws(IOError) {
      let id = try io.connect(to: KernelAddress(address), tag: clientTag)
      io.wait(until: Clock.now + .seconds(20))
      let event = io.next()
      #expect(event.kind == .failed && event.id == id && event.value == Int(ECONNREFUSED))
    } catch {
      #expect(error.code == ECONNREFUSED)
    }
  }

  @Test func aDeadlineIsReportedOnce() throws {
    let pair = try Pair()
    pair.io.setDeadline(pair.server, Clock.now + .milliseconds(30))
    let event = pair.nextEvent()
    #expect(event.kind == .timeout && event.id == pair.server)
    pair.io.setDeadline(pair.client, Clock.now + .milliseconds(30))
    #expect(pair.nextEvent().id == pair.client)
  }

  @Test func aSecondListenerOnTheSameAddressIsRefused() throws {
    let group = try ListenSocket.open(.loopback(port: 0), count: 2)
    #expect(throws: IOError.self) { try ListenSocket.open(group.address, count: 1) }
    let isFirst = group.take(0, of: 2) != nil
    let isSecond = group.take(0, of: 2) != nil
    #expect(isFirst && !isSecond)
  }

  @Test func anEventOfAListenerThatIsGoneIsDropped() throws {
    var io = try IOLoop(connectionsMax: 4, waker: Waker())
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    guard let socket = group.take(0) else { throw Missing() }
    try io.listen(socket, tag: serverTag)
    let client = try io.connect(to: KernelAddress(group.address), tag: clientTag)
    // The batch now holds the listener's event and the client's.
    io.wait(until: Clock.now + .seconds(20))
    io.keepListeners { _ in false }
    var kinds: [IOEvent.Kind] = []
    while case let event = io.next(), event.kind != .none {
      #expect(event.id == client)
      kinds.append(event.kind)
    }
    #expect(!kinds.contains(.accepted))
  }

  @Test func anotherThreadWakesIt() throws {
    let waker = try Waker()
    var io = try IOLoop(connectionsMax: 1, waker: waker)
    let thread = try ThreadHandle.start(name: "waker") { waker.wake() }
    io.wait(until: Clock.now + .seconds(20))
    let kind = io.next().kind
    #expect(kind == .woken)
    thread.join()
  }
}
