// `steelyard presets`: which pages are known, and what is read from them.
import Configuration
import Fleet

enum PresetsCommand {
  static func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    guard let verb = arguments.first else {
      let width = Preset.all.map(\.name.count).max() ?? 0
      for preset in Preset.all {
        let padding = String(repeating: " ", count: width - preset.name.count)
        Console.out("\(preset.name)\(padding)  \(preset.summary)")
      }
      return .ok
    }
    guard verb == "show" || verb == "list" else {
      throw UsageError("presets: unknown word \(verb); write: steelyard presets show NAME")
    }
    if verb == "list", arguments.count == 1 { return try run([]) }
    guard arguments.count == 2 else { throw UsageError("presets: show takes one NAME") }
    guard let preset = Preset.named(arguments[1]) else {
      let names = Preset.all.map(\.name).joined(separator: ", ")
      throw UsageError("presets: there is no preset \(arguments[1]); the presets are \(names)")
    }
    Console.out(preset.yaml, terminator: "")
    return .ok
  }
}
