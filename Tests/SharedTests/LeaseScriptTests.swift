import Primitives
import Shared
import Testing

@Suite struct LeaseScriptTests {
  private func integers(_ numbers: Int64...) -> RESPValue { .array(numbers.map(RESPValue.integer)) }

  @Test func readsTheReplyOfTheScript() {
    let reply = LeaseScript.reply(
      integers(3, 1_700_000_000_000_000, 5, 1_000, 0, 0, 2, 7), count: 2)
    #expect(reply?.replicas == 3)
    #expect(reply?.time == 1_700_000_000_000_000)
    #expect(
      reply?.answers == [
        LeaseAnswer(grant: 5, untilFull: .milliseconds(1), wait: .zero),
        LeaseAnswer(grant: 0, untilFull: Nanoseconds(2_000), wait: Nanoseconds(7_000)),
      ])
  }

  @Test func refusesWhatIsNotTheScripts() {
    let one = integers(1, 1, 1, 1, 1)
    #expect(LeaseScript.reply(one, count: 1) != nil)
    #expect(LeaseScript.reply(one, count: 2) == nil)
    #expect(LeaseScript.reply(one, count: 0) == nil)
    #expect(LeaseScript.reply(integers(1, 1, -1, 1, 1), count: 1) == nil)
    #expect(LeaseScript.reply(integers(1, 1, 1, .max, 1), count: 1) == nil)
    #expect(LeaseScript.reply(.array([.simple("1"), .integer(1)]), count: 0) == nil)
    #expect(LeaseScript.reply(.array(nil), count: 0) == nil)
    #expect(LeaseScript.reply(.simple("OK"), count: 0) == nil)
  }

  @Test func numbersOfAHostileServerAreBounded() {
    let reply = LeaseScript.reply(integers(1 << 53, 1 << 53, 1 << 53, 1 << 53, 1 << 53), count: 1)
    #expect(reply?.replicas == 1_000)
    #expect(reply?.answers[0].grant == 1_000_000)
    #expect(reply?.answers[0].untilFull ?? .zero > .zero)
    let none = LeaseScript.reply(integers(0, 0), count: 0)
    #expect(none?.replicas == 1)
  }

  @Test func aLateCallHasAnEmptyReply() {
    #expect(LeaseScript.isLate(.array([])))
    #expect(!LeaseScript.isLate(.array(nil)))
    #expect(!LeaseScript.isLate(integers(1, 1)))
  }
}
