// `steelyard help`: the overview, the help of one command, or the manual page.
import Manual

enum HelpCommand {
  static func run(_ words: [String]) throws(UsageError) -> ExitCode {
    guard words.count <= 1 else { throw UsageError("help: one COMMAND, please") }
    switch words.first {
    case nil: Console.out(CommandTable.overview)
    case "--man": Console.out(ManualPage.text, terminator: "")
    case let topic?:
      guard let command = Command(rawValue: topic) else {
        throw UsageError("help: no command \(topic)")
      }
      Console.out(HelpText.of(command.spec))
    }
    return .ok
  }
}
