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
  func run(_ arguments: [String], _ programs: Programs) throws(UsageError) -> ExitCode {
    switch self {
    case .serve: try programs.serve(arguments)
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
    case .demo: try programs.demo(arguments)
    case .completion: try CompletionCommand.run(arguments)
    case .help: try HelpCommand.run(arguments)
    }
  }
}
