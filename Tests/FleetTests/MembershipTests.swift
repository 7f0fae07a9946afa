import Fleet
import Primitives
import Testing

private func host(_ last: Int) -> HostAddress { HostAddress(bytes: [10, 0, 0, UInt8(last)]) }

private func members(_ hosts: [HostAddress]) -> [Member] { hosts.map(Member.init(host:)) }

private func update(_ name: String, _ change: MemberUpdate.Change) -> MemberUpdate {
  MemberUpdate(set: .name(name), change)
}

private func named(_ host: String, _ weight: Double, port: UInt16 = 80) -> NamedEndpoint {
  NamedEndpoint(
    host: host, port: port,
    template: Endpoint(address: .loopback(port: 0), baseWeight: weight))
}

/// Two pools that share names and addresses in every way.
private func configured(limit: Int = 1_000) -> Fleet {
  var fleet = Fleet()
  fleet.limits.endpointsMax = limit
  var first = Pool(
    name: "a",
    endpoints: [3, 1].map {
      Endpoint(address: SocketAddress(bytes: host($0).bytes, port: 80), baseWeight: 9)
    })
  first.names = [named("x", 1), named("y", 2), named("x", 3, port: 81)]
  var second = Pool(name: "b", endpoints: [])
  second.names = [named("y", 4), named("z", 5), named("y", 6)]
  fleet.pools = [first, second, Pool(name: "c", endpoints: [])]
  return fleet
}

private func shown(_ fleet: Fleet) -> [[String]] {
  fleet.pools.map { $0.endpoints.map { "\($0.address) \($0.baseWeight)" } }
}

/// What a reader of deltas knows: endpoints by index.
private struct Follower {
  var members: [Int: MembershipDelta.Member] = [:]

  init(_ fleet: Fleet) {
    for (index, pool) in fleet.pools.enumerated() {
      for endpoint in pool.endpoints {
        members[endpoint.endpointIndex] = MembershipDelta.Member(pool: index, endpoint)
      }
    }
  }

  mutating func take(_ delta: MembershipDelta) {
    for member in delta.removed {
      #expect(members.removeValue(forKey: member.endpoint.endpointIndex) != nil)
    }
    for member in delta.added {
      #expect(members.updateValue(member, forKey: member.endpoint.endpointIndex) == nil)
    }
    for member in delta.updated {
      #expect(members.updateValue(member, forKey: member.endpoint.endpointIndex) != nil)
    }
    #expect(Set(delta.fresh).isSubset(of: delta.added.map(\.endpoint.endpointIndex)))
  }
}

/// Sets of addresses that change at random, as a dumb model: every set in full.
private struct World {
  var random: RandomSource
  var sets: [String: Set<HostAddress>] = [:]

  mutating func next(_ bound: Int) -> Int { Int(random.unit() * Double(bound)) }

  mutating func updates() -> [MemberUpdate] {
    (0..<(1 + next(3))).map { _ in
      let name = ["x", "y", "z"][next(3)]
      let some = (0..<next(6)).map { _ in host(next(20)) }
      switch next(5) {
      case 0:
        sets[name] = Set(some)
        return update(name, .reset(members(some)))
      case 1, 2:
        sets[name, default: []].formUnion(some)
        return update(name, .add(members(some)))
      default:
        sets[name]?.subtract(some)
        return update(name, .remove(members(some)))
      }
    }
  }

  var table: [MemberSet: [Member]] {
    Dictionary(uniqueKeysWithValues: sets.map { (.name($0.key), members($0.value.sorted())) })
  }
}

@Suite struct MembershipTests {
  @Test(arguments: 1...20)
  func aSequenceOfChangesComesToWhatTheSetsSay(_ seed: Int) {
    var world = World(random: RandomSource(seed: UInt64(seed)))
    let file = configured()
    var membership = Membership(file)
    var follower = Follower(membership.fleet)
    for _ in 0..<200 {
      let delta = membership.take(world.updates()) { _ in false }
      #expect(shown(membership.fleet) == shown(file.resolved(world.table)))
      follower.take(delta)
      #expect(follower.members == Follower(membership.fleet).members)
      #expect(!membership.isShort)
    }
  }

