import Testing

@testable import Terminal

@Suite struct KeyReaderTests {
  struct Row: CustomTestStringConvertible {
    let bytes: [UInt8]
    let keys: [Key]
    var location: SourceLocation
    var testDescription: String { "\(bytes)" }

    init(_ text: String, _ keys: [Key], _ location: SourceLocation = #_sourceLocation) {
      (bytes, self.keys, self.location) = (Array(text.utf8), keys, location)
    }
    init(_ bytes: [UInt8], _ keys: [Key], _ location: SourceLocation = #_sourceLocation) {
      (self.bytes, self.keys, self.location) = (bytes, keys, location)
    }
  }

  static let rows = [
    Row("q", [.character("q")]), Row("é漢", [.character("é"), .character("漢")]),
    Row("\r\n", [.enter, .enter]), Row("\u{7f}\u{8}", [.backspace, .backspace]),
    Row("\u{15}\u{c}", [.clearLine, .redraw]),
    Row("\u{1b}[A\u{1b}OB\u{1b}[C\u{1b}[D", [.up, .down, .right, .left]),
    Row("\u{1b}[5~\u{1b}[6~", [.pageUp, .pageDown]),
    Row("\u{1b}[H\u{1b}[F\u{1b}[1~\u{1b}[4~\u{1b}OH", [.home, .end, .home, .end, .home]),
    Row("\u{1b}[1;5Ax", [.up, .character("x")]),
    // Unknown: a mouse's report, F5, Alt-d, control characters; what follows counts.
    Row("\u{1b}[<0;1;2Mx", [.character("x")]), Row("\u{1b}[15~x", [.character("x")]),
    Row("\u{1b}dx", [.character("x")]), Row("\u{1}\u{0}x", [.character("x")]),
    // Pasted: no orders.
    Row("\u{1b}[200~dy\u{1b}[A\r\u{1b}[201~q", [.character("q")]),
    // No UTF-8.
    Row([0xFF, 0x71], [.character("q")]), Row([0xC3, 0x28, 0x71], [.character("q")]),
    Row([0xED, 0xA0, 0x80, 0x71], [.character("q")]),
    Row([0xC2, 0x9B, 0x71], [.character("q")]),
  ]

  @Test(arguments: rows)
  func readsKeys(row: Row) {
    var reader = KeyReader()
    #expect(reader.read(row.bytes, takesPaste: false) == row.keys, sourceLocation: row.location)
    #expect(!reader.isWaiting)
  }

  @Test(arguments: rows)
  func theSameHoweverBytesAreSplit(row: Row) {
    for split in 0...row.bytes.count {
      var reader = KeyReader()
      var keys = reader.read(row.bytes[..<split], takesPaste: false)
      keys += reader.read(row.bytes[split...], takesPaste: false)
      #expect(keys == row.keys, sourceLocation: row.location)
    }
  }

  @Test func anEscapeAloneIsAKeyOnceNothingFollows() {
    var reader = KeyReader()
    #expect(reader.read([0x1B], takesPaste: false) == [])
    #expect(reader.isWaiting)
    #expect(reader.flush() == [.escape])
    #expect(!reader.isWaiting)
    #expect(reader.read(Array("\u{1b}[".utf8), takesPaste: false) == [])
    #expect(reader.flush() == [])
  }

  @Test func aSequenceThatDoesNotEndIsDropped() {
    var reader = KeyReader()
    let keys = reader.read(
      Array("\u{1b}[".utf8) + [UInt8](repeating: 0x31, count: 10_000) + [0x71], takesPaste: false)
    #expect(keys.last == .character("q"))
    #expect(!reader.isWaiting)
  }

  @Test func whatIsPastedIsTextWhereTextIsAskedFor() {
    var reader = KeyReader()
    let keys = reader.read(Array("\u{1b}[200~ab\r\u{1b}[201~".utf8), takesPaste: true)
    #expect(keys == [.character("a"), .character("b")])
  }
}
