// The text of `--help`, made from the table of commands.

package enum HelpText {
  private static let width = 96

  /// The overview of a program. `title` is its first line; `extra` are words that are not commands.
  package static func overview(
    title: String, _ commands: [CommandSpec], extra: [(name: String, text: String)],
    examples: [String]
  ) -> String {
    let rows = commands.map { ($0.label, $0.summary) } + extra
    return """
      \(title)

      usage: steelyard <command> [options]

      \(list(rows, gap: 2).joined(separator: "\n"))

      examples:
      \(examples.map { "  " + $0 }.joined(separator: "\n"))
      """
  }

  package static func of(_ command: CommandSpec) -> String {
    var blocks: [String] = []
    let lines = command.synopsis.enumerated().map { index, line in
      (index == 0 ? "usage: steelyard " : "       steelyard ") + line
    }
    blocks.append(
      lines.flatMap { wrapped(unbroken($0), indent: 18 + command.name.count, first: 17) }
        .joined(separator: "\n").replacing("\u{A0}", with: " "))
    for text in command.text { blocks.append(wrapped(text).joined(separator: "\n")) }
    if !command.options.isEmpty {
      let rows = command.options.map { ($0.label, $0.text) }
      blocks.append("options:\n" + list(rows, gap: 2).joined(separator: "\n"))
    }
    for one in command.lists {
      blocks.append("\(one.title):\n" + list(one.rows, gap: 2).joined(separator: "\n"))
    }
    if !command.exits.isEmpty {
      let text = command.exits.map { "\($0.code) \($0.text)" }.joined(separator: ", ")
      blocks.append(wrapped("exit codes: " + text, indent: 12, first: 0).joined(separator: "\n"))
    }
    blocks.append("examples:\n" + command.examples.map { "  " + $0 }.joined(separator: "\n"))
    return blocks.joined(separator: "\n\n")
  }

  /// Keeps text in brackets on one line.
  private static func unbroken(_ text: String) -> String {
    var depth = 0
    return String(
      text.map { character in
        if character == "[" { depth += 1 }
        if character == "]" { depth -= 1 }
        return character == " " && depth > 0 ? "\u{A0}" : character
      })
  }

  private static func list(_ rows: [(String, String)], gap: Int) -> [String] {
    let names = rows.map(\.0.count).max() ?? 0
    return rows.flatMap { name, text in
      let pad = String(repeating: " ", count: names - name.count + gap)
      return wrapped("  \(name)\(pad)\(text)", indent: names + gap + 2, first: names + gap + 2)
    }
  }

  /// Lines of at most `width` columns; those after the first are indented. The first `first`
  /// columns are never broken.
  private static func wrapped(_ text: String, indent: Int = 0, first: Int = 0) -> [String] {
    var lines: [String] = []
    var line = String(text.prefix(first))
    var isEmpty = true
    for word in text.dropFirst(first).split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = String(repeating: " ", count: indent)
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return lines + [line]
  }
}
