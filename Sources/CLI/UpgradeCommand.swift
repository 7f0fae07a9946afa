// `steelyard upgrade`: a running steelyard is replaced by a new process, and the command waits for
// that.
import Admin
import HTTP
import IO
import Primitives
import Terminal

enum UpgradeCommand {
  private static let pause = Nanoseconds.milliseconds(100)
  /// How long nobody may answer: the new process answers what the old one does not any more.
  private static let silenceMax = Nanoseconds.seconds(10)

  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let session = try AdminSession(arguments)
    return session.carryOut { () throws(CommandFailure) in
      let begun = try session.read(.post, "upgrade") as UpgradeState
      let end = try wait(session, begun.process)
      guard end.process.id != begun.process.id else {
        let lines = [end.reason ?? "the upgrade failed"] + end.errors
        throw CommandFailure(
          code: .refused,
          message: lines.joined(separator: "\n") + "\n" + "\(text(end.process)) goes on")
      }
      Console.out(SafeText.of("\(text(begun.process)) is replaced by \(text(end.process))"))
    }
  }

  /// The state when the upgrade is over, of whichever process is in charge then.
  private static func wait(
    _ session: AdminSession, _ old: UpgradeState.Process
  ) throws(CommandFailure) -> UpgradeState {
    var heardAt = Clock.now
    while true {
      Clock.pause(pause)
      do throws(CommandFailure) {
        let state = try session.read(.get, "upgrade") as UpgradeState
        if state.process.id != old.id || state.phase == .failed { return state }
        heardAt = Clock.now
      } catch {
        // The old process has closed the connection, and the new one does not answer yet.
        if error.code != .unavailable || Clock.now - heardAt > silenceMax { throw error }
      }
    }
  }

  private static func text(_ process: UpgradeState.Process) -> String {
    "process \(process.id)" + (process.version.map { " (steelyard \($0))" } ?? "")
  }
}
