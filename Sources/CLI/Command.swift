// The list of commands: the name, the help and the implementation of each. It is the only list: a
// command that lacks one of them does not compile.
import Demo
import Manual

/// A command, named as on the command line; in the order of the overview.
enum Command: String, CaseIterable {
  case serve, check, top, weights, drain, endpoints, discover, reload, upgrade, explain, probe
  case presets, metrics, rules
  case cert, simulate, demo, completion, help

  /// The description for help, completion, manual page and the reader.
  var spec: CommandSpec {
    switch self {
    case .serve: CommandTable.serve
    case .check: CommandTable.check
    case .top: CommandTable.top
    case .weights: CommandTable.weights
    case .drain: CommandTable.drain
    case .endpoints: CommandTable.endpoints
    case .discover: CommandTable.discover
    case .reload: CommandTable.reload
    case .upgrade: CommandTable.upgrade
    case .explain: CommandTable.explain
    case .probe: CommandTable.probe
    case .presets: CommandTable.presets
    case .metrics: CommandTable.metrics
    case .rules: CommandTable.rules
    case .cert: CommandTable.cert
    case .simulate: CommandTable.simulate
    case .demo: CommandTable.demo
    case .completion: CommandTable.completion
    case .help: CommandTable.help
    }
  }

  /// Carries it out. Requires: `arguments` were read by `spec`. Returns the exit code of the
  /// process.
  func run(
    _ arguments: CommandArguments, _ programs: Programs
  ) throws(UsageError) -> ExitCode {
    switch self {
    case .serve: programs.serve(arguments.words[0])
    case .check: CheckCommand.run(arguments)
    case .top: try TopCommand.run(arguments)
    case .weights: try WeightsCommand.run(arguments)
    case .drain: try DrainCommand.run(arguments)
    case .endpoints: try EndpointsCommand.run(arguments)
    case .discover: try DiscoverCommand.run(arguments)
    case .reload: try ReloadCommand.run(arguments)
    case .upgrade: try UpgradeCommand.run(arguments)
    case .explain: try ExplainCommand.run(arguments)
    case .probe: try ProbeCommand.run(arguments)
    case .presets: PresetsCommand.run(arguments)
    case .metrics: MetricsCommand.run(arguments)
    case .rules: try RulesCommand.run(arguments)
    case .cert: try CertCommand.run(arguments)
    case .simulate: try SimulateCommand.run(arguments)
    case .demo: programs.demo(try DemoOptions(arguments))
    case .completion: try CompletionCommand.run(arguments)
    case .help: HelpCommand.run(arguments)
    }
  }
}
