// `steelyard presets`: which pages are known, and what is read from them.
import Configuration
import Fleet

enum PresetsCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    if arguments.words.count == 2, let preset = Preset.named(arguments.words[1]) {
      Console.out(preset.yaml, terminator: "")
      return .ok
    }
    let width = Preset.all.map(\.name.count).max() ?? 0
    for preset in Preset.all {
      let padding = String(repeating: " ", count: width - preset.name.count)
      Console.out("\(preset.name)\(padding)  \(preset.summary)")
    }
    return .ok
  }
}
