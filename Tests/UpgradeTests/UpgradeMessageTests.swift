// Messages come out as they went in, and those of another version do no harm.
import IO
import Primitives
import Testing

@testable import Upgrade

@Suite struct UpgradeMessageTests {
  private func received(_ socket: FrameSocket) throws -> UpgradeMessage? {
    let frame = try #require(socket.next())
    return UpgradeMessage(frame)
  }

  @Test func messagesComeOutAsTheyWentIn() throws {
    let (one, other) = try FrameSocket.pair()
    let hello = UpgradeMessage.Hello(version: 1, program: "1.2.3")
    one.send(.hello(hello))
    one.send(.refused(UpgradeMessage.Refusal(exitCode: 78, lines: ["ä", "b\n"])))
    one.send(.ready)
    one.send(.ending(seconds: 2.5))
    var record = UpgradeRecord()
    (record.process, record.program) = (7, "1.2.2")
    record.set("numbers", [1, 2])
    one.send(.record(record))
    one.send(.commit(page: [1, 2, 3]))
    one.send(.counters(page: []))
    guard case .hello(hello)? = try received(other),
      case .refused(let refusal)? = try received(other),
      case .ready? = try received(other), case .ending(2.5)? = try received(other),
      case .record(let again)? = try received(other),
      case .commit(let page)? = try received(other),
      case .counters(let empty)? = try received(other)
    else {
      Issue.record("another message")
      return
    }
    #expect(refusal.lines == ["ä", "b\n"] && refusal.exitCode == 78)
    #expect(again.process == 7 && again.part("numbers", [Int].self) == [1, 2])
    #expect(page == [1, 2, 3] && empty.isEmpty)
    #expect(other.next() == nil)
  }

  @Test func aPartThatIsMissingOrOfAnotherKindIsNone() {
    var record = UpgradeRecord()
    #expect(record.part("weights", [Int].self) == nil)
    record.set("weights", ["a": "b"])
    #expect(record.part("weights", [Int].self) == nil)
    #expect(record.part("weights", [String: String].self) == ["a": "b"])
  }

  @Test func unknownKindsAndContentAreNoMessage() throws {
    let (one, other) = try FrameSocket.pair()
    one.send(200, [1, 2])
    one.send(1, Array("no JSON".utf8))
    one.send(1, Array(#"{"version": 1, "program": "9", "more": [1]}"#.utf8))
    // Sockets without their descriptors.
    one.send(16, Array(#"[{"listener": "127.0.0.1:80"}]"#.utf8))
    #expect(try received(other) == nil)
    #expect(try received(other) == nil)
    guard case .hello(let hello)? = try received(other) else {
      Issue.record("a field more is no harm")
      return
    }
    #expect(hello.program == "9")
    #expect(try received(other) == nil)
  }
}
