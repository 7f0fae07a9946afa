// How this process was started, so that another one can be started in the same way: the path of
// the program, its arguments, its environment.
import CSystem

/// What a process of the same program needs. Make it before anything is taken from the environment
/// and before other threads exist.
package struct ProgramStart: Sendable {
  /// The path of the program. A file that replaces it counts.
  package let path: String
  /// The arguments, with the program's name as the first.
  package let arguments: [String]
  /// Variables as `NAME=value`, without those that are for one process alone.
  package let environment: [String]

  /// Variables that a service manager or another steelyard sets for one process.
  private static let ownVariables = [
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID",
  ]

  /// The start of this process. `ownVariables` names further variables that are its own.
  package init(arguments: [String], ownVariables: [String]) {
    self.arguments = arguments
    let own = Self.ownVariables + ownVariables
    environment = Environment.lines.filter { line in
      !own.contains { line.hasPrefix($0 + "=") }
    }
    path = Self.path(arguments.first ?? "")
  }

  /// Requires: a program's path, its arguments and its environment.
  package init(path: String, arguments: [String], environment: [String]) {
    (self.path, self.arguments, self.environment) = (path, arguments, environment)
  }

  /// The path as it was called, so that a link to the newest program is followed anew; for a bare
  /// name, the file that the system found.
  private static func path(_ name: String) -> String {
    var room = [CChar](repeating: 0, count: 4_096)
    func text(_ count: Int) -> String {
      String(decoding: room.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
    if name.hasPrefix("/") { return name }
    if name.contains("/"), getcwd(&room, room.count) != nil {
      return text(room.firstIndex(of: 0) ?? 0) + "/" + name
    }
    return text(readlink("/proc/self/exe", &room, room.count))
  }
}
