// `steelyard check`: what is wrong with a configuration file, and every value in force.
import Certificates
import Configuration
import Fleet
import IO
import Primitives

enum CheckCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    let path = arguments.words[0]
    do throws(ConfigurationLoader.Failure) {
      let file = try ConfigurationLoader.load(path)
      for warning in file.warnings { Console.error(warning.rendered) }
      guard isLoadable(file.fleet) else { return .configuration }
      if arguments.has("--print") {
        Console.out(file.effective, terminator: "")
      } else {
        let fleet = file.fleet
        let sourceCount = fleet.pools.reduce(0) { $0 + $1.sources.count }
        Console.out(
          "\(path): ok, \(fleet.listeners.count) listener(s), \(fleet.pools.count) pool(s), "
            + "\(fleet.endpointCount) endpoint(s)"
            + (fleet.nameCount > 0 ? ", \(fleet.nameCount) host name(s), not resolved here" : "")
            + (sourceCount > 0 ? ", \(sourceCount) source(s), not asked here" : ""))
        for path in file.included { Console.out("\(path): included") }
      }
      return .ok
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }

  /// Whether certificates, keys and authorities can be used; prints why not, as `serve` does.
  private static func isLoadable(_ fleet: Fleet) -> Bool {
    let store = CredentialStore(Credentials(workerCount: 0))
    do throws(TLSError) {
      try store.load(fleet, now: .zero)
    } catch {
      Console.error("steelyard: \(error.message)")
      return false
    }
    for path in store.takeExposedFiles() {
      Console.error("steelyard: everybody on this machine may read the key file \(path): chmod o-r")
    }
    return true
  }
}
