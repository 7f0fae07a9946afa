import Testing

@testable import Exposition

@Suite struct ByteClassTests {
  @Test func everyByteIsInTheClassesThatTheFormatGivesIt() {
    for byte in UInt8.min...UInt8.max {
      let character = Character(Unicode.Scalar(byte))
      let isLetter = byte < 128 && character.isLetter
      let isDigit = byte < 128 && character.isNumber
      #expect(ByteClass.isDigit(byte) == isDigit, "\(byte)")
      #expect(ByteClass.isLabelStart(byte) == (isLetter || character == "_"), "\(byte)")
      #expect(ByteClass.isLabel(byte) == (isLetter || isDigit || character == "_"), "\(byte)")
      #expect(
        ByteClass.isNameStart(byte) == (isLetter || character == "_" || character == ":"),
        "\(byte)")
      #expect(
        ByteClass.isName(byte) == (isLetter || isDigit || character == "_" || character == ":"),
        "\(byte)")
      #expect(ByteClass.isBlank(byte) == (character == " " || character == "\t"), "\(byte)")
    }
  }

  @Test(arguments: 0..<40) func theClosingQuoteIsFoundAtEveryDistance(distance: Int) {
    for filler in [UInt8(ascii: "x"), 0xC3, 0x21, 0x23, 0x5B, 0x5D, 0xA2, 0xDC, 0x00, 0xFF] {
      var bytes = [UInt8](repeating: filler, count: distance)
      bytes += Array("\" tail tail tail \" \\".utf8)
      withGuardedPage(bytes) { page in
        let start = page.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let scan = scanQuoted(start, start + page.count)
        #expect(scan.end - start == distance)
        #expect(!scan.hasEscapes)
        #expect(scan.hasNonASCII == (filler > 127 && distance > 0))
      }
    }
  }

  @Test(arguments: 0..<24) func anEscapeIsSeenAtEveryDistance(distance: Int) {
    for (escape, isASCII) in [(#"\""#, true), (#"\\"#, true), (#"\n"#, true), ("\\é", false)] {
      let bytes = Array((String(repeating: "a", count: distance) + escape + "b\" ").utf8)
      withGuardedPage(bytes) { page in
        let start = page.baseAddress!.assumingMemoryBound(to: UInt8.self)
        let scan = scanQuoted(start, start + page.count)
        #expect(scan.end - start == bytes.count - 2)
        #expect(scan.hasEscapes)
        #expect(scan.hasNonASCII == !isASCII)
      }
    }
  }
}
