import Discovery
import Fleet
import Primitives
import Testing

private func member(_ port: UInt16, weight: Double? = nil) -> Member {
  var member = Member(address: .loopback(port: port))
  member.weight = weight
  return member
}

private let set = MemberSet.runtime(pool: "p")

@Suite struct RuntimeMembersTests {
  @Test func anEndpointIsAddedChangedRenewedAndRemoved() {
    var members = RuntimeMembers()
    func put(_ member: Member, at second: Int) -> RuntimeMembers.Outcome {
      members.set(
        member, pool: "p", lasts: .seconds(10), persists: false, now: .seconds(second))
    }
    #expect(put(member(1), at: 0) == .added)
    #expect(members.turn(now: .zero) == [MemberUpdate(set: set, .add([member(1)]))])
    #expect(put(member(1), at: 5) == .renewed)
    #expect(members.turn(now: .seconds(5)).isEmpty)
    #expect(put(member(1, weight: 2), at: 6) == .changed)
    #expect(
      members.turn(now: .seconds(6)) == [MemberUpdate(set: set, .add([member(1, weight: 2)]))])
    let isRemoved = members.remove(.loopback(port: 1), pool: "p")
    let again = members.remove(.loopback(port: 1), pool: "p")
    #expect(isRemoved && !again)
    #expect(
      members.turn(now: .seconds(6)) == [MemberUpdate(set: set, .remove([member(1, weight: 2)]))])
    #expect(
      members.takeChanges().map { [$0.added, $0.removed, $0.count] } == [
        [1, 0, 1], [0, 0, 1], [0, 1, 0],
      ])
  }

  @Test func whoIsNotRenewedIsDropped() {
    var members = RuntimeMembers()
    _ = members.set(member(1), pool: "p", lasts: .seconds(10), persists: false, now: .zero)
    _ = members.set(member(2), pool: "p", lasts: nil, persists: false, now: .zero)
    _ = members.turn(now: .zero)
    #expect(members.nextDue == .seconds(10))
    #expect(members.turn(now: .seconds(9)).isEmpty)
    #expect(
      members.turn(now: .seconds(10)) == [MemberUpdate(set: set, .remove([member(1)]))])
    #expect(members.nextDue == .distantFuture && members.count == 1)
    #expect(members.table == [set: [member(2)]])
  }

  @Test func thereIsAMost() {
    var members = RuntimeMembers()
    for index in 0..<RuntimeMembers.countMax {
      let address = SocketAddress(bytes: [10, 0, UInt8(index >> 8), UInt8(index & 255)], port: 1)
      _ = members.set(
        Member(address: address), pool: "p", lasts: nil, persists: false, now: .zero)
    }
    let outcome = members.set(member(1), pool: "p", lasts: nil, persists: false, now: .zero)
    #expect(outcome == .refused)
    #expect(members.count == RuntimeMembers.countMax)
  }

  @Test func onlyWhatPersistsMovesTheRevision() {
    var members = RuntimeMembers()
    _ = members.set(member(1), pool: "p", lasts: .seconds(1), persists: false, now: .zero)
    #expect(members.persistentRevision == 0)
    _ = members.set(member(2), pool: "p", lasts: nil, persists: true, now: .zero)
    #expect(members.persistentRevision == 1)
    _ = members.set(member(2), pool: "p", lasts: nil, persists: true, now: .seconds(1))
    #expect(members.persistentRevision == 1)
    _ = members.remove(.loopback(port: 2), pool: "p")
    #expect(members.persistentRevision == 2)
  }
}
