import Testing

@testable import Terminal

@Suite struct SafeTextTests {
  struct Row: CustomTestStringConvertible {
    let text: String
    let safe: String
    let width: Int
    var location: SourceLocation
    var testDescription: String { text.debugDescription }

    init(
      _ text: String, _ safe: String, _ width: Int, _ location: SourceLocation = #_sourceLocation
    ) {
      (self.text, self.safe, self.width, self.location) = (text, safe, width, location)
    }
  }

  @Test(arguments: [
    Row("plain text", "plain text", 10), Row("", "", 0), Row("naïve", "naïve", 5),
    Row("漢字", "漢字", 4), Row("한글", "한글", 4), Row("🚀", "🚀", 2), Row("ｆ", "ｆ", 2),
    // A mark takes no column; too many are left out, and one alone has nothing to stand on.
    Row("e\u{301}", "e\u{301}", 1), Row("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}", 1),
    Row("\u{301}a", "a", 1),
    // What steers a terminal or the direction of text.
    Row("\u{1b}[2J", "\u{FFFD}[2J", 4), Row("a\u{7}b", "a\u{FFFD}b", 3),
    Row("a\r\nb", "a\u{FFFD}\u{FFFD}b", 4), Row("\u{9b}31m", "\u{FFFD}31m", 4),
    Row("\u{7f}", "\u{FFFD}", 1), Row("\u{202e}x\u{2066}", "\u{FFFD}x\u{FFFD}", 3),
    Row("a\u{200d}b", "a\u{FFFD}b", 3), Row("a\u{2028}b", "a\u{FFFD}b", 3),
    Row("\u{e000}", "\u{FFFD}", 1), Row("a\u{a0}b\u{3000}c", "a b c", 5),
    Row("❤\u{fe0f}", "❤", 1),
  ])
  func isSafeAndAsWide(row: Row) {
    let safe = SafeText.of(row.text)
    #expect(safe == row.safe, sourceLocation: row.location)
    #expect(SafeText.width(safe) == row.width, sourceLocation: row.location)
    // Once is enough.
    #expect(SafeText.of(safe) == safe, sourceLocation: row.location)
  }

  @Test func everyControlCharacterIsReplaced() {
    for value in UInt32(0)...0x9F where value < 0x20 || value >= 0x7F {
      guard let scalar = Unicode.Scalar(value) else { continue }
      #expect(SafeText.of("a\(Character(scalar))") == "a\u{FFFD}")
    }
  }

  @Test func aCutTextIsNeverWiderThanItsPlace() {
    for text in ["plain text", "漢字漢字", "a漢b字c", "e\u{301}e\u{301}e\u{301}", "🚀🚀", ""] {
      for columns in 0...12 {
        let cut = SafeText.cut(text, to: columns)
        #expect(SafeText.width(cut) <= columns)
        if SafeText.width(text) <= columns { #expect(cut == text) }
        for isRight in [false, true] {
          #expect(SafeText.width(SafeText.fitted(text, to: columns, isRight: isRight)) == columns)
        }
      }
    }
  }

  @Test func aLineIsAsWideAsTheScreenInEveryPalette() {
    var line = ScreenLine("漢字 ", .strong)
    line.append("bad", .bad)
    line.append("\u{1b}[0mno", .disaster)
    for columns in 0...20 {
      let plain = line.rendered(.plain, columns: columns)
      #expect(SafeText.width(plain) == columns)
      #expect(!plain.contains("\u{1b}"))
      for palette in [Palette.monochrome, .colours] {
        let shown = line.rendered(palette, columns: columns)
        // Without its sequences it is the same text.
        #expect(shown.replacing(/\u{1b}\[[0-9;]*m/, with: "") == plain)
      }
    }
    let mono = line.rendered(.monochrome, columns: 20)
    #expect(!mono.contains(/\u{1b}\[[0-9;]*(3|4)[0-9]/))
    #expect(line.rendered(.colours, columns: 20).contains("\u{1b}[31mbad"))
  }

  static let outputs: [(isTerminal: Bool, noColor: String?, term: String?, palette: Palette)] = [
    (true, nil, "xterm", .colours), (true, "", "xterm", .colours), (true, "1", "xterm", .plain),
    (false, nil, "xterm", .plain), (true, nil, "dumb", .plain), (true, nil, nil, .plain),
    (true, nil, "", .plain),
  ]

  @Test func coloursAreForTerminalsThatWantThem() {
    for one in Self.outputs {
      let palette = Palette.of(
        isTerminal: one.isTerminal, noColor: one.noColor, term: one.term)
      #expect(palette == one.palette, "\(one)")
    }
  }

  @Test func aWholeScreenNeedsSequencesButNoColours() {
    let palette = Palette.of(isTerminal: true, noColor: "1", term: "xterm", hasEscapes: true)
    #expect(palette == .monochrome)
    #expect(Palette.of(isTerminal: true, noColor: nil, term: "dumb", hasEscapes: true) == .plain)
  }
}
