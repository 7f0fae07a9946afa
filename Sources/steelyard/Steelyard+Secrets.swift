// Secrets of a configuration: tokens and values of header fields that are in files or in the
// environment.
import Certificates
import Admin
import CLI
import Events
import Fleet
import IO
import Primitives

extension Steelyard {
  /// The tokens of a configuration. Errors: a token that cannot be read.
  static func access(_ fleet: Fleet, _ log: LogDriver) throws(StartError) -> AdminAccess {
    var access = AdminAccess(isLoopback: fleet.admin.isLoopback)
    if let source = fleet.adminTokens.read {
      access.readToken = try token(source, "`admin.read_token`", log)
    }
    if let source = fleet.adminTokens.write {
      access.writeToken = try token(source, "`admin.write_token`", log)
    }
    if let read = access.readToken, access.writeToken?.matches(read) == true {
      throw StartError(
        .configuration,
        "`admin.read_token` and `admin.write_token` are the same: who may read could change things "
          + "too")
    }
    if access.writing == .none {
      log.write(
        .warning, "nothing can be changed at the admin address",
        [
          "address": "\(fleet.admin)",
          "hint": "configure admin: {write_token: {file: PATH}}",
        ])
    }
    return access
  }

  /// The configuration with the values of header fields that stand in files or in the environment.
  /// Errors: a value that cannot be read.
  static func withSecrets(_ fleet: Fleet, _ log: LogDriver) throws(StartError) -> Fleet {
    var fleet = fleet
    try fleet.readSecrets { source, what throws(StartError) in
      try fieldValue(source, what, log)
    }
    return fleet
  }

  /// The value of a header field or a password. `what` is its place, for messages. Errors: a value
  /// that cannot be read.
  static func fieldValue(
    _ source: TokenSource, _ what: String, _ log: LogDriver
  ) throws(StartError) -> String {
    do throws(TokenReader.Failure) {
      let found = try TokenReader.fieldValue(source)
      if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
      return found.value
    } catch {
      throw StartError(error.isMissing ? .noInput : .configuration, "\(what): \(error.message)")
    }
  }

  private static func warn(_ path: String, _ log: LogDriver) {
    log.write(
      .warning, "everybody on this machine may read the token file",
      ["file": path, "hint": "chmod o-r"])
  }

  /// A token or another secret of at least 16 characters. `what` is its place, for messages.
  /// Errors: a secret that cannot be read.
  static func token(
    _ source: TokenSource, _ what: String, _ log: LogDriver
  ) throws(StartError) -> Secret {
    do throws(TokenReader.Failure) {
      let found = try TokenReader.read(source)
      if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
      return found.token
    } catch {
      throw StartError(error.isMissing ? .noInput : .configuration, "\(what): \(error.message)")
    }
  }
}
