// What is wrong in a configuration file, and where, as the operator reads it. Control characters in
// quoted text are replaced, since the file may be hostile.

/// One error in a configuration file, or something that is allowed but probably a mistake.
package struct Diagnostic: Error, Sendable, Equatable {
  package enum Severity: String, Sendable {
    case error, warning
  }

  package var severity = Severity.error
  /// The file's path as the operator gave it.
  package let path: String
  /// Counted from 1.
  package let line: Int
  /// Counted from 1, in Unicode scalars; a tab is one.
  package let column: Int
  /// One line, without a full stop.
  package let message: String
  /// What to do about it, if that can be guessed.
  package let hint: String?
  /// The line of the file without its end; "" if there is none to show.
  package let sourceLine: String

  /// `path:line:column: error: message` (or `warning:`), the source line, a caret, a hint; no
  /// newline at the end. Of a very long source line only the part around the caret is shown.
  package var rendered: String {
    var text = "\(path):\(line):\(column): \(severity.rawValue): \(message)"
    if let (excerpt, indent) = excerpt { text += "\n\(excerpt)\n\(indent)^" }
    if let hint { text += "\nhint: \(hint)" }
    return text
  }

  private static let charactersBefore = 100
  private static let charactersAfter = 60

  private var excerpt: (line: String, indent: String)? {
    guard sourceLine.contains(where: { !$0.isWhitespace }) else { return nil }
    let scalars = sourceLine.unicodeScalars
    let target = scalars.index(
      scalars.startIndex, offsetBy: column - 1, limitedBy: scalars.endIndex)
    let caret = target ?? scalars.endIndex
    let start = scalars.index(
      caret, offsetBy: -Self.charactersBefore, limitedBy: scalars.startIndex)
    let end = scalars.index(caret, offsetBy: Self.charactersAfter, limitedBy: scalars.endIndex)
    var before = String(scalars[(start ?? scalars.startIndex)..<caret])
    var after = String(scalars[caret..<(end ?? scalars.endIndex)])
    if let start, start > scalars.startIndex { before = "…" + before }
    if let end, end < scalars.endIndex { after += "…" }
    before = Printable.line(before)
    return (before + Printable.line(after), Self.indent(under: before))
  }

  // Tabs stay tabs, so that the caret stays aligned; wide characters become two spaces.
  private static func indent(under text: String) -> String {
    var indent = ""
    for character in text {
      indent += character == "\t" ? "\t" : Printable.isWide(character) ? "  " : " "
    }
    return indent
  }
}

/// Every error of a file, in file order; at least one.
package struct ConfigurationErrors: Error, Sendable, Equatable {
  /// Sorted by line and column. At most 1000, then one that says that there are more.
  package let diagnostics: [Diagnostic]

  /// All diagnostics as text, one after another; no newline at the end.
  package var rendered: String { diagnostics.map(\.rendered).joined(separator: "\n") }
}

/// Makes text of unknown origin safe for a terminal.
enum Printable {
  /// Control characters, except tabs, become U+FFFD.
  static func line(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      result.append(scalar == "\t" || !isControl(scalar) ? scalar : "\u{FFFD}")
    }
    return String(result)
  }

  /// `text` in backquotes, at most 60 characters of it, with control characters as `\u{..}`.
  static func quoted(_ text: String) -> String {
    let charactersMax = 60
    var result = "`"
    var count = 0
    for scalar in text.unicodeScalars {
      guard count < charactersMax else { return result + "…`" }
      count += 1
      if isControl(scalar) {
        result += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result + "`"
  }

  /// A path in backquotes, however long it is.
  static func path(_ text: String) -> String { "`\(line(text))`" }

  /// Whether the text is short and without control characters, so that it can be part of a hint.
  static func isTame(_ text: String) -> Bool {
    (1...60).contains(text.utf8.count) && !text.unicodeScalars.contains(where: isControl)
  }

  /// Whether the character takes two columns in a terminal (East Asian wide and emoji blocks,
  /// roughly Unicode UAX #11).
  static func isWide(_ character: Character) -> Bool {
    guard let scalar = character.unicodeScalars.first else { return false }
    if character.unicodeScalars.contains("\u{FE0F}") { return true }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
      0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
      0x1F900...0x1FAFF, 0x20000...0x3FFFD:
      return true
    default:
      return false
    }
  }

  // C0, DEL, C1, line and paragraph separators, bidirectional overrides.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
  }
}
