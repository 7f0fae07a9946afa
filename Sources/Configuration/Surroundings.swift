// What a configuration file may refer to beyond its own text: environment variables and other
// files. Reading them is the caller's, so that this room needs no system call.

/// The machine as a configuration file sees it.
package struct Surroundings {
  /// Why a file cannot be read, in a few words.
  package struct Unreadable: Error {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
  }

  /// Whether a path names a program that can be run.
  package var isProgram: (String) -> Bool
  /// The value of an environment variable; nil: it is not set.
  package var variable: (String) -> String?
  /// The paths that a pattern of glob(7) matches, in any order.
  package var paths: (String) -> [String]
  /// The same text for all names of one file.
  package var identity: (String) -> String
  /// The bytes of a regular file, at most so many.
  package var contents: (String, Int) throws(Unreadable) -> [UInt8]

  /// By default there are neither variables nor files, and every program can be run.
  package init(
    isProgram: @escaping (String) -> Bool = { _ in true },
    variable: @escaping (String) -> String? = { _ in nil },
    paths: @escaping (String) -> [String] = { _ in [] },
    identity: @escaping (String) -> String = { $0 },
    contents: @escaping (String, Int) throws(Unreadable) -> [UInt8] = {
      _, _ throws(Unreadable) in throw Unreadable("no such file")
    }
  ) {
    self.isProgram = isProgram
    self.variable = variable
    self.paths = paths
    self.identity = identity
    self.contents = contents
  }
}
