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
  @Test func endpointsKeepTheirSlotsOverReloads() throws {
    var first = fleet(["a": ["1.1.1.1:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(for: first)
    try map.assign(&first) { _ in false }
    #expect(Set(slots(first)).count == 3)
    var second = fleet(["a": ["1.1.1.3:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    try map.assign(&second) { _ in false }
    #expect(second.pools[0].endpoints[1].endpointIndex == first.pools[0].endpoints[1].endpointIndex)
    #expect(second.pools[1].endpoints[0].endpointIndex == first.pools[1].endpoints[0].endpointIndex)
    #expect(Set(slots(second)).count == 3)
  }

  @Test func aBusySlotIsNotGivenAway() throws {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(for: first)
    try map.assign(&first) { _ in false }
    var second = fleet(["a": ["1.1.1.2:1"]])
    let busy = slots(first)[0]
    try map.assign(&second) { $0 == busy }
    #expect(slots(second)[0] != busy)
  }

  @Test func aFullMapRefusesAndStaysAsItWas() throws {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(for: first)
    try map.assign(&first) { _ in false }
    var huge = fleet(["a": (0..<map.count + 1).map { "1.1.\($0 / 250).\($0 % 250):2" }])
    #expect(throws: EndpointIndexMap.Full.self) { try map.assign(&huge) { _ in false } }
    var again = fleet(["a": ["1.1.1.1:1"]])
    try map.assign(&again) { _ in false }
    #expect(slots(again) == slots(first))
  }
}

@Suite struct SlotMapReuseTests {
  @Test func anEndpointThatReturnsGetsItsSlotBackAsLongAsNobodyHasIt() throws {
    var first = fleet(["a": ["1.1.1.1:1", "1.1.1.2:1"]])
    var map = EndpointIndexMap(for: first)
    #expect(try map.assign(&first) { _ in false } == slots(first))
    var less = fleet(["a": ["1.1.1.2:1"]])
    #expect(try map.assign(&less) { _ in false } == [])
    var again = fleet(["a": ["1.1.1.2:1", "1.1.1.1:1"]])
    // Busy with its own exchanges: it is the same endpoint.
    #expect(try map.assign(&again) { _ in true } == [])
    #expect(slots(again) == slots(first).reversed())
  }

  @Test func theSlotOfAnEndpointThatGoesNowIsNotGivenAwayAtOnce() throws {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = EndpointIndexMap(for: first)
    try map.assign(&first) { _ in false }
    var seen = Set(slots(first))
    // Every slot has its turn before one is used again.
    for number in 1..<map.count {
      var next = fleet(["a": ["1.1.2.\(number):1"]])
      #expect(try map.assign(&next) { _ in false } == slots(next))
      #expect(seen.insert(slots(next)[0]).inserted)
    }
    var last = fleet(["a": ["1.1.3.1:1"]])
    try map.assign(&last) { _ in false }
    #expect(slots(last) == slots(first))
    // The first one's place is another's now.
    var old = fleet(["a": ["1.1.1.1:1"]])
    try map.assign(&old) { _ in false }
    #expect(slots(old) != slots(first))
  }

  @Test func noTwoEndpointsEverShareASlot() throws {
    var random = RandomSource(seed: 11)
    var map = EndpointIndexMap(for: fleet([:]))
    for _ in 0..<500 {
      let count = Int(random.unit() * 30)
      let chosen = Set((0..<count).map { _ in Int(random.unit() * 200) })
      var next = fleet(["a": chosen.sorted().map { "1.1.1.\($0):1" }])
      let fresh = try map.assign(&next) { _ in false }
      #expect(Set(slots(next)).count == chosen.count)
      #expect(Set(fresh).isSubset(of: slots(next)))
    }
  }
}
