// Scalars: what each form takes and refuses, and that what is written is read as the same value.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct FormTests {
  private func read<Value>(_ text: String, _ form: Form<Value>) -> Value? {
    try? form.read(Scalar(text: text, isPlain: true))
  }

  @Test(
    arguments: [
      ("250ms", 250_000_000), ("2s", 2_000_000_000), ("5m", 300_000_000_000),
      ("1h", 3_600_000_000_000), ("1.5s", 1_500_000_000), ("0.25ms", 250_000), ("0s", 0),
      ("1", nil), ("1 s", nil), ("s", nil), ("-1s", nil), ("1.s", nil), (".5s", nil), ("01s", nil),
      ("1d", nil), ("1S", nil), ("1s ", nil), ("25h", nil), ("0.0000001ms", nil), ("1e3s", nil),
      ("99999999999999999999s", nil), ("5000000h", nil), ("9999999999s", nil),
      ("999999999999999999h", nil), ("１s", nil), ("", nil),
    ] as [(String, Int64?)])
  func durations(_ text: String, _ expected: Int64?) {
    let form = Form<Nanoseconds>.duration(.zero ... .seconds(86_400))
    let value = read(text, form)
    #expect(value?.rawValue == expected)
    if let value { #expect(read(form.write(value), form) == value) }
  }

  @Test(
    arguments: [
      ("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("10MB", 10_000_000), ("1GiB", 1 << 30),
      ("1.5KiB", 1_536), ("7B", 7), ("1kB", 1_000), ("1.5B", nil), ("10m", nil), ("10 MB", nil),
      ("-1", nil), ("1e3", nil), ("0x10", nil), ("9000000000GiB", nil), ("17179869183GiB", nil),
      ("", nil),
    ] as [(String, Int?)])
  func sizes(_ text: String, _ expected: Int?) {
    let form = Form<Int>.size(0...(1 << 40))
    let value = read(text, form)
    #expect(value == expected)
    if let value { #expect(read(form.write(value), form) == value) }
  }

  @Test(
    arguments: [
      ("1", 1), ("0.05", 0.05), ("-3", -3), ("1e-06", 1e-6), ("+2.5", 2.5), ("1E3", 1_000),
      ("nan", nil), (".inf", nil), ("inf", nil), ("0x10", nil), ("1e999", nil), ("1_000", nil),
      ("e", nil), ("", nil), ("--1", nil), ("80%", nil), ("1001", nil),
    ] as [(String, Double?)])
  func numbers(_ text: String, _ expected: Double?) {
    let form = Form<Double>.number(-1_000...1_000)
    let value = read(text, form)
    #expect(value == expected)
    if let value { #expect(read(form.write(value), form) == value) }
  }

  @Test func numbersReadBackWhateverTheyAre() {
    var random = RandomSource(seed: 7)
    for _ in 0..<2_000 {
      let number = Double(bitPattern: random.next())
      if number.isFinite { #expect(Decimal.double(Decimal.text(number)) == number) }
      let span = Nanoseconds(Int64(random.next() >> (1 + UInt64(random.index(below: 62)))))
      let text = Decimal.duration(span)
      #expect(Decimal.read(text, units: Decimal.durations) == span.rawValue, "\(text)")
      let size = Int(random.next() >> (1 + UInt64(random.index(below: 62))))
      #expect(Decimal.read(Decimal.size(size), units: Decimal.sizes, bare: 1) == Int64(size))
    }
  }

  @Test(
    arguments: [
      ("3", 3), ("0", 0), ("010", nil), ("1.0", nil), ("+1", nil), ("1e1", nil), ("11", nil),
      ("-1", nil), ("", nil), ("99999999999999999999", nil),
    ] as [(String, Int?)])
  func counts(_ text: String, _ expected: Int?) {
    #expect(read(text, .count(0...10)) == expected)
  }

  @Test(
    arguments: [
      ("0.0.0.0:80", "0.0.0.0:80"), (":80", "0.0.0.0:80"), ("localhost:80", "127.0.0.1:80"),
      ("LocalHost:0", "127.0.0.1:0"), ("[::1]:80", "[0:0:0:0:0:0:0:1]:80"), ("80", nil),
      ("", nil), (":", nil), ("[::1]", nil), ("[::1]80", nil), ("::1:80", nil), ("a:80", nil),
      ("1.2.3.4:080", nil), ("1.2.3.4:-1", nil), ("1.2.3.4:65536", nil), ("1.2.3:4", nil),
      ("[:80", nil), ("]:80", nil), ("[]:80", nil), ("[1.2.3.4]:80", nil), ("1.2.3.4:80/x", nil),
    ] as [(String, String?)])
  func listenAddresses(_ text: String, _ expected: String?) {
    #expect(read(text, .listenAddress)?.description == expected)
  }

  @Test(
    arguments: [
      "a", "a b", "", "null", "yes", "No", "~", "1", "-", "- a", "a: b", "#", "\"", "\\", "'",
      "\u{0}", "\n", "\t", "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}", "é", "你", "😀", "/a/b",
      "vllm:x", "%", "{}", "[", "a#b", " a", "*", "&a", "!a", "|", ">", "@", "`", "\u{FFFE}",
    ])
  func textReadsBackAsTheSameText(_ text: String) throws {
    for yaml in [YAMLText.scalar(text), YAMLText.quoted(text)] {
      let report = Report(SourceText(Array("[\(yaml)]".utf8)), path: "")
      let document = try #require(YAMLDocument.parse(report))
      guard case .sequence(let items) = document.root.content,
        case .scalar(let scalar)? = items.first?.content
      else {
        Issue.record("no text: \(yaml)")
        continue
      }
      #expect(scalar.text == text)
      #expect(!scalar.isNull)
    }
  }
}

@Suite struct SuggestionTests {
  @Test(
    arguments: [
      ("endpoint", "endpoints", 1), ("endpionts", "endpoints", 1), ("a", "abc", 2),
      ("", "ab", 2), ("abcd", "badc", 2), ("abc", "xyz", nil), ("a", "abcd", nil), ("", "", 0),
    ] as [(String, String, Int?)])
  func distanceCountsSwapsAsOne(_ a: String, _ b: String, _ expected: Int?) {
    #expect(Suggestion.distance(a, b, atMost: 2) == expected)
    #expect(Suggestion.distance(b, a, atMost: 2) == expected)
  }

  @Test(
    arguments: [
      ("Round-Robin", "round_robin"), ("leastconn", "least_request"), ("rond_robin", "round_robin"),
      ("random", nil), ("x", nil),
    ] as [(String, String?)])
  func policies(_ word: String, _ expected: String?) {
    #expect(Suggestion.best(for: word, among: ["round_robin", "least_request"]) == expected)
  }
}
