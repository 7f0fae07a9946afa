// The command line: which command, and what a wrong one is answered with.
import CSystem

func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
  guard let command = arguments.first else {
    Console.error(Help.overview)
    return .usage
  }
  let rest = Array(arguments.dropFirst())
  switch command {
  case "help", "-h", "--help":
    guard let topic = rest.first else {
      Console.out(Help.overview)
      return .ok
    }
    guard let text = Help.text(for: topic) else { throw UsageError("help: no command \(topic)") }
    Console.out(text)
    return .ok
  case "version", "--version", "-V":
    Console.out("steelyard \(Version.number)")
    return .ok
  default: break
  }
  guard let help = Help.text(for: command) else { throw UsageError("no command \(command)") }
  if rest.contains("--help") || rest.contains("-h") {
    Console.out(help)
    return .ok
  }
  switch command {
  case "check": return try CheckCommand.run(rest)
  case "demo": return try DemoCommand.run(rest)
  case "simulate": return try SimulateCommand.run(rest)
  case "weights": return try WeightsCommand.run(rest)
  case "drain": return try WeightsCommand.drain(rest)
  case "reload": return try WeightsCommand.reload(rest)
  case "explain": return try WeightsCommand.explain(rest)
  case "presets": return try PresetsCommand.run(rest)
  case "metrics": return try MetricsCommand.run(rest)
  case "probe": return try ProbeCommand.run(rest)
  default: return try ServeCommand.run(rest)
  }
}

do throws(UsageError) {
  exit(try run(Array(CommandLine.arguments.dropFirst())).rawValue)
} catch {
  Console.error("steelyard: \(error.message); see: steelyard --help")
  exit(ExitCode.usage.rawValue)
}
