// Secrets of a configuration: tokens and values of header fields that are in files or in the
// environment.
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
    access.readToken = try token(fleet.adminTokens.read, "read_token", log)
    access.writeToken = try token(fleet.adminTokens.write, "write_token", log)
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
      do throws(TokenReader.Failure) {
        let found = try TokenReader.fieldValue(source)
        if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
        return found.value
      } catch {
        throw StartError(error.isMissing ? .noInput : .configuration, "\(what): \(error.message)")
      }
    }
    return fleet
  }

  private static func warn(_ path: String, _ log: LogDriver) {
    log.write(
      .warning, "everybody on this machine may read the token file",
      ["file": path, "hint": "chmod o-r"])
  }

  private static func token(
    _ source: TokenSource?, _ key: String, _ log: LogDriver
  ) throws(StartError) -> Secret? {
    guard let source else { return nil }
    do throws(TokenReader.Failure) {
      let found = try TokenReader.read(source)
      if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
      return found.token
    } catch {
      throw StartError(
        error.isMissing ? .noInput : .configuration, "`admin.\(key)`: \(error.message)")
    }
  }
}
