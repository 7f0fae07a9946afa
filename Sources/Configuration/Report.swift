// Collects the errors and warnings of one file. Their number is bounded; they are returned in file
// order.
// Invariant: no diagnostic contains a secret of the file, whatever is wrong with the file.
import Primitives

/// The diagnostics found so far.
package final class Report {
  private struct Finding {
    let offset: Int
    let message: String
    let hint: String?
  }

  let source: SourceText
  private let path: String
  private var found: [Finding] = []
  private var doubts: [Finding] = []
  private var isTruncated = false
  private static let diagnosticsMax = 1_000
  /// Longer lines are not shown.
  private static let lineBytesMax = 4_096
  private static let warningsMax = 100

  init(_ source: SourceText, path: String) {
    self.source = source
    self.path = path
  }

  /// The number of errors noted.
  package var count: Int { found.count }
  /// Further errors are not kept.
  var isFull: Bool { found.count >= Self.diagnosticsMax }
  /// Whether there is no error; there may be warnings.
  var isEmpty: Bool { found.isEmpty }

  /// Adds an error at a byte offset of the source.
  package func error(at offset: Int, _ message: String, hint: String? = nil) {
    if !isFull {
      found.append(Finding(offset: offset, message: message, hint: hint))
    } else {
      isTruncated = true
    }
  }

  /// Adds a warning at a byte offset of the source, for what is allowed but probably a mistake. At
  /// most 100 are kept.
  func warn(at offset: Int, _ message: String, hint: String? = nil) {
    if doubts.count < Self.warningsMax {
      doubts.append(Finding(offset: offset, message: message, hint: hint))
    }
  }

  /// All warnings, in file order.
  var warnings: [Diagnostic] { diagnostics(doubts, .warning) }

  /// All errors in file order; those at the same position in the order in which they were added.
  var errors: ConfigurationErrors {
    var diagnostics = diagnostics(found, .error)
    if isTruncated, let last = diagnostics.last {
      diagnostics.append(
        Diagnostic(
          path: path, line: last.line, column: last.column,
          message: "more than \(Self.diagnosticsMax) errors, the rest is left out", hint: nil,
          sourceLine: ""))
    }
    return ConfigurationErrors(diagnostics: diagnostics)
  }

  private func diagnostics(
    _ findings: [Finding], _ severity: Diagnostic.Severity
  ) -> [Diagnostic] {
    let sorted = findings.enumerated().sorted {
      ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset)
    }
    // Diagnostics in one very long line share its text.
    var lineNumber = 0
    var lineText = ""
    var secrets: [String] = []
    return sorted.map { _, finding in
      let (line, column) = source.position(of: finding.offset)
      if line != lineNumber {
        (lineNumber, lineText, secrets) = (line, "", [])
        let text = source.line(at: finding.offset)
        // A line that is too long to be searched for secrets in reasonable time is not shown.
        if text.utf8.count <= Self.lineBytesMax {
          lineText = SecretText.masked(line: text) { source.line(line - 1 - $0, bytesMax: 1_024) }
          secrets = SecretText.secrets(of: text, masked: lineText)
        }
      }
      return Diagnostic(
        severity: severity, path: path, line: line, column: column,
        message: SecretText.masked(text: finding.message, without: secrets),
        hint: finding.hint.map { SecretText.masked(text: $0, without: secrets) },
        sourceLine: lineText)
    }
  }
}
