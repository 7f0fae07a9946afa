// Files that nobody wrote in good faith: every answer is a fleet or diagnostics, and soon.
import Primitives
import Testing

@testable import Configuration

@Suite struct HostileInputTests {
  /// Whatever comes back is well formed; that it comes back is the point.
  private func survive(_ bytes: [UInt8], _ location: SourceLocation = #_sourceLocation) {
    do throws(ConfigurationErrors) {
      let file = try ConfigurationFile.read(bytes, path: "a.yaml")
      let again = try ConfigurationFile.read(Array(file.effective.utf8), path: "effective")
      #expect(again.fleet == file.fleet, sourceLocation: location)
    } catch {
      #expect(!error.diagnostics.isEmpty, sourceLocation: location)
      var last = (0, 0)
      for diagnostic in error.diagnostics {
        #expect((diagnostic.line, diagnostic.column) >= last, sourceLocation: location)
        #expect(!diagnostic.message.isEmpty, sourceLocation: location)
        last = (diagnostic.line, diagnostic.column)
      }
      let text = error.rendered
      #expect(
        !text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" },
        sourceLocation: location)
    }
  }

  /// At every byte of a short file. The long one is cut at every fifth: each cut costs as much as
  /// all that is before it.
  @Test(arguments: Example.names)
  func truncatedAnywhereAnExampleLoadsOrIsDiagnosed(_ name: String) throws {
    let bytes = try Example.bytes(name)
    for count in stride(from: 0, through: bytes.count, by: bytes.count > 5_000 ? 5 : 1) {
      survive(Array(bytes.prefix(count)))
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func mutatedExamplesLoadOrAreDiagnosed(_ seed: UInt64) throws {
    let original = try Example.bytes("example")
    let donors = Array("{}[]:,-?&*!|>'\"%@`# \t\n\r\0\u{85}é€💧".utf8) + [0xFF, 0xC0, 0x1B, 0x7F]
    var random = RandomSource(seed: seed)
    for _ in 0..<500 {
      var bytes = original
      for _ in 0...random.index(below: 4) {
        let index = random.index(below: bytes.count)
        switch random.index(below: 4) {
        case 0: bytes[index] = donors[random.index(below: donors.count)]
        case 1: bytes.insert(donors[random.index(below: donors.count)], at: index)
        case 2: bytes.remove(at: index)
        default:
          // A run of the file, moved.
          let end = min(bytes.count, index + random.index(below: 40))
          let run = Array(bytes[index..<end])
          bytes.insert(contentsOf: run, at: random.index(below: bytes.count))
        }
      }
      survive(bytes)
    }
  }

  /// A text may begin with a byte that continues a character, or have no other.
  @Test func whateverItsFirstBytesAFileIsDiagnosed() {
    for first in 0...255 as ClosedRange<UInt8> {
      survive([first])
      survive([first, 0x0A])
      for second in 0...255 as ClosedRange<UInt8> { survive([first, second, 0x61, 0x0A]) }
    }
    survive([UInt8](repeating: 0x80, count: 1_000))
    #expect(throws: ConfigurationErrors.self) {
      try ConfigurationFile.read([0xBB, 0x0A], path: "a.yaml")
    }
  }

  @Test(
    arguments: [
      "[", "{", "]", "- ", "? ", ": ", "a: ", "a:\n", "&a ", "*a ", "!a ", "!!a ", "%TAG !a! b\n",
      "\"", "'", "|\n ", ">\n ", "---\n", "...\n", "...\n%TAG !a! b\n", "\t", " ", "#", "# a\n",
      "é", "\u{2028}", "\r", "\n", ",", "[,", "{a:", "[a: ", "\"a\":", "{\"a\":{", "- - ", "-\n",
      "a", "1", "\\", "\"\\", "@", "`", "\u{FEFF}", "a b: c\n", "? a\n", "- a\n", "a,", "[]\n",
    ])
  func aMegabyteOfOneThingIsAnsweredSoon(_ unit: String) {
    let count = (YAMLDocument.byteCountMax - 16) / unit.utf8.count
    for prefix in ["", "a: [", "{"] {
      let bytes = Array((prefix + String(repeating: unit, count: count)).utf8)
      let span = ContinuousClock().measure { survive(bytes) }
      #expect(span < .seconds(5), "\(prefix)")
    }
  }

  @Test func keysWithoutEndAreAnsweredSoon() {
    let text = (0..<60_000).map { "key\($0): 1\n" }.joined()
    let span = ContinuousClock().measure { survive(Array(text.utf8)) }
    #expect(span < .seconds(5))
    let flow = "{" + (0..<60_000).map { "key\($0): 1, " }.joined() + "}"
    let flowSpan = ContinuousClock().measure { survive(Array(flow.utf8)) }
    #expect(flowSpan < .seconds(5))
  }
}
