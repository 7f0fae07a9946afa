import Fleet
import Primitives
import Testing

@testable import Discovery

private func address(_ last: UInt8) -> HostAddress { HostAddress(bytes: [10, 0, 0, last]) }

private func fleet(_ hosts: [String], _ change: (inout NamePolicy) -> Void = { _ in }) -> Fleet {
  var fleet = Fleet()
  var pool = Pool(name: "p", endpoints: [])
  pool.names = hosts.map {
    NamedEndpoint(host: $0, port: 80, template: Endpoint(address: .loopback(port: 0)))
  }
  fleet.pools = [pool]
  change(&fleet.names)
  return fleet
}

private func seconds(_ count: Int) -> Nanoseconds { .seconds(count) }

/// The addresses of each name.
private func hosts(_ source: NameSource) -> [String: [HostAddress]] {
  Dictionary(
    uniqueKeysWithValues: source.table.map { set, members in
      guard case .name(let host) = set else { return ("", []) }
      return (host, members.map(\.host))
    })
}

@Suite struct NameSourceTests {
  @Test func aNameIsAskedForAtOnceAndAnIntervalAfterEachAnswer() {
    var source = NameSource()
    source.apply(fleet(["a", "b", "a"]), now: seconds(10))
    #expect(source.nextDue == seconds(10))
    #expect(source.due(now: seconds(10)) == ["a", "b"])
    #expect(source.due(now: seconds(11)) == [])
    #expect(
      source.finished("a", .addresses([address(1)]), now: seconds(12), wall: seconds(99))
        == [MemberUpdate(set: .name("a"), .reset([Member(host: address(1))]))])
    #expect(source.due(now: seconds(14)) == [])
    #expect(source.due(now: seconds(17)) == ["a"])
    #expect(hosts(source) == ["a": [address(1)]])
    #expect(source.states[0].lastSuccessWall == seconds(99))
    #expect(source.finished("c", .addresses([address(1)]), now: seconds(17), wall: .zero) == [])
  }

  @Test func theOrderOfAnAnswerSaysNothing() {
    var source = NameSource()
    source.apply(fleet(["a"]), now: .zero)
    _ = source.due(now: .zero)
    let both = [address(2), address(1), address(2)]
    #expect(source.finished("a", .addresses(both), now: .zero, wall: .zero).count == 1)
    _ = source.due(now: seconds(5))
    let turned = [address(1), address(2)]
    #expect(source.finished("a", .addresses(turned), now: seconds(5), wall: .zero) == [])
    #expect(hosts(source)["a"] == [address(1), address(2)])
    #expect(source.changes.count == 1)
  }

  @Test func anAdditionComesBeforeARemoval() {
    var source = NameSource()
    source.apply(fleet(["a"]), now: .zero)
    _ = source.due(now: .zero)
    _ = source.finished("a", .addresses([address(1), address(2)]), now: .zero, wall: .zero)
    _ = source.due(now: seconds(5))
    let next = [address(2), address(3)]
    #expect(
      source.finished("a", .addresses(next), now: seconds(5), wall: .zero) == [
        MemberUpdate(set: .name("a"), .add([Member(host: address(3))])),
        MemberUpdate(set: .name("a"), .remove([Member(host: address(1))])),
      ])
  }

  @Test(arguments: [NameAnswer.failed("x"), .addresses([])])
  func whatBringsNoAddressTakesNoneAway(_ bad: NameAnswer) {
    var source = NameSource()
    source.apply(fleet(["a"]), now: .zero)
    _ = source.due(now: .zero)
    _ = source.finished("a", .addresses([address(1)]), now: .zero, wall: seconds(1))
    for second in 1...3 {
      _ = source.due(now: seconds(5 * second))
      #expect(source.finished("a", bad, now: seconds(5 * second), wall: seconds(2)) == [])
    }
    #expect(hosts(source)["a"] == [address(1)])
    #expect(source.states[0].count(.failed) == 3 && source.states[0].count(.ok) == 1)
    #expect(source.states[0].lastSuccessWall == seconds(1))
    // The beginning of trouble is one change, its end another.
    #expect(source.changes.count == 2)
    _ = source.due(now: seconds(20))
    #expect(source.finished("a", .addresses([address(1)]), now: seconds(20), wall: .zero) == [])
    #expect(source.changes.count == 3 && source.changes.entries.last?.failure == nil)
  }

  @Test func aLateAnswerIsATimeoutOnceAndStillCounts() {
    var source = NameSource()
    source.apply(fleet(["a"]) { $0.timeout = seconds(2) }, now: .zero)
    _ = source.due(now: .zero)
    #expect(source.nextDue == seconds(2) && !source.isTried)
    #expect(source.due(now: seconds(2)) == [])
    #expect(source.states[0].count(.timeout) == 1 && source.isTried)
    // It is not asked for again while somebody still waits for the answer.
    #expect(source.nextDue == .distantFuture)
    #expect(source.due(now: seconds(60)) == [])
    #expect(source.states[0].count(.timeout) == 1)
    #expect(
      source.finished("a", .addresses([address(1)]), now: seconds(61), wall: .zero).count == 1)
    #expect(source.states[0].count(.ok) == 0 && source.states[0].failure == nil)
    #expect(source.due(now: seconds(66)) == ["a"])
  }

  @Test func atMost256AddressesAreUsedWhateverTheirOrder() {
    var source = NameSource()
    source.apply(fleet(["a"]), now: .zero)
    _ = source.due(now: .zero)
    let many = (0..<300).map { HostAddress(bytes: [10, 0, UInt8($0 / 256), UInt8($0 % 256)]) }
    #expect(source.finished("a", .addresses(many), now: .zero, wall: .zero).count == 1)
    #expect(hosts(source)["a"]?.count == 256)
    #expect(source.changes.entries[0].leftOut == 44)
    _ = source.due(now: seconds(5))
    #expect(source.finished("a", .addresses(many.reversed()), now: seconds(5), wall: .zero) == [])
  }

  @Test func aReloadKeepsWhatIsKnownOfNamesThatStay() {
    var source = NameSource()
    source.apply(fleet(["a", "b"]), now: .zero)
    _ = source.due(now: .zero)
    _ = source.finished("a", .addresses([address(1)]), now: .zero, wall: .zero)
    source.apply(fleet(["c", "a"]), now: seconds(1))
    #expect(hosts(source) == ["a": [address(1)]])
    #expect(source.finished("b", .addresses([address(2)]), now: seconds(1), wall: .zero) == [])
    #expect(source.due(now: seconds(1)) == ["c"])
    source.apply(fleet(["a"]) { $0.interval = seconds(1) }, now: seconds(2))
    #expect(source.due(now: seconds(3)) == ["a"])
  }
}
