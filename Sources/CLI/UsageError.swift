// An error in a command line. The process ends with exit code 64.

/// A wrong option or word, or one that is missing.
package struct UsageError: Error, Sendable, Equatable {
  package let message: String
  package init(_ message: String) { self.message = message }
}
