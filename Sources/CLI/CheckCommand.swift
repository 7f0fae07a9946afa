// `steelyard check`: what is wrong with a configuration file, and every value in force.
import Configuration
import Fleet

enum CheckCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    let path = arguments.words[0]
    do throws(ConfigurationLoader.Failure) {
      let file = try ConfigurationLoader.load(path)
      for warning in file.warnings { Console.error(warning.rendered) }
      if arguments.has("--print") {
        Console.out(file.effective, terminator: "")
      } else {
        let fleet = file.fleet
        Console.out(
          "\(path): ok, \(fleet.listeners.count) listener(s), \(fleet.pools.count) pool(s), "
            + "\(fleet.endpointCount) endpoint(s)"
            + (fleet.nameCount > 0 ? ", \(fleet.nameCount) host name(s), not resolved here" : ""))
      }
      return .ok
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }
}
