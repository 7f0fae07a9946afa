import Fleet
import Primitives
import Testing

@testable import Discovery

private func member(_ port: UInt16, weight: Double? = nil) -> Member {
  var member = Member(address: .loopback(port: port))
  member.weight = weight
  return member
}

private func seconds(_ count: Int) -> Nanoseconds { .seconds(count) }

private func book(acceptsEmpty: Bool = false) -> SourceBook {
  var source = DiscoverySource(.http, target: "/")
  source.acceptsEmpty = acceptsEmpty
  return SourceBook(source, pool: "p")
}

extension SourceBook {
  fileprivate mutating func take(_ ports: [UInt16], at second: Int) -> [MemberUpdate] {
    take(.members(ports.map { member($0) }), now: seconds(second), wall: seconds(1_000 + second))
  }
}

private let set = MemberSet.source(pool: "p", label: "http")

@Suite struct SourceBookTests {
  @Test func theFirstAnswerIsAResetAndLaterOnesAreWhatHasChanged() {
    var book = book()
    #expect(book.take([2, 1], at: 0) == [MemberUpdate(set: set, .reset([member(1), member(2)]))])
    #expect(book.take([1, 2], at: 1) == [])
    #expect(
      book.take([3, 2], at: 2) == [
        MemberUpdate(set: set, .add([member(3)])), MemberUpdate(set: set, .remove([member(1)])),
      ])
    #expect(book.state.memberCount == 2 && book.state.answerCount == 3)
    #expect(book.state.lastSuccessWall == seconds(1_002))
    #expect(book.state.lastChangeWall == seconds(1_002))
    let changed = book.take(
      .members([member(3, weight: 5), member(2)]), now: seconds(3), wall: seconds(3))
    #expect(changed == [MemberUpdate(set: set, .add([member(3, weight: 5)]))])
    #expect(
      book.takeChanges().map { [$0.added, $0.removed, $0.count] } == [
        [2, 0, 2], [1, 1, 2], [0, 0, 2],
      ])
  }

  @Test func theLastMembersStayThroughFailures() {
    var book = book()
    _ = book.take([1], at: 0)
    _ = book.takeChanges()
    for second in 1...3 {
      let verdict = SourceVerdict.failed(SourceFailure(.timeout, "no answer"))
      #expect(book.take(verdict, now: seconds(second), wall: .zero) == [])
    }
    #expect(book.state.memberCount == 1 && book.state.count(.timeout) == 3)
    #expect(book.state.failure == SourceFailure(.timeout, "no answer"))
    // A failure is told once, and its end too.
    #expect(book.takeChanges().map(\.failure) == ["no answer"])
    _ = book.take(.unchanged, now: seconds(4), wall: seconds(4))
    #expect(book.state.failure == nil)
    #expect(book.takeChanges().map(\.failure) == [nil])
  }

  @Test func anEmptyAnswerIsBelievedOnlyWhereItIsAccepted() {
    var careful = book()
    _ = careful.take([1], at: 0)
    #expect(careful.take([], at: 1) == [])
    #expect(careful.state.keepsThroughEmpty && careful.state.memberCount == 1)
    #expect(careful.take([2], at: 2).count == 2)
    #expect(!careful.state.keepsThroughEmpty)
    var trusting = book(acceptsEmpty: true)
    _ = trusting.take([1], at: 0)
    #expect(trusting.take([], at: 1) == [MemberUpdate(set: set, .remove([member(1)]))])
    #expect(!trusting.state.keepsThroughEmpty && trusting.state.memberCount == 0)
  }

  @Test func aSourceThatNeverHadMembersIsSimplyEmpty() {
    var book = book()
    #expect(book.take([], at: 0) == [])
    #expect(!book.state.keepsThroughEmpty && book.state.isTried)
  }

  @Test func whatAnotherProcessWasToldCountsUntilTheFirstAnswer() {
    var book = book()
    book.adopt([member(1), member(2)])
    #expect(book.state.memberCount == 2)
    #expect(book.take([], at: 0) == [] && book.state.keepsThroughEmpty)
    #expect(book.take([2], at: 1) == [MemberUpdate(set: set, .reset([member(2)]))])
    // Later it knows better.
    book.adopt([member(3)])
    #expect(book.take([2], at: 2) == [])
  }

  @Test func tooManyMembersAreAFailure() {
    var book = book()
    _ = book.take([1], at: 0)
    let many = (0...DiscoverySource.membersMax).map { index in
      Member(
        address: SocketAddress(bytes: [10, 0, UInt8(index >> 8), UInt8(index & 255)], port: 1))
    }
    #expect(book.take(.members(many), now: seconds(1), wall: .zero) == [])
    #expect(book.state.count(.tooLarge) == 1 && book.state.memberCount == 1)
  }

  @Test func anEndpointThatFlapsWaitsUntilItStays() {
    var book = book()
    _ = book.take([1, 2], at: 0)
    for round in 0..<3 {
      #expect(book.take([1], at: 2 * round + 1).count == 1)
      #expect(book.take([1, 2], at: 2 * round + 2).isEmpty == (round == 2))
    }
    #expect(book.state.heldBackCount == 1 && book.state.memberCount == 1)
    #expect(book.nextDue == seconds(7))
    #expect(book.turn(now: seconds(60), wall: .zero) == [])
    var second = 61
    while book.state.heldBackCount == 1, second < 400 {
      _ = book.turn(now: seconds(second), wall: .zero)
      second += 1
    }
    // Three points are one after 1.6 half-lives.
    #expect((90...110).contains(second) && book.state.memberCount == 2)
    #expect(book.nextDue == nil)
  }

  @Test func theLastEndpointIsNotHeldBack() {
    var book = book(acceptsEmpty: true)
    for round in 0..<6 {
      #expect(book.take([1], at: 2 * round).count == 1)
      #expect(book.take([], at: 2 * round + 1).count == 1)
    }
    _ = book.take([1], at: 20)
    #expect(book.state.memberCount == 1 && book.state.heldBackCount == 0)
  }

  @Test(arguments: 1...20)
  func updatesComeToTheLastAnswer(_ seed: Int) {
    var random = RandomSource(seed: UInt64(seed))
    var book = book(acceptsEmpty: true)
    var known: [SocketAddress: Member] = [:]
    for second in 0..<300 {
      let ports = (0..<Int(random.unit() * 8)).map { _ in UInt16(1 + random.unit() * 12) }
      let now = seconds(second * 200)
      var updates = book.take(.members(ports.map { member($0) }), now: now, wall: now)
      updates += book.turn(now: now + seconds(150), wall: now)
      for update in updates {
        switch update.change {
        case .reset(let all):
          known = Dictionary(uniqueKeysWithValues: all.map { ($0.address, $0) })
        case .add(let some): for member in some { known[member.address] = member }
        case .remove(let some):
          for member in some { #expect(known.removeValue(forKey: member.address) != nil) }
        }
      }
      #expect(Set(known.keys.map(\.port)) == Set(ports))
      #expect(book.state.memberCount == known.count)
    }
  }
}
