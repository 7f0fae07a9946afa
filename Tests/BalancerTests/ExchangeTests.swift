import Fleet
import HTTP
import Primitives
import Testing

@testable import Balancer

@Suite struct ExchangeSlabTests {
  @Test func anIdleConnectionIsOneCacheLine() {
    #expect(MemoryLayout<Downstream>.stride == 64)
  }

  @Test func thePlaceThatWasGivenBackLastIsTakenFirst() {
    var slab = ExchangeSlab(capacity: 3)
    let places = (0..<3).map { _ in slab.take() }
    #expect(Set(places).count == 3)
    slab.give(places[0])
    slab.give(places[2])
    #expect(slab.take() == places[2])
    #expect(slab.take() == places[0])
  }

  @Test func nothingOfAnotherClientsExchangeIsLeft() {
    var slab = ExchangeSlab(capacity: 1)
    let place = slab.take()
    place.pointee.client.address = IPAddress(v4: 1)
    place.pointee.client.isPeerTrusted = true
    place.pointee.client.requestIDCount = 32
    place.pointee.client.hintPort = 80
    place.pointee.method = .post
    place.pointee.minorVersion = 0
    place.pointee.isPersistent = false
    place.pointee.asksUpgrade = true
    place.pointee.hasResponse = true
    place.pointee.unwrapsChunks = true
    place.pointee.closesAfter = true
    place.pointee.isUpstreamPaused = true
    place.pointee.isLogged = true
    place.pointee.isIdempotent = true
    place.pointee.isRepeat = true
    place.pointee.tunnel.hasClientEnded = true
    place.pointee.retriesLeft = 2
    place.pointee.status = 500
    place.pointee.contentCount = 5
    place.pointee.endsAt = .zero
    place.pointee.tried.insert(3)
    place.pointee.pickKey = PickKey(hash: 1, session: 2)
    place.pointee.admission.gate = 4
    place.pointee.admission.occupied = 5
    place.pointee.kept.status = 503
    slab.give(place)
    let next = slab.take()
    #expect(next == place)
    #expect(next.pointee.client.address == .none)
    #expect(!next.pointee.client.isPeerTrusted && next.pointee.client.requestIDCount == 0)
    #expect(next.pointee.client.hintPort == 0)
    #expect(next.pointee.method == .other && next.pointee.minorVersion == 1)
    #expect(next.pointee.isPersistent && !next.pointee.asksUpgrade)
    #expect(!next.pointee.hasResponse && !next.pointee.unwrapsChunks)
    #expect(!next.pointee.closesAfter && !next.pointee.isUpstreamPaused)
    #expect(!next.pointee.isLogged && !next.pointee.isIdempotent && !next.pointee.isRepeat)
    #expect(!next.pointee.tunnel.hasClientEnded && next.pointee.retriesLeft == 0)
    #expect(next.pointee.status == 0 && next.pointee.contentCount == 0)
    #expect(next.pointee.endsAt == .distantFuture && next.pointee.tried.isEmpty)
    #expect(next.pointee.pickKey == PickKey() && next.pointee.kept.status == 0)
    #expect(next.pointee.admission.gate == -1 && next.pointee.admission.occupied == -1)
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
      let place = slab.take()
      let text = ExchangeSlab.text(of: address, in: place)
      #expect(String(decoding: text, as: UTF8.self) == address.description)
      // The identifier's room lies behind it.
      let room = ExchangeSlab.requestIDRoom(place)
      #expect(room >= text.baseAddress! + IPAddress.textMax)
      room.initializeMemory(as: UInt8.self, repeating: 0x7E, count: RequestID.byteCountMax)
      #expect(String(decoding: text, as: UTF8.self) == address.description)
      slab.give(place)
    }
  }
}

@Suite struct HeldBytesTests {
  @Test func holdsAnyPlaceInABlock() {
    var held = HeldBytes(end: Worker.blockBytes)
    #expect(!held.isEmpty && held.start == 0 && held.end == Worker.blockBytes)
    held.start = Worker.blockBytes
    #expect(held.isEmpty)
  }
}
