// One line of a screen as safe text in tones, and the bytes that show it. The palette decides which
// tones become colours; everything is readable without colours.

/// The meaning of a piece of text, not its appearance.
package enum Tone: Sendable, Equatable, CaseIterable {
  case normal, strong, faint, title, good, notice, warning, bad, disaster
}

/// How tones are shown.
package enum Palette: Sendable, Equatable {
  /// No escape sequences at all.
  case plain
  /// Bold, faint and inverse, no colours.
  case monochrome
  case colours

  /// The parameters of the SGR sequence (ECMA-48 §8.3.117); nil: none.
  func parameters(of tone: Tone) -> String? {
    switch (self, tone) {
    case (.plain, _), (_, .normal): nil
    case (_, .strong), (_, .title): "1"
    case (_, .faint): "2"
    case (.colours, .good): "32"
    case (.colours, .notice): "36"
    case (.colours, .warning): "33"
    case (.colours, .bad): "31"
    case (.colours, .disaster): "1;37;41"
    case (.monochrome, .good), (.monochrome, .notice): nil
    case (.monochrome, .warning), (.monochrome, .bad): "1"
    case (.monochrome, .disaster): "1;7"
    }
  }

  /// The palette for an output: colours only on a terminal that is not dumb, and only if NO_COLOR
  /// is unset or empty (no-color.org). `hasEscapes`: the output is known to be a terminal.
  package static func of(
    isTerminal: Bool, noColor: String?, term: String?, hasEscapes: Bool = false
  ) -> Palette {
    guard isTerminal, let term, !term.isEmpty, term != "dumb" else { return .plain }
    if let noColor, !noColor.isEmpty { return hasEscapes ? .monochrome : .plain }
    return .colours
  }
}

/// Pieces of text with tones, left to right.
package struct ScreenLine: Sendable, Equatable {
  package struct Span: Sendable, Equatable {
    package var text: String
    package var tone: Tone
  }

  package private(set) var spans: [Span] = []
  /// The width in columns.
  package private(set) var width = 0
  /// The whole line is shown inverse.
  package var isChosen = false

  package init() {}

  package init(_ text: String, _ tone: Tone = .normal) { append(text, tone) }

  /// Appends any text and makes it safe: the only way to add text to a line.
  package mutating func append(_ text: String, _ tone: Tone = .normal) {
    let safe = SafeText.of(text)
    guard !safe.isEmpty else { return }
    spans.append(Span(text: safe, tone: tone))
    width += SafeText.width(safe)
  }

  /// The same with every tone faint, for outdated contents.
  package var faded: ScreenLine {
    var line = self
    for index in line.spans.indices { line.spans[index].tone = .faint }
    return line
  }

  /// The text alone, without trailing blanks.
  package var plain: String {
    var text = spans.map(\.text).joined()
    while text.last == " " { text.removeLast() }
    return text
  }

  /// The bytes for a terminal, cut to so many columns, and padded with blanks if `isFilled`.
  package func rendered(_ palette: Palette, columns: Int, isFilled: Bool = true) -> String {
    var result = ""
    var left = columns
    let inverse = isChosen && palette != .plain ? "7" : nil
    for span in spans where left > 0 {
      let text = SafeText.cut(span.text, to: left)
      left -= SafeText.width(text)
      // Inverse colours are bars that hide the text: the bar alone shows which line is chosen.
      let own = inverse == nil || span.tone == .strong ? palette.parameters(of: span.tone) : nil
      let codes = [own, inverse].compactMap(\.self)
      result += codes.isEmpty ? text : "\u{1b}[\(codes.joined(separator: ";"))m\(text)\u{1b}[0m"
    }
    guard isFilled, left > 0 else { return result }
    let blanks = String(repeating: " ", count: left)
    return result + (inverse == nil ? blanks : "\u{1b}[7m\(blanks)\u{1b}[0m")
  }
}
