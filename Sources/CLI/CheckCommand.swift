// `steelyard check`: what is wrong with a configuration file, and every value in force.
import Configuration
import Fleet

enum CheckCommand {
  static func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    var path: String?
    var prints = false
    for argument in arguments {
      switch argument {
      case "--print": prints = true
      default:
        if argument.hasPrefix("-"), argument != "-" {
          throw UsageError("check: unknown option \(argument)")
        }
        if path != nil { throw UsageError("check: one FILE, please") }
        path = argument
      }
    }
    guard let path else { throw UsageError("check: FILE is missing") }
    do throws(ConfigurationLoader.Failure) {
      let file = try ConfigurationLoader.load(path)
      for warning in file.warnings { Console.error(warning.rendered) }
      if prints {
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
