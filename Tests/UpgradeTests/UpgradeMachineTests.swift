// Every way in which a successor starts or fails to.
import Primitives
import Testing

@testable import Upgrade

@Suite struct UpgradeMachineTests {
  private static let hello = UpgradeMessage.Hello(version: 1, program: "2.0")

  private func machine(_ messages: UpgradeMessage...) -> UpgradeMachine {
    var machine = UpgradeMachine(now: .zero, readyTimeout: .seconds(60))
    for message in messages { _ = machine.take(message) }
    return machine
  }

  private func failure(_ step: UpgradeMachine.Step) -> UpgradeMachine.Failure? {
    if case .fail(let failure) = step { failure } else { nil }
  }

  @Test func aSuccessorGetsEverythingAndThenTakesOver() {
    var machine = machine()
    #expect(machine.take(.hello(Self.hello)) == .pass)
    #expect(machine.program == "2.0")
    #expect(machine.turn(now: .seconds(59)) == .none)
    #expect(machine.take(.ready) == .commit)
    #expect(machine.phase == .committed)
    // What happens to it later is no failure of the upgrade.
    #expect(machine.lost("signal 9") == .none)
    #expect(machine.turn(now: .seconds(600)) == .none)
    #expect(machine.take(.refused(.init(exitCode: 1, lines: []))) == .none)
  }

  @Test func silenceIsAFailure() {
    var silent = machine()
    #expect(silent.turn(now: .seconds(9.9)) == .none)
    #expect(failure(silent.turn(now: .seconds(10)))?.reason.contains("said nothing") == true)
    #expect(silent.phase == .failed)
    #expect(silent.turn(now: .seconds(11)) == .none)
    var slow = machine(.hello(Self.hello))
    #expect(slow.turn(now: .seconds(59.9)) == .none)
    #expect(failure(slow.turn(now: .seconds(60)))?.reason.contains("not ready in time") == true)
    #expect(UpgradeMachine(now: .zero, readyTimeout: .seconds(2)).dueAt == .seconds(2))
  }

  @Test func anEndIsAFailureAndSaysHow() {
    var early = machine()
    #expect(
      failure(early.lost("exit code 69"))?.reason
        == "the new process ended before it said anything: exit code 69")
    var late = machine(.hello(Self.hello))
    #expect(
      failure(late.lost("signal 9"))?.reason
        == "the new process ended before it was ready: signal 9")
    #expect(late.lost("signal 9") == .none)
  }

  @Test func aRefusalIsAFailureWithItsLines() {
    let refusal = UpgradeMessage.Refusal(exitCode: 78, lines: ["a.yaml:1:1: error: no"])
    var told = machine(.hello(Self.hello))
    let found = failure(told.take(.refused(refusal)))
    #expect(found?.lines == refusal.lines)
    #expect(found?.reason == "the new process cannot serve (exit code 78)")
    var early = machine()
    #expect(failure(early.take(.refused(refusal)))?.lines == refusal.lines)
  }

  @Test func whatIsOutOfOrderIsAFailure() {
    var unheard = machine()
    #expect(failure(unheard.take(.ready)) != nil)
    var twice = machine(.hello(Self.hello))
    #expect(failure(twice.take(.hello(Self.hello))) != nil)
    var mirrored = machine(.hello(Self.hello))
    #expect(failure(mirrored.take(.commit(page: []))) != nil)
  }

  @Test func anotherVersionOfTheProtocolIsAFailure() {
    var machine = machine()
    let step = machine.take(.hello(UpgradeMessage.Hello(version: 2, program: "3.0")))
    #expect(failure(step)?.reason.contains("version 2 of the upgrade protocol") == true)
  }
}
