// The limits of a file: bytes, depth, values, errors; and bytes that are no text.
import Testing

@testable import Configuration

@Suite struct LimitTests {
  private func answer(_ bytes: [UInt8]) -> String {
    do throws(ConfigurationErrors) {
      _ = try ConfigurationFile.read(bytes, path: "a.yaml")
      return ""
    } catch {
      return error.rendered
    }
  }

  @Test func aFileOfOneMebibyteIsReadAndOneByteMoreIsNot() {
    let text = pool("") + "#"
    let padded = text + String(repeating: "x", count: YAMLDocument.byteCountMax - text.utf8.count)
    #expect(answer(Array(padded.utf8)) == "")
    #expect(
      answer(Array((padded + "x").utf8))
        == "a.yaml:1:1: error: the file has 1048577 bytes; at most 1 MiB is read")
  }

  @Test func depthOf32IsReadAndOneMoreIsNot() {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    #expect(messages(nested(32)) == ["1:1: the file must be a mapping, not a list"])
    #expect(messages(nested(33)) == ["1:33: more than 32 levels, one inside the other"])
  }

  @Test func valuesAreCounted() {
    func list(_ count: Int) -> String { "[" + String(repeating: "1,", count: count) + "]" }
    #expect(messages(list(99_999)) == ["1:1: the file must be a mapping, not a list"])
    #expect(messages(list(100_000)) == ["1:200000: more than 100000 values in one file"])
  }

  @Test func errorsBeyondAThousandAreCountedTogether() {
    let text = pool("") + (0..<2_000).map { "key\($0): 1\n" }.joined()
    let messages = messages(text)
    #expect(messages.count == 1_001)
    #expect(messages.last?.hasSuffix("more than 1000 errors, the rest is left out") == true)
  }

  @Test(
    arguments: [
      (Array("a: \u{E9}\u{20AC}".utf8) + [0xFF], "1:6", "the file is not UTF-8 from here on"),
      (Array("a: b\nc: ".utf8) + [0xC3, 0x28], "2:4", "the file is not UTF-8 from here on"),
      ([0xE2, 0x82], "1:1", "the file is not UTF-8 from here on"),
      ([0xED, 0xA0, 0x80], "1:1", "the file is not UTF-8 from here on"),
      (Array("a: b\n\0".utf8), "2:1", "the file holds a NUL byte"),
      (Array("a: b\u{1B}".utf8), "1:5", "the file holds a control character"),
      ([0xFF, 0xFE, 0x61, 0], "1:1", "the file is UTF-16"),
      ([0xFE, 0xFF, 0, 0x61], "1:1", "the file is UTF-16"),
      ([0xEF, 0xBB, 0xBF], "1:1", "the file is empty"),
    ])
  func bytesThatAreNoTextAreRefused(_ bytes: [UInt8], _ place: String, _ message: String) {
    #expect(answer(bytes).hasPrefix("a.yaml:\(place): error: \(message)"), "\(answer(bytes))")
  }
}
