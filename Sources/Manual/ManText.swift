// A manual page in the man macros (man(7), groff_man(7)), made from the table of commands.

package enum ManText {
  /// A section of the page: paragraphs, then a list.
  package struct Section: Sendable {
    package let title: String
    package var text: [String]
    package var rows: [(name: String, text: String)]

    package init(_ title: String, _ text: [String] = [], rows: [(name: String, text: String)] = [])
    {
      (self.title, self.text, self.rows) = (title, text, rows)
    }
  }

  /// The whole page. `date` is YYYY-MM-DD; there are sections before and after the commands.
  package static func page(
    date: String, summary: String, before: [Section], _ commands: [CommandSpec], after: [Section]
  ) -> String {
    var lines = [
      ".\\\" Made by `steelyard help --man`: do not edit.",
      ".TH STEELYARD 1 \"\(date)\" \"steelyard\" \"User Commands\"",
      ".SH NAME", "steelyard \\- \(escaped(summary))",
      ".SH SYNOPSIS", ".nf", ".B steelyard \"COMMAND [OPTION]...\"",
      ".B steelyard \"\\-\\-help\"", ".B steelyard \"\\-\\-version\"", ".fi",
    ]
    lines += before.flatMap(section)
    lines.append(".SH COMMANDS")
    lines += commands.flatMap(part)
    lines += after.flatMap(section)
    return lines.joined(separator: "\n") + "\n"
  }

  private static func section(_ one: Section) -> [String] {
    var lines = [".SH " + quoted(one.title)]
    for (index, text) in one.text.enumerated() {
      lines += (index == 0 ? [] : [".PP"]) + filled(text)
    }
    return lines + list(one.rows)
  }

  private static func part(_ command: CommandSpec) -> [String] {
    var lines = [".SS " + quoted(command.name), ".nf"]
    lines += command.synopsis.map { ".B steelyard " + quoted($0) }
    lines.append(".fi")
    for text in command.text { lines += [".PP"] + filled(text) }
    lines += list(command.options.map { ($0.label, $0.text) })
    for one in command.lists {
      lines += [".PP", escaped(one.title) + ":"]
      lines += list(one.rows)
    }
    if !command.exits.isEmpty {
      let text = command.exits.map { "\($0.code) \($0.text)" }.joined(separator: ", ")
      lines += [".PP"] + filled("Exit codes: \(text).")
    }
    lines += [".PP", "Examples:", ".PP", ".nf", ".RS 4"]
    lines += command.examples.map(escaped)
    return lines + [".RE", ".fi"]
  }

  private static func list(_ rows: [(name: String, text: String)]) -> [String] {
    rows.flatMap { [".TP", ".B " + quoted($0.name)] + filled($0.text) }
  }

  /// A paragraph in lines that are not too long.
  private static func filled(_ text: String) -> [String] {
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
      let next = escaped(String(word))
      if !line.isEmpty, line.count + 1 + next.count > 78 {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : " ") + next
    }
    return lines + [line]
  }

  /// The text of a line, with backslashes, dashes and a leading dot escaped.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "`": result += "\\(ga"
      case "'": result += "\\(aq"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      default: result.append(character)
      }
    }
    return result.first == "." ? "\\&" + result : result
  }

  /// The argument of a macro.
  private static func quoted(_ text: String) -> String {
    "\"\(escaped(text).replacing("\"", with: "\\(dq"))\""
  }
}
