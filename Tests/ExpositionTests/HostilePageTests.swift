import Primitives
import Testing

@testable import Exposition

@Suite struct HostilePageTests {
  private static let small = Array(
    #"""
    # HELP :a \x
    # TYPE :a gauge
    :a{b="c\"é",d="\\",} 1.25e3 17 # {x="y"} 1

    {"my.n\né", "l.1" = "v"} -Inf
    # TYPE "my" counter
    z{} 12345678901234567890
    # EOF
    """#.utf8)

  /// Every error stands within the page, and what was read could be read (the guard page would
  /// have stopped it otherwise).
  private func check(_ bytes: [UInt8], _ note: String) {
    let page = ReadPage(bytes)
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    #expect(
      page.lineCount == lines.count - (bytes.last == 0x0A || bytes.isEmpty ? 1 : 0), "\(note)")
    #expect(page.samples.count + page.errors.count + page.types.count <= page.lineCount, "\(note)")
    var lastLine = 0
    for error in page.errors {
      #expect(error.line > lastLine && error.line <= lines.count, "\(note): \(error)")
      #expect(error.column >= 1, "\(note): \(error)")
      #expect(error.column <= lines[error.line - 1].count + 1, "\(note): \(error)")
      lastLine = error.line
    }
  }

  @Test func aPageCutAtEveryByteLosesAtMostItsLastLine() {
    let whole = ReadPage(Self.small)
    #expect(whole.samples.count == 3 && whole.errors.isEmpty && whole.types.count == 2)
    for count in 0...Self.small.count {
      let part = Array(Self.small[..<count])
      check(part, "cut at \(count)")
      let lines = part.split(separator: 0x0A, omittingEmptySubsequences: false)
      let page = ReadPage(part)
      #expect(page.errors.allSatisfy { $0.line == lines.count }, "cut at \(count)")
    }
  }

  @Test func everyByteInEveryPlaceIsReadOrRefused() {
    for index in Self.small.indices {
      for byte in UInt8.min...UInt8.max {
        var bytes = Self.small
        bytes[index] = byte
        check(bytes, "\(byte) at \(index)")
      }
    }
  }

  @Test func bytesOfNoMeaningAreRefused() {
    var random = RandomSource(seed: 3)
    for round in 0..<500 {
      let alphabet = round % 2 == 0 ? nil : Array("a:{}\"\\=,# \t\r\n019.eE+-_TYPEnif".utf8)
      let bytes = (0..<random.index(below: 600)).map { _ in
        alphabet.map { $0[random.index(below: $0.count)] }
          ?? UInt8(truncatingIfNeeded: random.next())
      }
      check(bytes, "round \(round)")
    }
  }

  @Test func mutatedCapturesAreReadOrRefused() throws {
    var random = RandomSource(seed: 7)
    let files = try Captures.pages()
    let special = Array("{}\",\\=#\n\r\t \u{0}\u{7F}.eE+-09aZ_:".utf8) + [0x80, 0xC3, 0xFF]
    for file in files {
      let original = try Captures.bytes(file)
      for round in 0..<8 {
        let start = random.index(below: original.count)
        var bytes = Array(original[start..<min(original.count, start + 6000)])
        for _ in 0..<1 + random.index(below: 60) where bytes.count > 1 {
          let index = random.index(below: bytes.count)
          switch random.index(below: 4) {
          case 0: bytes.remove(at: index)
          case 1: bytes.insert(special[random.index(below: special.count)], at: index)
          case 2: bytes[index] = UInt8(truncatingIfNeeded: random.next())
          default:
            let end = min(bytes.count, index + random.index(below: 40))
            bytes.insert(contentsOf: bytes[index..<end], at: random.index(below: bytes.count))
          }
        }
        check(bytes, "\(file) round \(round)")
      }
    }
  }

  @Test func oneEndlessLineIsRefused() {
    for byte in ["a", "{", "\"", "\\", "#", " ", "1", ","] {
      let bytes = Array(("a{b=\"" + String(repeating: byte, count: 300_000)).utf8)
      #expect(ReadPage(bytes).errors == [ParseError(.lineTooLong, line: 1, column: 65_537)])
    }
  }
}
