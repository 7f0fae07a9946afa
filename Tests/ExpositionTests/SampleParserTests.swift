import Testing

@testable import Exposition

/// A line and what it reads as.
private struct Accepted: CustomTestStringConvertible {
  let line: String
  let sample: ReadSample
  let source: SourceLocation
  var testDescription: String { line }

  init(
    _ line: String, _ name: String, _ value: Double, at timestamp: Double? = nil,
    source: SourceLocation = #_sourceLocation
  ) {
    self.init(line, name, [:], value, at: timestamp, source: source)
  }

  init(
    _ line: String, _ name: String, _ labels: KeyValuePairs<String, String>, _ value: Double,
    at timestamp: Double? = nil, source: SourceLocation = #_sourceLocation
  ) {
    self.line = line
    sample = ReadSample(
      name: name, labels: labels.map { Pair(name: $0.key, value: $0.value) }, value: value,
      timestamp: timestamp)
    self.source = source
  }
}

/// A line, why it is refused and in which column.
private struct Refused: CustomTestStringConvertible {
  let line: String
  let kind: ParseError.Kind
  let column: Int
  let source: SourceLocation
  var testDescription: String { line }

  init(
    _ line: String, _ kind: ParseError.Kind, _ column: Int,
    source: SourceLocation = #_sourceLocation
  ) {
    self.line = line
    self.kind = kind
    self.column = column
    self.source = source
  }
}

