import Fleet
import Primitives
import Testing

@testable import Controller

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

@Suite struct NameWatchTests {
  @Test func aNameIsAskedForAtOnceAndAnIntervalAfterEachAnswer() {
    var watch = NameWatch()
    watch.apply(fleet(["a", "b", "a"]), now: seconds(10))
    #expect(watch.nextDue == seconds(10))
    #expect(watch.due(now: seconds(10)) == ["a", "b"])
    #expect(watch.due(now: seconds(11)) == [])
    #expect(
      watch.finished("a", .addresses([address(1)]), now: seconds(12), wall: seconds(99)) == true)
    #expect(watch.due(now: seconds(14)) == [])
    #expect(watch.due(now: seconds(17)) == ["a"])
    #expect(watch.table == ["a": [address(1)]])
    #expect(watch.states[0].lastSuccessWall == seconds(99))
    #expect(watch.finished("c", .addresses([address(1)]), now: seconds(17), wall: .zero) == false)
  }

  @Test func theOrderOfAnAnswerSaysNothing() {
    var watch = NameWatch()
    watch.apply(fleet(["a"]), now: .zero)
    _ = watch.due(now: .zero)
    let both = [address(2), address(1), address(2)]
    #expect(watch.finished("a", .addresses(both), now: .zero, wall: .zero) == true)
    _ = watch.due(now: seconds(5))
    let turned = [address(1), address(2)]
    #expect(watch.finished("a", .addresses(turned), now: seconds(5), wall: .zero) == false)
    #expect(watch.table["a"] == [address(1), address(2)])
    #expect(watch.changes.count == 1)
  }

  @Test(arguments: [NameAnswer.failed("x"), .addresses([])])
  func whatBringsNoAddressTakesNoneAway(_ bad: NameAnswer) {
    var watch = NameWatch()
    watch.apply(fleet(["a"]), now: .zero)
    _ = watch.due(now: .zero)
    _ = watch.finished("a", .addresses([address(1)]), now: .zero, wall: seconds(1))
    for second in 1...3 {
      _ = watch.due(now: seconds(5 * second))
      #expect(watch.finished("a", bad, now: seconds(5 * second), wall: seconds(2)) == false)
    }
    #expect(watch.table["a"] == [address(1)])
    #expect(watch.states[0].count(.failed) == 3 && watch.states[0].count(.ok) == 1)
    #expect(watch.states[0].lastSuccessWall == seconds(1))
    // The beginning of trouble is one change, its end another.
    #expect(watch.changes.count == 2)
    _ = watch.due(now: seconds(20))
    #expect(watch.finished("a", .addresses([address(1)]), now: seconds(20), wall: .zero) == false)
    #expect(watch.changes.count == 3 && watch.changes.entries.last?.failure == nil)
  }

  @Test func aLateAnswerIsATimeoutOnceAndStillCounts() {
    var watch = NameWatch()
    watch.apply(fleet(["a"]) { $0.timeout = seconds(2) }, now: .zero)
    _ = watch.due(now: .zero)
    #expect(watch.nextDue == seconds(2) && !watch.isTried)
    #expect(watch.due(now: seconds(2)) == [])
    #expect(watch.states[0].count(.timeout) == 1 && watch.isTried)
    // It is not asked for again while somebody still waits for the answer.
    #expect(watch.nextDue == .distantFuture)
    #expect(watch.due(now: seconds(60)) == [])
    #expect(watch.states[0].count(.timeout) == 1)
    #expect(watch.finished("a", .addresses([address(1)]), now: seconds(61), wall: .zero) == true)
    #expect(watch.states[0].count(.ok) == 0 && watch.states[0].failure == nil)
    #expect(watch.due(now: seconds(66)) == ["a"])
  }

  @Test func atMost256AddressesAreUsedWhateverTheirOrder() {
    var watch = NameWatch()
    watch.apply(fleet(["a"]), now: .zero)
    _ = watch.due(now: .zero)
    let many = (0..<300).map { HostAddress(bytes: [10, 0, UInt8($0 / 256), UInt8($0 % 256)]) }
    #expect(watch.finished("a", .addresses(many), now: .zero, wall: .zero) == true)
    #expect(watch.table["a"]?.count == 256)
    #expect(watch.changes.entries[0].leftOut == 44)
    _ = watch.due(now: seconds(5))
    #expect(watch.finished("a", .addresses(many.reversed()), now: seconds(5), wall: .zero) == false)
  }

  @Test func aReloadKeepsWhatIsKnownOfNamesThatStay() {
    var watch = NameWatch()
    watch.apply(fleet(["a", "b"]), now: .zero)
    _ = watch.due(now: .zero)
    _ = watch.finished("a", .addresses([address(1)]), now: .zero, wall: .zero)
    watch.apply(fleet(["c", "a"]), now: seconds(1))
    #expect(watch.table == ["a": [address(1)]])
    #expect(watch.finished("b", .addresses([address(2)]), now: seconds(1), wall: .zero) == false)
    #expect(watch.due(now: seconds(1)) == ["c"])
    watch.apply(fleet(["a"]) { $0.interval = seconds(1) }, now: seconds(2))
    #expect(watch.due(now: seconds(3)) == ["a"])
  }
}
