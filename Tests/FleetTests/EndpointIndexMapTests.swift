import Fleet
import Primitives
import Testing

private func fleet(_ addresses: [String: [String]]) -> Fleet {
  var fleet = Fleet()
  fleet.pools = addresses.sorted { $0.key < $1.key }.map { name, list in
    Pool(name: name, endpoints: list.map { Endpoint(address: SocketAddress($0)!) })
  }
  return fleet
}

private func slots(_ fleet: Fleet) -> [Int] {
  fleet.pools.flatMap { $0.endpoints.map(\.endpointIndex) }
}

@Suite struct EndpointIndexMapTests {
  @Test func endpointsKeepTheirSlotsOverReloads() {
    var first = fleet(["a": ["1.1.1.1:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(limit: 64)
    map.assign(&first) { _ in false }
    #expect(Set(slots(first)).count == 3)
    var second = fleet(["a": ["1.1.1.3:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    map.assign(&second) { _ in false }
    #expect(second.pools[0].endpoints[1].endpointIndex == first.pools[0].endpoints[1].endpointIndex)
    #expect(second.pools[1].endpoints[0].endpointIndex == first.pools[1].endpoints[0].endpointIndex)
    #expect(Set(slots(second)).count == 3)
  }

  @Test func aBusySlotIsNotGivenAway() {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(limit: 64)
    map.assign(&first) { _ in false }
    var second = fleet(["a": ["1.1.1.2:1"]])
    let busy = slots(first)[0]
    map.assign(&second) { $0 == busy }
    #expect(slots(second)[0] != busy)
  }

  @Test func whatThereIsNoRoomForIsLeftOut() {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(limit: 4)
    map.assign(&first) { _ in false }
    // The one that is there stays, wherever it stands.
    var more = fleet(["a": (1...9).map { "1.1.2.\($0):1" } + ["1.1.1.1:1"]])
    #expect(map.assign(&more) { _ in false }.count == 3)
    #expect(
      more.pools[0].endpoints.map { "\($0.address)" } == [
        "1.1.2.1:1", "1.1.2.2:1", "1.1.2.3:1", "1.1.1.1:1",
      ])
    #expect(more.pools[0].endpoints[3].endpointIndex == slots(first)[0])
    // What goes now makes no room at once.
    var others = fleet(["a": ["1.1.3.1:1", "1.1.1.1:1"]])
    map.assign(&others) { _ in false }
    #expect(slots(others) == slots(first))
    map.assign(&others) { _ in false }
    var again = fleet(["a": ["1.1.3.1:1", "1.1.1.1:1"]])
    map.assign(&again) { _ in false }
    #expect(Set(slots(again)).count == 2)
  }
}

@Suite struct SlotMapReuseTests {
  @Test func anEndpointThatReturnsGetsItsSlotBackAsLongAsNobodyHasIt() {
    var first = fleet(["a": ["1.1.1.1:1", "1.1.1.2:1"]])
    var map = EndpointIndexMap(limit: 64)
    #expect(map.assign(&first) { _ in false } == slots(first))
    var less = fleet(["a": ["1.1.1.2:1"]])
    #expect(map.assign(&less) { _ in false } == [])
    var again = fleet(["a": ["1.1.1.2:1", "1.1.1.1:1"]])
    // Busy with its own exchanges: it is the same endpoint.
    #expect(map.assign(&again) { _ in true } == [])
    #expect(slots(again) == slots(first).reversed())
  }

  @Test func theSlotOfAnEndpointThatGoesNowIsNotGivenAwayAtOnce() {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(limit: 64)
    map.assign(&first) { _ in false }
    var seen = Set(slots(first))
    // Every slot has its turn before one is used again.
    for number in 1..<map.count {
      var next = fleet(["a": ["1.1.2.\(number):1"]])
      #expect(map.assign(&next) { _ in false } == slots(next))
      #expect(seen.insert(slots(next)[0]).inserted)
    }
    var last = fleet(["a": ["1.1.3.1:1"]])
    map.assign(&last) { _ in false }
    #expect(slots(last) == slots(first))
    // The first one's place is another's now.
    var old = fleet(["a": ["1.1.1.1:1"]])
    map.assign(&old) { _ in false }
    #expect(slots(old) != slots(first))
  }

  @Test func noTwoEndpointsEverShareASlot() {
    var random = RandomSource(seed: 11)
    var map = EndpointIndexMap(limit: 64)
    for _ in 0..<500 {
      let count = Int(random.unit() * 30)
      let chosen = Set((0..<count).map { _ in Int(random.unit() * 200) })
      var next = fleet(["a": chosen.sorted().map { "1.1.1.\($0):1" }])
      let fresh = map.assign(&next) { _ in false }
      #expect(Set(slots(next)).count == chosen.count)
      #expect(Set(fresh).isSubset(of: slots(next)))
    }
  }
}
