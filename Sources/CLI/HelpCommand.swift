// `steelyard help`: the overview, the help of one command, or the manual page.
import Manual

enum HelpCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    if arguments.has("--man") {
      Console.out(ManualPage.text, terminator: "")
    } else if let command = arguments.words.first.flatMap(Command.init) {
      Console.out(HelpText.of(command.spec))
    } else {
      Console.out(CommandTable.overview)
    }
    return .ok
  }
}
