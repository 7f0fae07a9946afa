// `steelyard reload`: a running steelyard reads its file again.
import Admin
import HTTP
import Terminal

enum ReloadCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let session = try AdminSession(arguments)
    return session.carryOut { () throws(CommandFailure) in
      let changes = (try session.read(.post, "reload") as ReloadChanges).changes
      let summary = changes.isEmpty ? "reloaded: nothing has changed" : "reloaded:"
      for line in [summary] + changes { Console.out(SafeText.of(line)) }
    }
  }
}
