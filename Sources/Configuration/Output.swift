// The effective configuration: every value in force, as YAML that can be loaded again. Defaults are
// marked.

/// A value to be written.
package enum Output: Sendable {
  /// One line of YAML; marked `# default` if the file did not give it.
  case value(String, isDefault: Bool)
  case mapping([Entry])
  case sequence([Output])

  package struct Entry: Sendable {
    let key: String
    let value: Output
    package init(_ key: String, _ value: Output) { (self.key, self.value) = (key, value) }
  }

  /// The value on one line, for short rows. It is marked as a default if all of its parts are
  /// defaults.
  package var inline: Output { .value(text, isDefault: isDefault) }

  /// Block style, two spaces per level, a newline after every line.
  var yaml: String { lines.map { $0 + "\n" }.joined() }

  private var isDefault: Bool {
    switch self {
    case .value(_, let isDefault): isDefault
    case .mapping(let entries): entries.allSatisfy { $0.value.isDefault }
    case .sequence(let items): items.allSatisfy(\.isDefault)
    }
  }

  /// The value on one line of YAML, without marks.
  package var text: String {
    switch self {
    case .value(let text, _): text
    case .mapping(let entries):
      "{" + entries.map { "\(YAMLText.key($0.key)): \($0.value.text)" }.joined(separator: ", ")
        + "}"
    case .sequence(let items): "[" + items.map(\.text).joined(separator: ", ") + "]"
    }
  }

  private var lines: [String] {
    if !isBlock { return [isDefault ? text + " # default" : text] }
    return switch self {
    case .value: []
    case .mapping(let entries):
      entries.flatMap { entry in
        let (key, value) = (YAMLText.key(entry.key) + ":", entry.value)
        return value.isBlock ? [key] + value.lines.map { "  " + $0 } : [key + " " + value.lines[0]]
      }
    case .sequence(let items):
      items.flatMap { item in
        let lines = item.lines
        return ["- " + lines[0]] + lines.dropFirst().map { "  " + $0 }
      }
    }
  }

  private var isBlock: Bool {
    switch self {
    case .value: false
    case .mapping(let entries): !entries.isEmpty
    case .sequence(let items): !items.isEmpty
    }
  }
}

/// Writes text as a YAML scalar.
enum YAMLText {
  // Words that some YAML reader does not read as text.
  private static let words: Set<String> = [
    "null", "true", "false", "yes", "no", "on", "off", "y", "n",
  ]

  /// A value: plain if that is safe, else in double quotes.
  static func scalar(_ text: String) -> String { isSafe(text) ? text : quoted(text) }

  /// A key, in which variables are not replaced.
  static func key(_ text: String) -> String { isSafe(text) ? text : literal(text) }

  private static func isSafe(_ text: String) -> Bool {
    let isSafe = text.utf8.enumerated().allSatisfy { index, byte in
      switch byte {
      case 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2F: true
      case 0x30...0x39, 0x2E, 0x2D: index > 0
      default: false
      }
    }
    return isSafe && !text.isEmpty && !words.contains(text.lowercased())
  }

  /// In double quotes, with JSON's escapes; characters that YAML does not allow unescaped are
  /// escaped, and `${`, which would be read as a variable.
  static func quoted(_ text: String) -> String {
    literal(text.replacing("${", with: "$${"))
  }

  /// The same, with variables.
  static func literal(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    result.append("\"")
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22, 0x5C:
        result.append("\\")
        result.append(scalar)
      case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        let padding = String(repeating: "0", count: 4 - digits.count)
        result.append(contentsOf: ("\\u" + padding + digits).unicodeScalars)
      default:
        result.append(scalar)
      }
    }
    result.append("\"")
    return String(result)
  }
}
