import Fleet
import Primitives
import Testing

private func host(_ last: UInt8) -> HostAddress { HostAddress(bytes: [10, 0, 0, last]) }

private func table(_ sets: [String: [HostAddress]]) -> [MemberSet: [Member]] {
  Dictionary(uniqueKeysWithValues: sets.map { (.name($0.key), $0.value.map(Member.init(host:))) })
}

private func named(_ host: String, weight: Double, port: UInt16 = 80) -> NamedEndpoint {
  NamedEndpoint(
    host: host, port: port,
    template: Endpoint(address: .loopback(port: 0), baseWeight: weight))
}

private func shown(_ fleet: Fleet) -> [String] {
  fleet.pools.flatMap { $0.endpoints.map { "\($0.address) \($0.baseWeight)" } }
}

private func fleet(_ endpoints: [Endpoint], _ names: [NamedEndpoint]) -> Fleet {
  var fleet = Fleet()
  var pool = Pool(name: "p", endpoints: endpoints)
  pool.names = names
  fleet.pools = [pool]
  return fleet
}

@Suite struct ResolutionTests {
  @Test func everyAddressOfANameIsAnEndpointWithTheEntrysWeight() {
    let fleet = fleet(
      [Endpoint(address: SocketAddress("10.0.0.9:80")!)], [named("a", weight: 3)])
    #expect(
      shown(fleet.resolved(table(["a": [host(1), host(2)], "other": [host(7)]]))) == [
        "10.0.0.9:80 1.0", "10.0.0.1:80 3.0", "10.0.0.2:80 3.0",
      ])
    #expect(fleet.hostNames == ["a"] && fleet.nameCount == 1)
  }

  @Test func anAddressOfSeveralEntriesIsOneEndpointTheFirst() {
    let fleet = fleet(
      [Endpoint(address: SocketAddress("10.0.0.1:80")!, baseWeight: 7)],
      [named("a", weight: 2), named("b", weight: 3), named("a", weight: 4, port: 81)])
    #expect(
      shown(fleet.resolved(table(["a": [host(1), host(2)], "b": [host(2), host(3)]]))) == [
        "10.0.0.1:80 7.0", "10.0.0.2:80 2.0", "10.0.0.3:80 3.0", "10.0.0.1:81 4.0",
        "10.0.0.2:81 4.0",
      ])
    #expect(fleet.hostNames == ["a", "b"])
  }

  @Test func aNameThatIsNotKnownHasNoEndpoint() {
    #expect(shown(fleet([], [named("a", weight: 1)]).resolved([:])).isEmpty)
  }

  @Test func ipv4ComesBeforeIPv6AndBothInOrder() {
    let six = HostAddress(bytes: [UInt8](repeating: 0, count: 16))
    #expect([six, host(2), host(1)].sorted() == [host(1), host(2), six])
    #expect(NameFamily.any.takes(byteCount: 16) && NameFamily.ipv6.takes(byteCount: 16))
    #expect(!NameFamily.ipv4.takes(byteCount: 16) && !NameFamily.ipv6.takes(byteCount: 4))
  }
}

@Suite struct FleetDifferenceTests {
  private static func sample() -> Fleet {
    var fleet = fleet([Endpoint(address: SocketAddress("10.0.0.1:80")!)], [named("a", weight: 1)])
    fleet.pools[0].health = HealthPolicy()
    fleet.pools[0].weights.scrapes = [ScrapeSource(signals: [])]
    fleet.listeners = [
      Listener(address: SocketAddress("0.0.0.0:80")!, routes: [Route(pathPrefix: "/", pool: 0)])
    ]
    return fleet
  }

