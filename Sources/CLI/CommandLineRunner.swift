// The command line as a whole: it finds the command, checks its options, carries it out, and says
// what is wrong with a wrong one.
import CSystem
import Configuration
import Manual

/// The commands that run a balancer in this process. The program assembles it and passes them.
package struct Programs {
  let serve: ([String]) throws(UsageError) -> ExitCode
  let demo: ([String]) throws(UsageError) -> ExitCode

  package init(
    serve: @escaping ([String]) throws(UsageError) -> ExitCode,
    demo: @escaping ([String]) throws(UsageError) -> ExitCode
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
      return Console.end(try command(arguments, programs))
    } catch {
      Console.error("steelyard: \(error.message); see: steelyard --help")
      return .usage
    }
  }

  private static func command(_ arguments: [String], _ programs: Programs) throws(UsageError)
    -> ExitCode
  {
    guard let name = arguments.first else {
      Console.error(CommandTable.overview)
      return .usage
    }
    let rest = Array(arguments.dropFirst())
    switch name {
    case "-h", "--help":
      return try HelpCommand.run(rest)
    case "version", "--version", "-V":
      Console.out("steelyard \(Version.number)")
      return .ok
    default: break
    }
    guard let command = Command(rawValue: name) else {
      let names = Command.allCases.map(\.rawValue)
      let hint = Suggestion.hint(for: name, among: names).map { "; \($0)" } ?? ""
      throw UsageError("no command \(name)\(hint)")
    }
    if rest.contains("--help") || rest.contains("-h") {
      Console.out(HelpText.of(command.spec))
      return .ok
    }
    try requireKnownOptions(rest, of: command.spec)
    // A rotation of logs tells all that are called steelyard; it is no reason to end, with a
    // terminal left as it stood.
    if command != .serve { sy_ignore_sigusr1() }
    return try command.run(rest, programs)
  }

  /// Every option stands in the table of commands; parsers see no other.
  private static func requireKnownOptions(
    _ arguments: [String], of command: CommandSpec
  ) throws(UsageError) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("-"), argument != "-" else { continue }
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let option = command.options.first(where: { $0.name == parts[0] }) else {
        let names = command.options.map { $0.name.dropFirst(2).replacing("-", with: "_") }
        let word = String(parts[0].drop { $0 == "-" })
        let guess = Suggestion.best(for: word, among: names.map { String($0) })
        let hint = guess.map { "; did you mean --\($0.replacing("_", with: "-"))?" } ?? ""
        throw UsageError("\(command.name): unknown option \(argument)\(hint)")
      }
      if option.value == nil, parts.count == 2 {
        throw UsageError("\(command.name): \(option.name) takes no value")
      }
      if option.value != nil, parts.count == 1 { _ = rest.popFirst() }
    }
  }
}
