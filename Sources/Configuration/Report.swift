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

  /// One file, whose first byte has the offset `start`: offsets of nodes count through all files.
  private struct File {
    let path: String
    let source: SourceText
    let start: Int
  }

  let surroundings: Surroundings
  private var files: [File]
  private var found: [Finding] = []
  private var doubts: [Finding] = []
  /// The places of defaults, and where errors were reported in them.
  private var defaults: [ClosedRange<Int>] = []
  private var defaultOffsets: Set<Int> = []
  private var isTruncated = false
  private static let diagnosticsMax = 1_000
  /// Longer lines are not shown.
  private static let lineBytesMax = 4_096
  private static let warningsMax = 100

  init(_ source: SourceText, path: String, _ surroundings: Surroundings = Surroundings()) {
    self.surroundings = surroundings
    files = [File(path: path, source: source, start: 0)]
  }

  /// Begins a further file. What is parsed from now on is in it.
  func begin(_ source: SourceText, path: String) {
    let start = self.start + self.source.bytes.count + 1
    files.append(File(path: path, source: source, start: start))
  }

  /// The file that is being parsed.
  var source: SourceText { files[files.count - 1].source }
  /// The offset of its first byte.
  var start: Int { files[files.count - 1].start }

  private func file(of offset: Int) -> File {
    files.last { $0.start <= offset } ?? files[0]
  }

  /// "line 5", or "line 5 of `b.yaml`" if `other` is in another file.
  func line(of offset: Int, from other: Int) -> String {
    let file = file(of: offset)
    let line = "line \(file.source.position(of: offset - file.start).line)"
    return file.start == self.file(of: other).start
      ? line : "\(line) of \(Printable.path(file.path))"
  }

  /// The number of errors noted.
  package var count: Int { found.count }
  /// Further errors are not kept.
  var isFull: Bool { found.count >= Self.diagnosticsMax }
  /// Whether there is no error; there may be warnings.
  var isEmpty: Bool { found.isEmpty }

  /// Adds an error at a byte offset of the source.
  package func error(at offset: Int, _ message: String, hint: String? = nil) {
    if isRepeated(offset) { return }
    if !isFull {
      found.append(Finding(offset: offset, message: message, hint: hint))
    } else {
      isTruncated = true
    }
  }

  // A wrong default is one error, not one for each pool.
  private func isRepeated(_ offset: Int) -> Bool {
    guard isDefault(offset) else { return false }
    return !defaultOffsets.insert(offset).inserted
  }

  /// Takes note of a default of all pools: errors within it are reported once.
  func noteDefault(_ key: Node.Key, _ value: Node) {
    defaults.append(key.offset...max(key.offset, value.lastOffset))
  }

  /// Whether the offset is that of a default of all pools.
  func isDefault(_ offset: Int) -> Bool { defaults.contains { $0.contains(offset) } }

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
          path: last.path, line: last.line, column: last.column,
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
    var lineFile = 0
    var lineText = ""
    var secrets: [String] = []
    return sorted.map { _, finding in
      let (file, offset) = (file(of: finding.offset), finding.offset)
      let source = file.source
      let (line, column) = source.position(of: offset - file.start)
      if line != lineNumber || file.start != lineFile {
        (lineNumber, lineFile, lineText, secrets) = (line, file.start, "", [])
        let text = source.line(at: offset - file.start)
        // A line that is too long to be searched for secrets in reasonable time is not shown.
        if text.utf8.count <= Self.lineBytesMax {
          lineText = SecretText.masked(line: text) { source.line(line - 1 - $0, bytesMax: 1_024) }
          secrets = SecretText.secrets(of: text, masked: lineText)
        }
      }
      return Diagnostic(
        severity: severity, path: file.path, line: line, column: column,
        message: SecretText.masked(text: finding.message, without: secrets),
        hint: finding.hint.map { SecretText.masked(text: $0, without: secrets) },
        sourceLine: lineText)
    }
  }
}
