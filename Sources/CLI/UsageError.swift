// An error in a command line. The process ends with exit code 64.

/// A wrong option or word, or one that is missing: what is wrong, and what to do.
package struct UsageError: Error, Sendable, Equatable {
  /// One line without a full stop.
  package let message: String

  /// `text` is about a command line of `command`; nil: there is no such command.
  init(_ command: String?, _ text: String) {
    let name = command.map { $0 + " " } ?? ""
    message = "\(command.map { $0 + ": " } ?? "")\(text); see: steelyard \(name)--help"
  }
}