@Suite struct SampleParserTests {
  private static let accepted: [Accepted] = [
    Accepted("a 1", "a", 1),
    Accepted("a\t1\t", "a", 1),
    Accepted("  a  1  ", "a", 1),
    Accepted(":tensorflow:serving:x 5", ":tensorflow:serving:x", 5),
    Accepted("a{} 5", "a", 5),
    Accepted("a{}5", "a", 5),
    Accepted("a { } 5", "a", 5),
    Accepted("_9:z{} 5", "_9:z", 5),
    Accepted(#"a{b="c"} 1"#, "a", ["b": "c"], 1),
    Accepted(#"a{b="c"}1"#, "a", ["b": "c"], 1),
    Accepted(#"a{b="c",} 1"#, "a", ["b": "c"], 1),
    Accepted(#"a{Level="Host",Hostname="vm",} 4.0"#, "a", ["Level": "Host", "Hostname": "vm"], 4),
    Accepted("a {  b = \"c\" , d\t=\t\"e\" , } 1", "a", ["b": "c", "d": "e"], 1),
    Accepted(#"a{b=""} 1"#, "a", ["b": ""], 1),
    Accepted(#"a{b="x",b="y"} 1"#, "a", ["b": "x", "b": "y"], 1),
    Accepted(#"a{b="{c,d}= # }"} 1"#, "a", ["b": "{c,d}= # }"], 1),
    Accepted(#"a{b="\\\"\n"} 1"#, "a", ["b": "\\\"\n"], 1),
    Accepted(#"a{b="\z\\n\t"} 1"#, "a", ["b": #"\z\n\t"#], 1),
    Accepted(#"a{b="C:\\DIR\\",c="\\"} 1"#, "a", ["b": #"C:\DIR\"#, "c": #"\"#], 1),
    Accepted(#"a{b="é漢🐎"} 1"#, "a", ["b": "é漢🐎"], 1),
    Accepted(#"a{b="\é"} 1"#, "a", ["b": "\\é"], 1),
    Accepted("a nan", "a", .nan),
    Accepted("a NaN", "a", .nan),
    Accepted("a +Inf", "a", .infinity),
    Accepted("a -inf", "a", -.infinity),
    Accepted("a 9223372036854775794", "a", 0x1p63),
    Accepted("a 1 1700000000000", "a", 1, at: 1_700_000_000_000),
    Accepted("a 1 1.5e3", "a", 1, at: 1500),
    Accepted("a 1 -1 ", "a", 1, at: -1),
    Accepted(#"a 1 # {x="y"} 0.5"#, "a", 1),
    Accepted(#"a 1 17 # {x="y"} 0.5 1"#, "a", 1, at: 17),
    Accepted(##"a{b=" # {"} 1 # {x="# \" "} 0.5"##, "a", ["b": " # {"], 1),
    Accepted(#"{"my.name",a="b"} 1"#, "my.name", ["a": "b"], 1),
    Accepted(#"{"my.name", a="b",} 1"#, "my.name", ["a": "b"], 1),
    Accepted(#"{ "my.name" } 1"#, "my.name", 1),
    Accepted(#"{"my.name"} 1"#, "my.name", 1),
    Accepted(#"{"my.name",} 1"#, "my.name", 1),
    Accepted(#"{"a\"b\\é","l.1"="v"} 1"#, #"a"b\é"#, ["l.1": "v"], 1),
    Accepted(#"a{"l.1"="v",c="d"} 1"#, "a", ["l.1": "v", "c": "d"], 1),
  ]

  @Test(arguments: accepted) private func isRead(row: Accepted) {
    for ending in ["", "\n", "\r\n", "\n\n"] {
      let page = ReadPage(row.line + ending)
      #expect(page.errors == [], sourceLocation: row.source)
      #expect(page.samples == [row.sample], sourceLocation: row.source)
    }
  }

  private static let refused: [Refused] = [
    Refused("9a 1", .badName, 1),
    Refused("  -a 1", .badName, 3),
    Refused("a-b 1", .badName, 2),
    Refused("a.b 1", .badName, 2),
    Refused("a\u{0}b 1", .badName, 2),
    Refused("é 1", .badName, 1),
    Refused("{} 1", .badName, 2),
    Refused("{", .badName, 2),
    Refused(#"{""} 1"#, .badName, 2),
    Refused(#"{a="b"} 1"#, .badName, 2),
    Refused(#"{"a"="b"} 1"#, .missingComma, 5),
    Refused(#"{"a" b="c"} 1"#, .missingComma, 6),
    Refused(#"{"a"#, .unterminatedText, 2),
    Refused(#"<html><body>Not Found</body></html>"#, .badName, 1),
    Refused(#"{"error":{"code":503}}"#, .missingComma, 9),
    Refused("a", .missingValue, 2),
    Refused("a ", .missingValue, 3),
    Refused("a{}", .missingValue, 4),
    Refused("a{", .unterminatedLabels, 3),
    Refused(#"a{b="c""#, .unterminatedLabels, 8),
    Refused(#"a{b="c","#, .unterminatedLabels, 9),
    Refused(#"a{b="c 1"#, .unterminatedText, 5),
    Refused(#"a{b="c\"} 1"#, .unterminatedText, 5),
    Refused(#"a{b="c\"#, .unterminatedText, 5),
    Refused(#"a{1="1"} 1"#, .badLabelName, 3),
    Refused(#"a{,} 1"#, .badLabelName, 3),
    Refused(#"a{b="c",,} 1"#, .badLabelName, 9),
    Refused(#"a{="c"} 1"#, .badLabelName, 3),
    Refused(#"a{""="c"} 1"#, .badLabelName, 3),
    Refused(#"a{b:c="c"} 1"#, .badLabelValue, 4),
    Refused(#"a{b} 1"#, .badLabelValue, 4),
    Refused(#"a{b"value"} 1"#, .badLabelValue, 4),
    Refused(#"a{b=} 1"#, .badLabelValue, 5),
    Refused(#"a{b=c} 1"#, .badLabelValue, 5),
    Refused(#"a{b='c'} 1"#, .badLabelValue, 5),
    Refused(#"a{b="1"c} 1"#, .missingComma, 8),
    Refused(#"a{b="1"c="2"} 1"#, .missingComma, 8),
    Refused("a b", .badNumber, 3),
    Refused("a 0x1p-3", .badNumber, 3),
    Refused("a 1_000", .badNumber, 3),
    Refused("a 1e999", .badNumber, 3),
    Refused("a 1,5", .badNumber, 3),
    Refused(#"a{b="c"} {} 1"#, .badNumber, 10),
    Refused("a 1#", .badNumber, 3),
    Refused("a # {} 1", .badNumber, 3),
    Refused("a 1 1z", .badTimestamp, 5),
    Refused("a 1 Inf", .badTimestamp, 5),
    Refused("a 1 nan", .badTimestamp, 5),
    Refused("a 1 \r x", .badTimestamp, 5),
    Refused("a 1 1 1", .trailingBytes, 7),
    Refused("a 1 #", .trailingBytes, 5),
    Refused("a 1 # x", .trailingBytes, 5),
    Refused("# TYPE a", .badType, 9),
    Refused("# TYPE a meh", .badType, 10),
    Refused("# TYPE a gauge gauge", .badType, 10),
    Refused("# TYPE a-b gauge", .badType, 9),
    Refused(#"# TYPE "a gauge"#, .unterminatedText, 8),
  ]

  @Test(arguments: refused) private func isRefusedAtThatColumnAndCostsOneLine(row: Refused) {
    let page = ReadPage("before 1\n\n" + row.line + "\nafter 2\n")
    #expect(
      page.errors == [ParseError(row.kind, line: 3, column: row.column)],
      sourceLocation: row.source)
    #expect(page.samples.map(\.name) == ["before", "after"], sourceLocation: row.source)
    let alone = ReadPage(row.line)
    #expect(
      alone.errors == [ParseError(row.kind, line: 1, column: row.column)],
      sourceLocation: row.source)
  }

  @Test func bytesThatAreNotUTF8AreRefused() {
    for bad: [UInt8] in [
      [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80],
    ] {
      let page = ReadPage(
        Array(#"a{b="c","#.utf8) + Array(#"d="12345678"#.utf8) + bad + Array("\"} 1\nb 2".utf8))
      #expect(page.errors == [ParseError(.notUTF8, line: 1, column: 11)])
      #expect(page.samples.count == 1)
    }
  }

  @Test func commentsAndBlankLinesAreNoSamplesAndNoErrors() {
    let page = ReadPage(
      """
      # HELP a stray \\ backslash \\x and "quotes"
      # HELP
      # UNIT a seconds
      #TYPE a gauge
      #
      #a 5
      # TYPE
      # EOFblah

      \t\r
      a 1
      """)
    #expect(page.samples == [ReadSample(name: "a", value: 1)])
    #expect(page.errors == [] && page.types == [] && !page.sawEOF)
    #expect(page.lineCount == 11)
  }

  @Test func everyTypeIsReadEvenWithoutSamples() {
    let types = MetricType.allCases.map { "# TYPE x_\($0.rawValue) \($0.rawValue)\r\n" }
    let page = ReadPage(types.joined() + "#\tTYPE\t\"my.name\"  gauge \n")
    #expect(page.errors == [])
    let expected = MetricType.allCases.map { Pair(name: "x_\($0.rawValue)", value: $0.rawValue) }
    #expect(page.types == expected + [Pair(name: "my.name", value: "gauge")])
  }

  @Test func theEndMarkIsSeenOnlyWhereItStands() {
    #expect(ReadPage("a 1\n# EOF").sawEOF)
    #expect(ReadPage("a 1\n# EOF\r\n").sawEOF)
    #expect(!ReadPage("a 1\n# EO").sawEOF)
    #expect(!ReadPage("a{b=\"# EOF\"} 1\n").sawEOF)
  }

  @Test func anEmptyPageHoldsNothing() {
    #expect(ReadPage("") == ReadPage("\n").with(lineCount: 0))
    var parser = SampleParser(UnsafeRawBufferPointer(start: nil, count: 0))
    let item = parser.next()
    #expect(item == nil)
  }

  @Test func overALimitThereIsAnErrorAndParsingGoesOn() {
    var limits = SampleParser.Limits()
    limits.lineByteCount = 20
    limits.labelCount = 2
    let text = """
      # HELP a a comment that is too long
      a{b="",c="",} 12
      a{b="",c="",d=""} 1
      a_name_that_is_long 1
      a_name_that_is_fit 2
      """
    let page = ReadPage(text, limits: limits)
    #expect(page.samples.map(\.value) == [12, 2])
    #expect(
      page.errors == [
        ParseError(.lineTooLong, line: 1, column: 21),
        ParseError(.tooManyLabels, line: 3, column: 13),
        ParseError(.lineTooLong, line: 4, column: 21),
      ])
  }

  @Test func afterTheLastSampleThatIsAllowedThePageEnds() {
    var limits = SampleParser.Limits()
    limits.sampleCount = 2
    let text = "a 1\n# TYPE b gauge\nb x\n\n"
    #expect(ReadPage(text, limits: limits).errors.map(\.kind) == [.badNumber])
    let page = ReadPage(text + "c 3\nd 4\n# TYPE e gauge\n", limits: limits)
    #expect(page.samples.map(\.name) == ["a"])
    #expect(page.errors.last == ParseError(.tooManySamples, line: 5, column: 1))
    #expect(page.errors.count == 2 && page.types.count == 1)
  }

  @Test func defaultLimitsHoldOnAPageOfNothingButSamples() {
    let bytes = Array(String(repeating: "a 1\n", count: 100_001).utf8)
    let page = ReadPage(bytes)
    #expect(page.samples.count == 100_000)
    #expect(page.errors == [ParseError(.tooManySamples, line: 100_001, column: 1)])
  }

  @Test(arguments: refused) private func inStrictModeItEndsThePage(row: Refused) {
    let page = ReadPage("before 1\n\n" + row.line + "\nafter 2\n9 3\n", isStrict: true)
    #expect(
      page.errors == [ParseError(row.kind, line: 3, column: row.column)],
      sourceLocation: row.source)
    #expect(page.samples.map(\.name) == ["before"], sourceLocation: row.source)
  }

  @Test(arguments: accepted) private func inStrictModeItIsReadAllTheSame(row: Accepted) {
    let page = ReadPage(row.line + "\nafter 2", isStrict: true)
    #expect(page == ReadPage(row.line + "\nafter 2"), sourceLocation: row.source)
  }

  @Test func anExemplarIsLookedAtInStrictModeOnly() {
    let rows: [(String, ParseError.Kind, Int)] = [
      ("a 1 # {", .unterminatedLabels, 8), ("a 1 # {x} 1", .badLabelValue, 9),
      ("a 1 # {} ", .missingValue, 10), ("a 1 # {} x", .badNumber, 10),
      ("a 1 # {} 1 Inf", .badTimestamp, 12), ("a 1 # {} 1 1 1", .trailingBytes, 14),
    ]
    for (line, kind, column) in rows {
      #expect(ReadPage(line).samples.count == 1)
      let error = ParseError(kind, line: 1, column: column)
      #expect(ReadPage(line, isStrict: true).errors == [error], "\(line)")
    }
  }

  @Test func inStrictModeALimitEndsThePage() {
    var limits = SampleParser.Limits()
    limits.lineByteCount = 20
    limits.labelCount = 1
    for bad in ["# HELP a a comment that is too long", "a{b=\"\",c=\"\"} 1"] {
      let page = ReadPage("a 1\n\(bad)\na 2\n", limits: limits, isStrict: true)
      #expect(page.samples.count == 1 && page.errors.map(\.line) == [2])
    }
  }

  @Test func onlyTheWantedNamesAreRead() {
    let text = "a 1\nab 2\n# TYPE a gauge\na{broken 3\nb{broken 4\n9 5\n{\"a\"} 6\n"
    let (values, errors, types) = withGuardedPage(Array(text.utf8)) { page in
      var parser = SampleParser(page)
      var values: [Double] = []
      var errors: [Int] = []
      var types = 0
      while let item = parser.next(where: { $0.equals("a") }) {
        switch item {
        case .sample(let sample): values.append(sample.value)
        case .bad(let error): errors.append(error.line)
        case .type: types += 1
        }
      }
      return (values, errors, types)
    }
    #expect(values == [1, 6])
    #expect(errors == [4, 6])
    #expect(types == 1)
  }

  @Test func namesAndLabelsAreComparedUnescaped() throws {
    try withGuardedPage(Array(#"ab{c="x\ny\\",d="plain",c="2"} 1"#.utf8)) { page in
      var parser = SampleParser(page)
      guard case .sample(let sample) = parser.next() else {
        Issue.record("no sample")
        return
      }
      #expect(sample.nameMatches("ab"))
      for other in ["", "a", "aB", "abc", "ab "] { #expect(!sample.nameMatches(other)) }
      let escaped = try #require(sample.label("c"))
      #expect(escaped.equals("x\ny\\"))
      for other in ["x\ny", "x\ny\\\\", #"x\ny\\"#, "", "x\nz\\"] {
        #expect(!escaped.equals(other))
      }
      #expect(sample.label("d")?.equals("plain") == true)
      #expect(sample.label("e")?.string == nil)
      #expect(sample.labels.count == 3 && sample.line == 1)
    }
  }

  @Test func everyErrorHasALabelOfItsOwn() {
    let labels = ParseError.Kind.allCases.map { ParseError($0, line: 1, column: 1).label }
    #expect(Set(labels).count == ParseError.Kind.allCases.count)
  }
}

extension ReadPage {
  fileprivate func with(lineCount: Int) -> ReadPage {
    var page = self
    page.lineCount = lineCount
    return page
  }
}
