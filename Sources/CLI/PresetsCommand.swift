// `steelyard presets`: the known metrics pages, and the signals of one of them.
import Configuration
import Fleet
import Terminal

enum PresetsCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    if arguments.words.count == 2, let preset = Preset.named(arguments.words[1]) {
      Console.out(preset.yaml, terminator: "")
      return .ok
    }
    let rows = Preset.all.map { [$0.name, $0.summary] }
    for line in TableLayout.plain(rows) { Console.out(line) }
    return .ok
  }
}