  private static let rows: [(String, @Sendable (inout Fleet) -> Void, [String])] = [
    ("nothing", { _ in }, []),
    ("a endpointIndex", { $0.pools[0].endpoints[0].endpointIndex = 4 }, []),
    (
      "weight", { $0.pools[0].endpoints[0].baseWeight = 2 },
      ["endpoint 10.0.0.1:80 of pool p changed"]
    ),
    ("policy", { $0.pools[0].retries.retriesMax = 0 }, ["pool p changed"]),
    ("route", { $0.listeners[0].routes[0].logsAccess = false }, ["listener 0.0.0.0:80 changed"]),
    (
      "listener TLS", { $0.listeners[0].tls = ServerTLS(certificates: [.directory("/c")]) },
      ["listener 0.0.0.0:80: tls changed"]
    ),
    (
      "admin TLS", { $0.adminTLS = ServerTLS(certificates: [.directory("/c")]) },
      ["admin: tls changed"]
    ),
    (
      // What inherits it is no change of its own.
      "pool TLS",
      {
        $0.pools[0].tls = ClientTLS()
        $0.pools[0].health?.tls = ClientTLS()
        $0.pools[0].weights.scrapes[0].tls = ClientTLS()
      },
      ["pool p: tls changed"]
    ),
    ("check TLS", { $0.pools[0].health?.tls = ClientTLS() }, ["pool p changed"]),
    ("log", { $0.accessLog.destination = .standardOutput }, ["access_log changed"]),
    ("dns", { $0.names.interval = .seconds(9) }, ["dns changed"]),
    ("upgrade", { $0.upgrade.drainTimeout = .zero }, ["upgrade changed"]),
    ("state", { $0.stateFile = "/s" }, ["state_file changed"]),
    ("end", { $0.shutdownTimeout = .zero }, ["shutdown_timeout changed"]),
    (
      "endpoint", { $0.pools[0].endpoints = [] }, ["endpoint 10.0.0.1:80 of pool p removed"]
    ),
    (
      "name", { $0.pools[0].names = [named("b", weight: 1)] },
      ["host name b:80 of pool p added", "host name a:80 of pool p removed"]
    ),
    (
      // The same pool at another place is the same pool.
      "order",
      {
        $0.pools.insert(Pool(name: "q", endpoints: []), at: 0)
        $0.listeners[0].routes[0].action = .pool(1)
      }, ["pool q added"]
    ),
    (
      "pool", { $0.pools[0].name = "q" },
      [
        "listener 0.0.0.0:80 changed", "pool q added", "pool p removed",
        "endpoint 10.0.0.1:80 of pool q added", "endpoint 10.0.0.1:80 of pool p removed",
        "host name a:80 of pool q added", "host name a:80 of pool p removed",
      ]
    ),
    ("listener", { $0.listeners = [] }, ["listener 0.0.0.0:80 removed"]),
  ]

  @Test(arguments: rows.indices)
  func changesAreSaidInWords(_ index: Int) {
    let (_, change, expected) = Self.rows[index]
    var fleet = Self.sample()
    change(&fleet)
    #expect(FleetDifference.lines(from: Self.sample(), to: fleet) == expected)
  }
}

private func delta(removed: [Int] = [], added: [Int] = []) -> MembershipDelta {
  func members(_ indexes: [Int]) -> [MembershipDelta.Member] {
    indexes.map {
      var endpoint = Endpoint(address: .loopback(port: 1))
      endpoint.endpointIndex = $0
      return MembershipDelta.Member(pool: 0, endpoint)
    }
  }
  var delta = MembershipDelta()
  (delta.removed, delta.added) = (members(removed), members(added))
  return delta
}

@Suite struct IndexQuarantineTests {
  @Test func aSlotRestsUntilAllWorkersLeftItAndItWasQuietForASecond() {
    var quarantine = IndexQuarantine()
    quarantine.note(delta(removed: [1], added: [3]), revision: 7)
    #expect(quarantine.holds(1) && !quarantine.holds(2) && !quarantine.holds(3))
    func observe(_ second: Int, adopted: UInt64, inFlight: UInt64 = 0) {
      quarantine.observe(now: .seconds(second), adopted: adopted) { _ in inFlight == 0 }
    }
    observe(0, adopted: 6)
    observe(10, adopted: 6)
    #expect(quarantine.holds(1))
    observe(11, adopted: 7, inFlight: 1)
    observe(12, adopted: 7)
    #expect(quarantine.holds(1))
    // Busy again: the rest begins anew.
    observe(13, adopted: 7, inFlight: 1)
    observe(14, adopted: 8)
    observe(14, adopted: 8)
    #expect(quarantine.holds(1))
    observe(15, adopted: 8)
    #expect(!quarantine.holds(1) && quarantine.isEmpty)
  }

  @Test func anEndpointThatReturnsTakesItsSlotOutOfRest() {
    var quarantine = IndexQuarantine()
    quarantine.note(delta(removed: [1]), revision: 2)
    quarantine.note(delta(added: [1]), revision: 3)
    #expect(quarantine.isEmpty)
  }
}
