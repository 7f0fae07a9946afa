// `${NAME}` and `${NAME:-default}` in values: environment variables of the process. `$${` is the
// text `${`; any other dollar is itself, so that patterns and shell commands need no escapes.
// Invariant: the value of a variable with a secret's name is never shown, only its name is.
import Primitives

/// Replaces the variables of a tree.
struct Variables {
  private let report: Report
  /// What all replaced values of a file may have together, so that a small file stays small.
  private var bytesLeft = YAMLDocument.byteCountMax

  private init(_ report: Report) { self.report = report }

  /// The tree with values in place of variables. Keys stay as they are.
  static func replaced(_ node: Node, _ report: Report) -> Node {
    var variables = Variables(report)
    return variables.replaced(node)
  }

  private mutating func replaced(_ node: Node) -> Node {
    switch node.content {
    case .unusable: return node
    case .sequence(let items):
      return Node(offset: node.offset, content: .sequence(items.map { replaced($0) }))
    case .mapping(let entries):
      let entries = entries.map { Node.Entry(key: $0.key, value: replaced($0.value)) }
      return Node(offset: node.offset, content: .mapping(entries))
    case .scalar(let scalar):
      guard scalar.text.contains("${") else { return node }
      guard let scalar = replaced(scalar, at: node.offset) else {
        return Node(offset: node.offset, content: .unusable)
      }
      return Node(offset: node.offset, content: .scalar(scalar))
    }
  }

  /// nil: the error is reported.
  private mutating func replaced(_ scalar: Scalar, at offset: Int) -> Scalar? {
    var text = ""
    var isSecret = false
    var rest = Substring(scalar.text)
    while let start = rest.firstRange(of: "${") {
      if rest[..<start.lowerBound].hasSuffix("$") {
        text += rest[..<start.lowerBound].dropLast() + "${"
        rest = rest[start.upperBound...]
        continue
      }
      text += rest[..<start.lowerBound]
      guard let end = rest[start.upperBound...].firstIndex(of: "}"),
        let (name, spare) = Self.parts(rest[start.upperBound..<end])
      else {
        report.error(
          at: offset, "\(Printable.quoted(String(rest[start.lowerBound...]))) is no variable",
          hint: "write `${NAME}` or `${NAME:-default}`; the text `${` is written `$${`")
        return nil
      }
      let found = report.surroundings.variable(name)
      guard let value = spare.map({ found?.isEmpty ?? true ? $0 : found ?? "" }) ?? found else {
        report.error(
          at: offset, "the environment variable `\(name)` is not set",
          hint: "set it, or write `${\(name):-default}`; the text `${` is written `$${`")
        return nil
      }
      if SecretText.isSecret(name: name) { isSecret = true }
      bytesLeft -= value.utf8.count
      guard bytesLeft >= 0 else {
        report.error(at: offset, "the values of the file's variables have more than 1 MiB")
        return nil
      }
      text += value
      rest = rest[rest.index(after: end)...]
    }
    text += rest
    let shown = isSecret ? YAMLText.literal(scalar.text) : nil
    return Scalar(text: text, isPlain: scalar.isPlain, shown: shown)
  }

  /// The name and the default of `NAME:-default`; nil: it is neither that nor a name.
  private static func parts(_ text: Substring) -> (name: String, spare: String?)? {
    let name = text.prefix { $0 != ":" }
    let rest = text[name.endIndex...]
    guard isName(name), rest.isEmpty || rest.hasPrefix(":-") else { return nil }
    return (String(name), rest.isEmpty ? nil : String(rest.dropFirst(2)))
  }

  /// Whether the text is the name of an environment variable.
  static func isName(_ text: Substring) -> Bool {
    (1...128).contains(text.utf8.count)
      && text.utf8.enumerated().allSatisfy { index, byte in
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x5F: true
        case 0x30...0x39: index > 0
        default: false
        }
      }
  }
}
