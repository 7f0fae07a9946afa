// What is fuzzed: for each parser that reads foreign bytes a function that checks laws of it on one
// input, and where inputs to begin with stand. Used by libFuzzer (Fuzz/Program) and by the replay
// in Tests/FuzzTests.

/// A parser and its laws.
package struct FuzzTarget: Sendable {
  /// The name of its folder in Fuzz/Corpus.
  package let name: String
  /// The longest input that is made, bytes.
  package let byteCountMax: Int
  /// What the fuzzer may put into an input, as text.
  package let words: [String]
  /// Checks all laws on one input. The memory ends with the input.
  package let check: @Sendable (UnsafeRawBufferPointer) throws(Finding) -> Void
  private let seeds: @Sendable (SeedFiles) -> [[UInt8]]

  init(
    _ name: String, byteCountMax: Int = 1_024, words: [String] = [],
    check: @escaping @Sendable (UnsafeRawBufferPointer) throws(Finding) -> Void,
    seeds: @escaping @Sendable (SeedFiles) -> [[UInt8]]
  ) {
    self.name = name
    self.byteCountMax = byteCountMax
    self.words = words
    self.check = check
    self.seeds = seeds
  }

  package static let all: [FuzzTarget] = [
    RequestHeadTarget.target, ResponseHeadTarget.target, ChunkedTarget.target, ProxyTarget.target,
    MetricsTarget.target, WriterTarget.target, OpenMetricsTarget.target,
    ConfigurationTarget.target, JSONTarget.target, AdminTarget.target, TLSTarget.target,
    HPACKTarget.target, CallTarget.target, RESPTarget.target,
  ]

  package static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }

  /// Inputs made of the tests' tables and the example files below `root`, the repository's folder.
  package func seeds(root: String) -> [[UInt8]] { seeds(SeedFiles(root: root)) }

  /// The words in libFuzzer's dictionary format.
  package var dictionary: String {
    words.map { word in
      let escaped = word.utf8.map { byte in
        switch byte {
        case 0x22, 0x5C: "\\" + String(UnicodeScalar(byte))
        case 0x20...0x7E: String(UnicodeScalar(byte))
        default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
      }
      return "\"" + escaped.joined() + "\"\n"
    }.joined()
  }
}

/// A law that an input broke.
package struct Finding: Error, CustomStringConvertible {
  package let description: String
}

/// Throws where a law does not hold.
func require(_ holds: Bool, _ law: @autoclosure () -> String) throws(Finding) {
  guard holds else { throw Finding(description: law()) }
}