  @Test(arguments: 1...20)
  func withoutRoomSomeAreLeftOutAndComeWhenThereIsRoom(_ seed: Int) {
    var world = World(random: RandomSource(seed: UInt64(seed)))
    let file = configured(limit: 16)
    var membership = Membership(file)
    var follower = Follower(membership.fleet)
    var busy: Set<Int> = []
    for _ in 0..<300 {
      let isQuiet = world.next(4) == 0
      if isQuiet { busy = [] }
      let delta =
        isQuiet
        ? membership.retry { busy.contains($0) }
        : membership.take(world.updates()) { busy.contains($0) }
      // Nobody gets an index whose last owner is not at rest yet.
      #expect(busy.isDisjoint(with: delta.fresh))
      busy.formUnion(delta.removed.map(\.endpoint.endpointIndex))
      follower.take(delta)
      #expect(follower.members == Follower(membership.fleet).members)
      let wanted = shown(file.resolved(world.table))
      for (index, used) in shown(membership.fleet).enumerated() {
        #expect(wanted[index].filter(Set(used).contains) == used)
        #expect(wanted[index].count == used.count + membership.leftOutCount(ofPool: index))
      }
      #expect(membership.fleet.endpointCount <= 16)
      if isQuiet, membership.isShort { #expect(membership.fleet.endpointCount == 16) }
    }
  }

  @Test func anEndpointThatGoesFromOneNameToAnotherKeepsItsIndex() throws {
    let file = configured()
    var membership = Membership(
      file, [.name("x"): members([host(7)]), .name("y"): members([host(7)])])
    let before = try #require(membership.fleet.pools[0].endpoints.first { $0.baseWeight == 1 })
    let delta = membership.take([update("x", .remove(members([host(7)])))]) { _ in false }
    #expect(delta.added.isEmpty && delta.updated.count == 1)
    #expect(delta.updated[0].endpoint.endpointIndex == before.endpointIndex)
    #expect(delta.updated[0].endpoint.baseWeight == 2)
    // At port 81 only x had it.
    #expect(delta.removed.map(\.endpoint.address.port) == [81])
  }

  @Test func whatComesAndGoesAtOnceHasNotChanged() {
    var membership = Membership(configured())
    let delta = membership.take(
      [update("x", .add(members([host(7)]))), update("x", .remove(members([host(7)])))]
    ) { _ in false }
    #expect(delta.isEmpty && delta.fresh.isEmpty)
  }

  @Test func aReloadWithOtherEndpointsOnlyIsADelta() {
    var membership = Membership(configured(), [.name("x"): members([host(7)])])
    var follower = Follower(membership.fleet)
    var next = configured()
    next.pools[0].endpoints[0].baseWeight = 4
    next.pools[0].endpoints.removeLast()
    next.pools[2].endpoints = [Endpoint(address: .loopback(port: 5))]
    #expect(!next.differsBeyondMembers(from: membership.configured))
    let delta = membership.replace(next, [.name("x"): members([host(7), host(8)])]) { _ in
      false
    }
    #expect(delta.added.count == 3 && delta.removed.count == 1 && delta.updated.count == 1)
    follower.take(delta)
    #expect(follower.members == Follower(membership.fleet).members)
    next.pools[1].retries.retriesMax = 0
    #expect(next.differsBeyondMembers(from: membership.configured))
  }

  private static let source = MemberSet.source(pool: "c", label: "file")

  private func withSource() -> Fleet {
    var fleet = configured()
    var source = DiscoverySource(.file, target: "x")
    source.template.baseWeight = 2
    fleet.pools[2].sources = [source]
    fleet.pools[2].endpoints = [Endpoint(address: .loopback(port: 1), baseWeight: 9)]
    return fleet
  }

  private func member(_ port: UInt16, uid: String? = nil, weight: Double? = nil) -> Member {
    var member = Member(address: .loopback(port: port))
    (member.uid, member.weight) = (uid, weight)
    return member
  }

  @Test func membersOfASourceHaveItsSettingsUnlessTheySayOtherwise() {
    var membership = Membership(withSource())
    let delta = membership.take(
      [
        MemberUpdate(set: Self.source, .reset([member(3, weight: 5), member(2), member(1)])),
        MemberUpdate(set: .runtime(pool: "c"), .add([member(3), member(4)])),
      ]
    ) { _ in false }
    #expect(
      shown(membership.fleet)[2] == [
        "127.0.0.1:1 9.0", "127.0.0.1:2 2.0", "127.0.0.1:3 5.0", "127.0.0.1:4 1.0",
      ])
    #expect(delta.added.count == 3)
    var draining = member(2)
    draining.isDraining = true
    let next = membership.take([MemberUpdate(set: Self.source, .add([draining]))]) { _ in false }
    #expect(next.updated.map(\.endpoint.baseWeight) == [0])
    // What was added at run time has it now.
    let last = membership.take([MemberUpdate(set: Self.source, .remove([member(3)]))]) { _ in false
    }
    #expect(last.removed.isEmpty && last.updated.map(\.endpoint.baseWeight) == [1])
  }

  @Test func anotherUidAtTheSameAddressIsAnotherEndpoint() throws {
    var membership = Membership(
      withSource(), [Self.source: [member(2, uid: "a"), member(3, uid: "b")]])
    var follower = Follower(membership.fleet)
    let before = try #require(membership.fleet.pools[2].endpoints.first { $0.uid == "a" })
    let delta = membership.take(
      [MemberUpdate(set: Self.source, .add([member(2, uid: "c"), member(3, uid: "b", weight: 4)]))]
    ) { $0 == before.endpointIndex }
    #expect(delta.removed.map(\.endpoint.uid) == ["a"] && delta.added.map(\.endpoint.uid) == ["c"])
    #expect(delta.added[0].endpoint.endpointIndex != before.endpointIndex)
    #expect(delta.fresh == delta.added.map(\.endpoint.endpointIndex))
    #expect(delta.updated.map(\.endpoint.uid) == ["b"])
    follower.take(delta)
    #expect(follower.members == Follower(membership.fleet).members)
    // The first one comes back within its rest: with its index and its numbers.
    let back = membership.take([MemberUpdate(set: Self.source, .add([member(2, uid: "a")]))]) {
      _ in true
    }
    #expect(back.added.map(\.endpoint.endpointIndex) == [before.endpointIndex])
    #expect(back.fresh.isEmpty)
  }
}
