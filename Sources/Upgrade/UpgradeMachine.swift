// What the process in charge does while its successor starts: pure, with the time as an argument.
// Invariant: until the step `commit` the process in charge serves as before, and every other end
// is a failure after which the successor is ended.
package import Primitives

/// One upgrade, from the start of the successor to its end.
package struct UpgradeMachine: Sendable {
  /// How far the successor is.
  package enum Phase: Sendable, Equatable {
    /// It was started and has not said anything.
    case started
    /// It has the sockets and the record, and prepares.
    case preparing
    /// It is in charge.
    case committed
    /// It is over.
    case failed
  }

  /// What is to be done.
  package enum Step: Sendable, Equatable {
    case none
    /// Send the sockets and the record.
    case pass
    /// Hand over: the successor accepts connections.
    case commit
    /// End the successor, if it still runs; nothing else has changed.
    case fail(Failure)
  }

  /// Why there was no upgrade.
  package struct Failure: Error, Sendable, Equatable {
    /// What happened, as a sentence.
    package var reason: String
    /// What the successor said: sentences, or the errors of the configuration.
    package var lines: [String] = []
    package init(_ reason: String, lines: [String] = []) {
      (self.reason, self.lines) = (reason, lines)
    }
  }

  /// The time from the start to the first word. A program needs milliseconds.
  package static let helloTimeout = Nanoseconds.seconds(10)

  package private(set) var phase = Phase.started
  /// The version of the successor's program.
  package private(set) var program: String?
  private let helloDue: Nanoseconds
  private let readyDue: Nanoseconds

  /// `readyTimeout`: from now until the successor is ready.
  package init(now: Nanoseconds, readyTimeout: Nanoseconds) {
    helloDue = now + min(readyTimeout, Self.helloTimeout)
    readyDue = now + readyTimeout
  }

  /// When `turn` may have a step.
  package var dueAt: Nanoseconds { phase == .started ? helloDue : readyDue }

  /// Takes a message of the successor.
  package mutating func take(_ message: UpgradeMessage) -> Step {
    switch (phase, message) {
    case (.started, .hello(let hello)):
      program = hello.program
      guard hello.version == UpgradeMessage.version else {
        return fail(
          "the new program, steelyard \(hello.program), speaks version \(hello.version) of the "
            + "upgrade protocol, this one speaks \(UpgradeMessage.version): restart it")
      }
      phase = .preparing
      return .pass
    case (.started, .refused(let refusal)), (.preparing, .refused(let refusal)):
      return fail(
        "the new process cannot serve (exit code \(refusal.exitCode))", lines: refusal.lines)
    case (.preparing, .ready):
      phase = .committed
      return .commit
    case (.failed, _), (.committed, _): return .none
    default: return fail("the new process does not follow the upgrade protocol")
    }
  }

  /// Notes that the successor has ended, or its channel. `ending`: how it ended, if it did.
  package mutating func lost(_ ending: String?) -> Step {
    switch phase {
    case .started, .preparing:
      let when = phase == .started ? "before it said anything" : "before it was ready"
      return fail("the new process ended \(when)" + (ending.map { ": \($0)" } ?? ""))
    case .committed, .failed: return .none
    }
  }

  /// Notes the time.
  package mutating func turn(now: Nanoseconds) -> Step {
    switch phase {
    case .started where now >= helloDue: fail("the new process said nothing in time")
    case .preparing where now >= readyDue: fail("the new process was not ready in time")
    default: .none
    }
  }

  private mutating func fail(_ reason: String, lines: [String] = []) -> Step {
    phase = .failed
    return .fail(Failure(reason, lines: lines))
  }
}
