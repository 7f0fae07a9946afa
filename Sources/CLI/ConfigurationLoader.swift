// Configuration files of commands: at most 1 MiB, from a regular file or through a pipe.
import Certificates
import Admin
package import Configuration
package import Events
import Fleet
import IO
package import Primitives

/// Reads configuration files.
package enum ConfigurationLoader {
  package enum Failure: Error {
    case unreadable(String)
    /// The errors of the file.
    case invalid([String])

    package var message: String {
      switch self {
      case .unreadable(let text): text
      case .invalid(let errors): errors.joined(separator: "\n")
      }
    }
    package var exitCode: ExitCode {
      switch self {
      case .unreadable: .noInput
      case .invalid: .configuration
      }
    }
  }

  private static let byteCountMax = 1 << 20
  /// The time that a command waits for a file that comes through a pipe.
  package static let pipeTimeout = Nanoseconds.seconds(10)

  /// The bytes of a file, at most 1 MiB. With a `timeout` of zero only a regular file is read.
  static func bytes(
    _ path: String, timeout: Nanoseconds = pipeTimeout
  ) throws(Failure) -> [UInt8] {
    let read: [UInt8]?
    do throws(IOError) {
      read = try FileReader.read(path, byteCountMax: byteCountMax, timeout: timeout)
    } catch {
      let reason = error.isNoRegularFile ? "it is not a regular file" : error.reason
      throw .unreadable("steelyard: cannot read \(path): \(reason)")
    }
    guard let read else {
      throw .unreadable("steelyard: cannot read \(path): it is longer than 1 MiB")
    }
    return read
  }

  package static func load(
    _ path: String, timeout: Nanoseconds = pipeTimeout
  ) throws(Failure) -> ConfigurationFile {
    let bytes = try bytes(path, timeout: timeout)
    do throws(ConfigurationErrors) {
      return try ConfigurationFile.read(bytes, path: path, surroundings)
    } catch {
      throw .invalid(error.diagnostics.map(\.rendered))
    }
  }

  /// This machine. Only regular files are read, without waiting.
  private static var surroundings: Surroundings {
    Surroundings(
      isProgram: FileReader.isProgram, variable: TokenReader.environment,
      paths: FilePattern.paths, identity: FilePattern.identity,
      contents: { path, byteCountMax throws(Surroundings.Unreadable) in
        let read: [UInt8]?
        do throws(IOError) {
          read = try FileReader.read(path, byteCountMax: byteCountMax)
        } catch {
          throw .init(error.isNoRegularFile ? "it is not a regular file" : error.reason)
        }
        guard let read else { throw .init("it is longer than \(byteCountMax / 1_024) KiB") }
        return read
      })
  }

  /// Logs the warnings of a file.
  package static func tell(_ warnings: [Diagnostic], _ log: LogDriver) {
    for warning in warnings {
      log.write(
        .warning, "configuration warning",
        ["file": warning.path, "line": warning.line, "warning": warning.message])
    }
  }
}
