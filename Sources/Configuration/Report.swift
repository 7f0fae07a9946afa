// Collects the errors of one file. Their number is bounded; what is kept is given in file order.
// Invariant: no diagnostic holds a secret of the file, whatever is wrong with the file.
import Primitives

/// The diagnostics found so far.
package final class Report {
  let source: SourceText
  private let path: String
  private var found: [(offset: Int, message: String, hint: String?)] = []
  private var isTruncated = false
  private static let diagnosticsMax = 1_000
  /// Longer lines are not shown.
  private static let lineBytesMax = 4_096

  init(_ source: SourceText, path: String) {
    self.source = source
    self.path = path
  }

  /// The number of errors noted.
  package var count: Int { found.count }
  /// No more are kept.
  var isFull: Bool { found.count >= Self.diagnosticsMax }
  var isEmpty: Bool { found.isEmpty }

  /// Notes an error at a byte offset of the source.
  package func error(at offset: Int, _ message: String, hint: String? = nil) {
    if !isFull {
      found.append((offset, message, hint))
    } else {
      isTruncated = true
    }
  }

  /// Every error noted, in file order; those of one place in the order they were noted.
  var errors: ConfigurationErrors {
    let sorted = found.enumerated().sorted {
      ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset)
    }
    // Errors of one very long line share its text.
    var lineNumber = 0
    var lineText = ""
    var secrets: [String] = []
    var diagnostics = sorted.map { _, error in
      let (line, column) = source.position(of: error.offset)
      if line != lineNumber {
        (lineNumber, lineText, secrets) = (line, "", [])
        let text = source.line(at: error.offset)
        // What cannot be looked through for secrets in good time is not shown.
        if text.utf8.count <= Self.lineBytesMax {
          lineText = SecretText.masked(line: text) { source.line(line - 1 - $0, bytesMax: 1_024) }
          secrets = SecretText.secrets(of: text, masked: lineText)
        }
      }
      return Diagnostic(
        path: path, line: line, column: column,
        message: SecretText.masked(text: error.message, without: secrets),
        hint: error.hint.map { SecretText.masked(text: $0, without: secrets) },
        sourceLine: lineText)
    }
    if isTruncated, let last = diagnostics.last {
      diagnostics.append(
        Diagnostic(
          path: path, line: last.line, column: last.column,
          message: "more than \(Self.diagnosticsMax) errors, the rest is left out", hint: nil,
          sourceLine: ""))
    }
    return ConfigurationErrors(diagnostics: diagnostics)
  }
}
