import Fleet
import HTTP
import IO
import Primitives
import Testing

@testable import Balancer

@Suite struct ExchangeSlabTests {
  @Test func anIdleConnectionIsOneCacheLine() {
    #expect(MemoryLayout<Downstream>.stride == 64)
  }

  @Test func theMemoryOfTheLastExchangeIsTheNextOnes() {
    var slab = ExchangeSlab(capacity: 3)
    let first = (0..<3).map { _ in slab.begin() }
    #expect(first.map(\.index) == [0, 1, 2])
    slab.end(first[0])
    slab.end(first[2])
    let next = [slab.begin(), slab.begin()]
    #expect(next.map(\.index) == [2, 0])
  }

  @Test func anIdentifierIsThatOfOneExchange() {
    var slab = ExchangeSlab(capacity: 2)
    let first = slab.begin()
    var isRunning = slab.isRunning(first)
    #expect(isRunning && first != .none)
    slab.end(first)
    isRunning = slab.isRunning(first)
    #expect(!isRunning)
    let second = slab.begin()
    isRunning = slab.isRunning(first)
    let found = slab.id(at: second.index)
    #expect(second.index == first.index && second != first && found == second && !isRunning)
  }

  @Test func nothingOfAnotherClientsExchangeIsLeft() {
    var slab = ExchangeSlab(capacity: 1)
    let first = slab.begin()
    let exchange = slab[first]
    exchange.pointee.client = ClientStream(ClientID(ConnectionID(index: 3, generation: 1)))
    exchange.pointee.sender.address = IPAddress(v4: 1)
    exchange.pointee.sender.isPeerTrusted = true
    exchange.pointee.sender.requestIDCount = 32
    exchange.pointee.sender.hintPort = 80
    exchange.pointee.method = .post
    exchange.pointee.version = .http10
    exchange.pointee.isPersistent = false
    exchange.pointee.asksUpgrade = true
    _ = exchange.pointee.machine.take(.asked)
    _ = exchange.pointee.machine.take(.readerFellBehind)
    exchange.pointee.unwrapsChunks = true
    exchange.pointee.closesAfter = true
    exchange.pointee.isLogged = true
    exchange.pointee.isIdempotent = true
    exchange.pointee.isRepeat = true
    exchange.pointee.retriesLeft = 2
    exchange.pointee.status = 500
    exchange.pointee.contentCount = 5
    exchange.pointee.timers = .end
    exchange.pointee.tried.insert(3)
    exchange.pointee.pickKey = PickKey(hash: 1, session: 2)
    exchange.pointee.admission.queue = 4
    exchange.pointee.admission.occupied = 5
    exchange.pointee.kept.status = 503
    slab.end(first)
    let next = slab[slab.begin()]
    #expect(next == exchange && next.pointee.client == .none && next.pointee.upstream == .none)
    #expect(next.pointee.sender.address == .none)
    #expect(!next.pointee.sender.isPeerTrusted && next.pointee.sender.requestIDCount == 0)
    #expect(next.pointee.sender.hintPort == 0)
    #expect(next.pointee.method == .other && next.pointee.version == .http11)
    #expect(next.pointee.isPersistent && !next.pointee.asksUpgrade)
    let machine = next.pointee.machine
    #expect(machine == ExchangeMachine() && !next.pointee.unwrapsChunks)
    #expect(!next.pointee.isLogged && !next.pointee.isIdempotent && !next.pointee.isRepeat)
    #expect(!next.pointee.closesAfter && next.pointee.retriesLeft == 0)
    #expect(next.pointee.status == 0 && next.pointee.contentCount == 0)
    #expect(next.pointee.timers.isEmpty && next.pointee.tried.isEmpty)
    #expect(next.pointee.pickKey == PickKey() && next.pointee.kept.status == 0)
    #expect(next.pointee.admission.queue == -1 && next.pointee.admission.occupied == -1)
    let hasLease = next.pointee.lease != nil
    #expect(!hasLease)
  }

  @Test func theTextIsThatOfTheAddress() {
    var slab = ExchangeSlab(capacity: 1)
    for address in [
      IPAddress(v4: 0x7F00_0001), IPAddress(v4: 0x7F00_0001), .none,
      IPAddress(high: 0x2001_0DB8 << 32, low: 1), IPAddress(v4: 0xFFFF_FFFF),
      IPAddress(high: .max, low: .max),
    ] {
      let id = slab.begin()
      let exchange = slab[id]
      let text = ExchangeSlab.text(of: address, in: exchange)
      #expect(String(decoding: text, as: UTF8.self) == address.description)
      // The identifier is stored after the address.
      let room = ExchangeSlab.requestIDRoom(exchange)
      #expect(room >= text.baseAddress! + IPAddress.textMax)
      room.initializeMemory(as: UInt8.self, repeating: 0x7E, count: RequestID.byteCountMax)
      #expect(String(decoding: text, as: UTF8.self) == address.description)
      slab.end(id)
    }
  }
}

@Suite struct HeldBytesTests {
  @Test func holdsAnyPlaceInABlock() {
    var held = HeldBytes(end: Worker<IOLoop>.blockBytes)
    #expect(!held.isEmpty && held.start == 0 && held.end == Worker<IOLoop>.blockBytes)
    held.start = Worker<IOLoop>.blockBytes
    #expect(held.isEmpty)
  }
}
