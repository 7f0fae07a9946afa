// The command line as a whole: finds the command, has its arguments read, carries it out, and
// reports errors of the command line.
import CSystem
import Configuration
package import Demo
import Manual

/// The commands that run a balancer in this process. The program assembles it and passes them.
package struct Programs {
  /// Serves as the file says; returns when a signal ends it.
  let serve: (_ path: String) -> ExitCode
  let demo: (DemoOptions) -> ExitCode

  package init(
    serve: @escaping (_ path: String) -> ExitCode, demo: @escaping (DemoOptions) -> ExitCode
  ) {
    self.serve = serve
    self.demo = demo
  }
}

/// The program's command line.
package enum CommandLineRunner {
  /// Carries out the command that `arguments` (without the program's name) call. Returns the exit
  /// code of the process.
  package static func run(_ arguments: [String], _ programs: Programs) -> ExitCode {
    do throws(UsageError) {
      return Console.end(try carryOut(arguments, programs))
    } catch {
      Console.error("steelyard: \(error.message)")
      return .usage
    }
  }

  private static func carryOut(
    _ arguments: [String], _ programs: Programs
  ) throws(UsageError) -> ExitCode {
    guard let name = arguments.first else {
      Console.error(CommandTable.overview)
      return .usage
    }
    let rest = Array(arguments.dropFirst())
    switch name {
    case "-h", "--help":
      return HelpCommand.run(try CommandArguments(CommandTable.help, rest))
    case "version", "--version", "-V":
      Console.out("steelyard \(Version.number)")
      return .ok
    default: break
    }
    guard let command = Command(rawValue: name) else {
      let names = Command.allCases.map(\.rawValue)
      let hint = Suggestion.hint(for: name, among: names).map { "; \($0)" } ?? ""
      throw UsageError(nil, "no command \(name)\(hint)")
    }
    if rest.contains("--help") || rest.contains("-h") {
      Console.out(HelpText.of(command.spec))
      return .ok
    }
    let read = try CommandArguments(command.spec, rest)
    // A rotation of logs sends SIGUSR1 to all processes called steelyard; that must not end a
    // command and leave a terminal in a wrong state.
    if command != .serve { sy_ignore_sigusr1() }
    return try command.run(read, programs)
  }
}
