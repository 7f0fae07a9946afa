// The commands' words: each returns the process's exit code.
import Configuration
import Fleet
import IO

/// A bad flag or a missing argument.
struct UsageError: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

/// Reads a configuration file, or says on standard error why not.
enum ConfigurationLoader {
  enum Failure: Error {
    case unreadable(String)
    /// Each error of the file.
    case invalid([String])

    var message: String {
      switch self {
      case .unreadable(let text): text
      case .invalid(let errors): errors.joined(separator: "\n")
      }
    }
    var exitCode: ExitCode {
      switch self {
      case .unreadable: .noInput
      case .invalid: .configuration
      }
    }
  }

  /// The bytes of a file, at most 1 MiB.
  static func bytes(_ path: String) throws(Failure) -> [UInt8] {
    do throws(IOError) {
      guard let bytes = try FileReader.read(path, byteCountMax: 1 << 20) else {
        throw IOError("read", 27)
      }
      return bytes
    } catch {
      throw .unreadable("steelyard: cannot read \(path): \(error.reason)")
    }
  }

  static func load(_ path: String) throws(Failure) -> ConfigurationFile {
    let bytes = try bytes(path)
    do throws(ConfigurationErrors) {
      return try ConfigurationFile.read(bytes, path: path)
    } catch {
      throw .invalid(error.diagnostics.map(\.rendered))
    }
  }
}

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
