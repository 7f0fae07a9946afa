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

private func slots(_ fleet: Fleet) -> [Int] { fleet.pools.flatMap { $0.endpoints.map(\.slot) } }

@Suite struct SlotMapTests {
  @Test func endpointsKeepTheirSlotsOverReloads() throws {
    var first = fleet(["a": ["1.1.1.1:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    var map = SlotMap(for: first)
    try map.assign(&first) { _ in false }
    #expect(Set(slots(first)).count == 3)
    var second = fleet(["a": ["1.1.1.3:1", "1.1.1.2:1"], "b": ["1.1.1.1:1"]])
    try map.assign(&second) { _ in false }
    #expect(second.pools[0].endpoints[1].slot == first.pools[0].endpoints[1].slot)
    #expect(second.pools[1].endpoints[0].slot == first.pools[1].endpoints[0].slot)
    #expect(Set(slots(second)).count == 3)
  }

  @Test func aBusySlotIsNotGivenAway() throws {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = SlotMap(for: first)
    try map.assign(&first) { _ in false }
    var second = fleet(["a": ["1.1.1.2:1"]])
    let busy = slots(first)[0]
    try map.assign(&second) { $0 == busy }
    #expect(slots(second)[0] != busy)
  }

  @Test func aFullMapRefusesAndStaysAsItWas() throws {
    var first = fleet(["a": ["1.1.1.1:1"]])
    var map = SlotMap(for: first)
    try map.assign(&first) { _ in false }
    var huge = fleet(["a": (0..<map.count + 1).map { "1.1.\($0 / 250).\($0 % 250):2" }])
    #expect(throws: SlotMap.Full.self) { try map.assign(&huge) { _ in false } }
    var again = fleet(["a": ["1.1.1.1:1"]])
    try map.assign(&again) { _ in false }
    #expect(slots(again) == slots(first))
  }
}
