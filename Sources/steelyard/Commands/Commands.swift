// The commands' words: each returns the process's exit code.
import Configuration
import Events
import Fleet
import IO
import Primitives

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

  private static let byteCountMax = 1 << 20
  /// How long a command waits for a file that comes through a pipe.
  static let pipePatience = Nanoseconds.seconds(10)

  /// The bytes of a file, at most 1 MiB. With a `patience` of zero only a regular file is read.
  static func bytes(
    _ path: String, patience: Nanoseconds = pipePatience
  ) throws(Failure) -> [UInt8] {
    let read: [UInt8]?
    do throws(IOError) {
      read = try FileReader.read(path, byteCountMax: byteCountMax, patience: patience)
    } catch {
      let reason = error.isNoRegularFile ? "it is not a regular file" : error.reason
      throw .unreadable("steelyard: cannot read \(path): \(reason)")
    }
    guard let read else {
      throw .unreadable("steelyard: cannot read \(path): it is longer than 1 MiB")
    }
    return read
  }

  static func load(
    _ path: String, patience: Nanoseconds = pipePatience
  ) throws(Failure) -> ConfigurationFile {
    let bytes = try bytes(path, patience: patience)
    do throws(ConfigurationErrors) {
      return try ConfigurationFile.read(bytes, path: path, isProgram: FileReader.isProgram)
    } catch {
      throw .invalid(error.diagnostics.map(\.rendered))
    }
  }

  /// A line of the log for each thing that a file says but hardly means.
  static func tell(_ warnings: [Diagnostic], _ log: LogDriver) {
    for warning in warnings {
      log.write(
        .warning, "configuration warning",
        ["file": warning.path, "line": warning.line, "warning": warning.message])
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
