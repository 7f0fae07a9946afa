import CSystem
import IO
import Primitives
import Testing

/// Two connections to one loop's listener: what comes in on the first server side is moved to the
/// second.
private final class Fork {
  var io: IOLoop
  private(set) var servers: [ConnectionID] = []
  private(set) var clients: [ConnectionID] = []
  /// By connection, what was received.
  private(set) var taken: [ConnectionID: [UInt8]] = [:]
  private(set) var movedCount = 0
  private(set) var ended: [ConnectionID: IOEvent.Kind] = [:]

  init() throws {
    io = try IOLoop(connectionsMax: 16, waker: Waker())
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    guard let socket = group.take(0) else { throw Missing() }
    try io.listen(socket, tag: 1)
    for count in 1...2 {
      clients.append(try io.connect(to: KernelAddress(group.address), tag: 2))
      run { servers.count == count }
    }
  }

  var source: ConnectionID { servers[0] }
  var target: ConnectionID { servers[1] }
  var sender: ConnectionID { clients[0] }
  var receiver: ConnectionID { clients[1] }
  func bytes(_ id: ConnectionID) -> [UInt8] { taken[id] ?? [] }
  func unsent(_ id: ConnectionID) -> Int { io.unsentByteCount(id) }

  /// Takes events until the condition holds; ends the test's patience after 30 s.
  func run(until isMet: () -> Bool) {
    let deadline = Clock.now + .seconds(30)
    while !isMet() {
      guard Clock.now < deadline else {
        Issue.record("nothing more happened in 30 s")
        return
      }
      let event = io.next()
      switch event.kind {
      case .none: io.wait(until: deadline)
      case .accepted: servers.append(event.id)
      case .received: taken[event.id, default: []] += io.received
      case .moved: if event.id == source { movedCount += event.value }
      case .eof, .failed: ended[event.id] = event.kind
      default: break
      }
    }
  }

  func send(_ id: ConnectionID, _ bytes: [UInt8]) { bytes.withUnsafeBytes { _ = io.send(id, $0) } }
}

private struct Missing: Error {}

private func pattern(_ count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
}

@Suite struct IOLoopMoveTests {
  @Test func movesSoManyBytesUnseenAndGivesTheRest() throws {
    let fork = try Fork()
    let content = pattern(300_000)
    fork.io.move(fork.source, to: fork.target, byteCount: content.count)
    fork.send(fork.sender, content + [1, 2, 3])
    fork.run {
      fork.bytes(fork.receiver).count == content.count && fork.bytes(fork.source).count == 3
    }
    #expect(fork.bytes(fork.receiver) == content)
    #expect(fork.movedCount == content.count)
    #expect(fork.bytes(fork.source) == [1, 2, 3])
  }

  @Test func whatTheTargetDoesNotTakeWaitsInOrder() throws {
    let fork = try Fork()
    let content = pattern(24 << 20)
    fork.io.setPaused(fork.receiver, true)
    fork.io.move(fork.source, to: fork.target, byteCount: content.count)
    fork.send(fork.sender, content)
    fork.run { fork.unsent(fork.target) > 0 }
    // What comes behind bytes that wait is not moved past them.
    fork.run { !fork.bytes(fork.source).isEmpty }
    let seen = fork.bytes(fork.source)
    fork.io.setPaused(fork.source, true)
    fork.send(fork.target, seen)
    fork.io.setPaused(fork.receiver, false)
    fork.run { fork.bytes(fork.receiver).count == fork.movedCount + seen.count }
    #expect(fork.bytes(fork.receiver).elementsEqual(content.prefix(fork.movedCount + seen.count)))
    // Asked for again it goes on.
    let left = content.count - fork.movedCount - seen.count
    fork.io.move(fork.source, to: fork.target, byteCount: left)
    fork.io.setPaused(fork.source, false)
    fork.run {
      fork.bytes(fork.receiver).count + fork.bytes(fork.source).count - seen.count == content.count
    }
    #expect(fork.movedCount > seen.count)
  }

  @Test func aTargetThatIsGoneEndsTheMove() throws {
    let fork = try Fork()
    fork.io.move(fork.source, to: fork.target, byteCount: 1_000)
    fork.io.close(fork.target)
    fork.send(fork.sender, pattern(1_000))
    fork.run { fork.bytes(fork.source).count == 1_000 }
    #expect(fork.movedCount == 0)
  }

  @Test func aTargetThatFailsIsToldAndTheSenderReadOn() throws {
    let fork = try Fork()
    fork.io.move(fork.source, to: fork.target, byteCount: 64 << 20)
    fork.io.resetOnClose(fork.receiver)
    fork.io.close(fork.receiver)
    fork.send(fork.sender, pattern(8 << 20))
    // An end or a failure, as the kernel has it.
    fork.run { fork.ended[fork.target] != nil }
    fork.run { fork.movedCount + fork.bytes(fork.source).count == 8 << 20 }
    #expect(fork.unsent(fork.target) == 0)
  }

  @Test func theSendersEndIsToldAfterItsBytes() throws {
    let fork = try Fork()
    fork.io.move(fork.source, to: fork.target, byteCount: 1 << 20)
    fork.send(fork.sender, pattern(100_000))
    fork.io.finish(fork.sender)
    fork.run { fork.ended[fork.source] != nil }
    #expect(fork.ended[fork.source] == .eof && fork.movedCount == 100_000)
    fork.run { fork.bytes(fork.receiver).count == 100_000 }
  }
}
