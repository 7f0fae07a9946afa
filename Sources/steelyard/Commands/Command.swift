// The list of commands: what each is called, what stands of it in the help, and what carries it
// out. There is no other list: a command that lacks one of them does not compile.
import Manual

/// A command, called as on the command line; in the order of the overview.
enum Command: String, CaseIterable {
  case serve, check, top, weights, drain, reload, explain, probe, presets, metrics, rules
  case simulate, demo, completion, help

  /// What help, completion and the manual page say of it.
  var spec: CommandSpec {
    switch self {
    case .serve: CommandTable.serve
    case .check: CommandTable.check
    case .top: CommandTable.top
    case .weights: CommandTable.weights
    case .drain: CommandTable.drain
    case .reload: CommandTable.reload
    case .explain: CommandTable.explain
    case .probe: CommandTable.probe
    case .presets: CommandTable.presets
    case .metrics: CommandTable.metrics
    case .rules: CommandTable.rules
    case .simulate: CommandTable.simulate
    case .demo: CommandTable.demo
    case .completion: CommandTable.completion
    case .help: CommandTable.help
    }
  }

  /// Carries it out. Requires: options are those of `spec`. Returns the exit code of the process.
  func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    switch self {
    case .serve: try ServeCommand.run(arguments)
    case .check: try CheckCommand.run(arguments)
    case .top: try TopCommand.run(arguments)
    case .weights: try WeightsCommand.run(arguments)
    case .drain: try WeightsCommand.drain(arguments)
    case .reload: try WeightsCommand.reload(arguments)
    case .explain: try WeightsCommand.explain(arguments)
    case .probe: try ProbeCommand.run(arguments)
    case .presets: try PresetsCommand.run(arguments)
    case .metrics: try MetricsCommand.run(arguments)
    case .rules: try RulesCommand.run(arguments)
    case .simulate: try SimulateCommand.run(arguments)
    case .demo: try DemoCommand.run(arguments)
    case .completion: try CompletionCommand.run(arguments)
    case .help: try HelpCommand.run(arguments)
    }
  }
}

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
