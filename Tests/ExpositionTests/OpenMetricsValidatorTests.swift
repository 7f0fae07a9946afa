import Testing

@testable import Exposition

/// What is wrong with the page first, or nil.
func openMetricsError(
  _ bytes: [UInt8], limits: SampleParser.Limits = .init()
) -> OpenMetricsError? {
  withGuardedPage(bytes) { page in
    do throws(OpenMetricsError) {
      try OpenMetricsValidator.check(page, limits: limits)
      return nil
    } catch {
      return error
    }
  }
}

/// A page without its end mark, and what is wrong with it, if anything.
private struct Row: CustomTestStringConvertible {
  let text: String
  let error: OpenMetricsError?
  let source: SourceLocation
  var testDescription: String { text }

  init(
    _ text: String, _ kind: OpenMetricsError.Kind? = nil, line: Int = 1, column: Int = 1,
    source: SourceLocation = #_sourceLocation
  ) {
    self.text = text
    error = kind.map { OpenMetricsError($0, line: line, column: column) }
    self.source = source
  }
}

@Suite struct OpenMetricsValidatorTests {
  private static let accepted: [Row] = [
    Row(""),
    Row("a 1\nb 2\n"),
    Row("# TYPE a counter\na_total 1\na_created 1520430000.123\n"),
    Row("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds \na_seconds 1\n"),
    Row("# HELP a \\x \"quoted\"\n# UNIT a \n"),
    Row("# TYPE a info\na_info{v=\"1\"} 1\na_info{v=\"2\"} 1\n"),
    Row("# TYPE a stateset\na{a=\"on\"} 1\na{a=\"off\"} 0\n"),
    Row("# TYPE a summary\na{quantile=\"0.5\"} NaN\na_sum 1\na_count 1\na_created 5\n"),
    Row("# TYPE a histogram\na_bucket{le=\"1\"} 1 # {} 0.5\na_bucket{le=\"+Inf\"} 2\n"),
    Row(
      """
      # TYPE a gaugehistogram
      a_bucket{le="-1"} 1
      a_bucket{le="+Inf"} 2
      a_gsum -4
      a_gcount 2

      """),
    Row("# TYPE a unknown\na{b=\"c\"} nan 5\na{b=\"c\"} -inf 5.5\n"),
    Row("a{b=\"é\"} 1\na{b=\"e\u{301}\"} 1\n"),
    Row("# TYPE \"a.b\" counter\n{\"a.b_total\",\"l.m\"=\"\"} 1 5 # {t=\"é\"} 1 1e3\n"),
    Row("{\"a.b\"} 1\n"),
    Row(":a{} 1\n"),
  ]

  @Test(arguments: accepted) private func isADocument(row: Row) {
    for ending in ["# EOF\n", "# EOF"] {
      let bytes = Array((row.text + ending).utf8)
      #expect(openMetricsError(bytes) == nil, sourceLocation: row.source)
      #expect(ReadPage(bytes, isStrict: true).errors == [], sourceLocation: row.source)
    }
  }

  private static let histogram = "# TYPE a histogram\n"
  private static let refused: [Row] = [
    Row("\n", .blankLine),
    Row("a 1\n# EOF\n", .behindEnd, line: 3),
    Row("a 1\r\n", .syntax(.badNumber), column: 3),
    Row("a  1\n", .syntax(.badNumber), column: 3),
    Row("a\t1\n", .syntax(.badName), column: 2),
    Row(" a 1\n", .syntax(.badName)),
    Row("a 1 \n", .syntax(.missingValue), column: 5),
    Row("a 1 2 3\n", .syntax(.trailingBytes), column: 7),
    Row("a{}1\n", .badLayout, column: 4),
    Row("a{b=\"c\",} 1\n", .badLayout, column: 9),
    Row("a{b=\"c\", d=\"e\"} 1\n", .syntax(.badLabelName), column: 9),
    Row("a{b=\"c\",b=\"d\"} 1\n", .repeatedLabel, column: 14),
    Row("{\"a\",} 1\n", .badLayout, column: 6),
    Row("{\"\"} 1\n", .syntax(.badName), column: 2),
    Row("{a=\"b\"} 1\n", .syntax(.badName), column: 2),
    Row("a{b=\"c\"\n", .syntax(.unterminatedLabels), column: 8),
    Row("a{b=\"c\n", .syntax(.unterminatedText), column: 5),
    Row("# a comment\n", .badMetadata, column: 3),
    Row("#TYPE a gauge\n", .badMetadata, column: 2),
    Row("# TYPE a\n", .badMetadata, column: 9),
    Row("# HELP a\n", .badMetadata, column: 9),
    Row("# TYPE a untyped\n", .syntax(.badType), column: 10),
    Row("# TYPE a gauge \n", .syntax(.badType), column: 10),
    Row("# TYPE a gauge\n# TYPE a gauge\n", .repeatedMetadata, line: 2),
    Row("# TYPE a gauge\na 1\n# HELP a x\n", .metadataBehindSamples, line: 3),
    Row("# UNIT a_seconds s\n", .badUnit),
    Row("# UNIT seconds seconds\n", .badUnit),
    Row("# UNIT a_s s\n# TYPE a_s info\n", .badUnit, line: 2),
    Row("a 1\nb 1\na 2\n", .clashingName, line: 3),
    Row("a_total 1\n# TYPE a counter\n", .clashingName, line: 2),
    Row("# TYPE a counter\na 1\n", .clashingName, line: 2),
    Row("# TYPE a counter\na_total -1\n", .badValue, line: 2, column: 9),
    Row("# TYPE a info\na_info 2\n", .badValue, line: 2, column: 8),
    Row("# TYPE a stateset\na{b=\"c\"} 1\n", .badTypeLabel, line: 2),
    Row("# TYPE a stateset\na{a=\"c\"} 2\n", .badValue, line: 2, column: 10),
    Row("# TYPE a summary\na 1\n", .badTypeLabel, line: 2),
    Row("# TYPE a summary\na{quantile=\"nan\"} 1\n", .badTypeLabel, line: 2),
    Row(histogram + "a_bucket{le=\"x\"} 1\n", .badTypeLabel, line: 2),
    Row(histogram + "a_bucket{le=\"\"} 1\n", .badTypeLabel, line: 2),
    Row(histogram + "a_bucket{le=\"0x1\"} 1\n", .badTypeLabel, line: 2),
    Row(histogram + "a_bucket{le=\"1\"} 0.5\n", .badValue, line: 2, column: 18),
    Row(histogram + "a_bucket{le=\"1\"} 1\n", .badHistogram, line: 2),
    Row(histogram + "a_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n", .badHistogram, line: 4),
    Row("# TYPE a gauge\na 1 # {} 1\n", .badExemplar, line: 2),
    Row("# TYPE a counter\na_total 1 #{} 1\n", .badExemplar, line: 2, column: 12),
    Row("# TYPE a counter\na_total 1 # {} 1 1 1\n", .syntax(.trailingBytes), line: 2, column: 19),
    Row("# TYPE a gauge\na{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 1\n", .scatteredMetric, line: 4),
    Row("# TYPE a gauge\na{b=\"1\"} 1\na{b=\"1\"} 2\n", .repeatedSeries, line: 3),
    Row("# TYPE a gauge\na 1 2\na 1\n", .badTimestampOrder, line: 3),
    Row("# TYPE a gauge\na 1 2\na 1 1.9\n", .badTimestampOrder, line: 3),
  ]

  @Test(arguments: refused) private func isNoDocument(row: Row) {
    let error = openMetricsError(Array((row.text + "# EOF\n").utf8))
    #expect(error == row.error, sourceLocation: row.source)
  }

  @Test func aPageWithoutItsEndWasCutShort() {
    for (text, line) in [("", 1), ("a 1\n", 2), ("a 1", 2)] {
      let error = openMetricsError(Array(text.utf8))
      #expect(error == OpenMetricsError(.missingEnd, line: line, column: 1))
    }
  }

  @Test func bytesThatAreNotUTF8AreRefusedEvenInHelp() {
    let error = openMetricsError(Array("# HELP a ".utf8) + [0xFF] + Array("\n# EOF\n".utf8))
    #expect(error == OpenMetricsError(.syntax(.notUTF8), line: 1, column: 1))
  }

  @Test func anExemplarMayHave128Characters() {
    for (count, isGood) in [(127, true), (128, false)] {
      let value = String(repeating: "漢", count: count)
      let error = openMetricsError(
        Array("# TYPE a counter\na_total 1 # {a=\"\(value)\"} 1\n# EOF\n".utf8))
      #expect(error == (isGood ? nil : OpenMetricsError(.badExemplar, line: 2, column: 11)))
    }
  }

  @Test func overALimitThePageIsRefused() {
    var limits = SampleParser.Limits()
    limits.lineByteCount = 20
    limits.labelCount = 2
    limits.sampleCount = 2
    let rows: [(String, ParseError.Kind?, Int, Int)] = [
      ("a{b=\"\",c=\"\"} 1234567\na 1\n", nil, 0, 0),
      ("a_name_that_is_too_lon 1\n", .lineTooLong, 1, 21),
      ("a{b=\"\",c=\"\",d=\"\"} 1\n", .tooManyLabels, 1, 13),
      ("a 1\nb 1\nc 1\n", .tooManySamples, 3, 1),
    ]
    for (text, kind, line, column) in rows {
      let error = openMetricsError(Array((text + "# EOF\n").utf8), limits: limits)
      let expected = kind.map {
        OpenMetricsError(.syntax($0), line: line, column: column)
      }
      #expect(error == expected, "\(text)")
    }
  }

  @Test func everyErrorHasALabelOfItsOwn() {
    let kinds: [OpenMetricsError.Kind] =
      ParseError.Kind.allCases.map { .syntax($0) } + [
        .badLayout, .blankLine, .missingEnd, .behindEnd, .badMetadata, .repeatedMetadata,
        .metadataBehindSamples, .badUnit, .clashingName, .repeatedLabel, .badTypeLabel, .badValue,
        .badExemplar, .scatteredMetric, .repeatedSeries, .badTimestampOrder, .badHistogram,
      ]
    let labels = Set(kinds.map { OpenMetricsError($0, line: 1, column: 1).label })
    #expect(labels.count == kinds.count)
  }
}

@Suite(.enabled(if: OpenMetricsCases.exist, OpenMetricsCases.absence))
struct OpenMetricsVerdictTests {
  @Test func everyGoodPageIsADocument() throws {
    for name in try OpenMetricsCases.names(good: true) {
      let bytes = try OpenMetricsCases.bytes(name)
      #expect(openMetricsError(bytes) == nil, "\(name)")
      #expect(ReadPage(bytes, isStrict: true) == ReadPage(bytes), "\(name)")
    }
  }

  @Test func everyBadPageIsRefused() throws {
    let names = try OpenMetricsCases.names(good: false)
    var refused = 0
    for name in names {
      let error = openMetricsError(try OpenMetricsCases.bytes(name))
      #expect(error != nil, "\(name)")
      if error != nil { refused += 1 }
    }
    print("OpenMetrics: \(refused) of \(names.count) bad pages refused")
  }

  @Test func noPartOfAPageIsADocument() throws {
    for name in try OpenMetricsCases.names(good: true) {
      let bytes = try OpenMetricsCases.bytes(name)
      let end = bytes.last == 0x0A ? bytes.count - 1 : bytes.count
      for count in 0..<end {
        #expect(openMetricsError(Array(bytes[..<count])) != nil, "\(name) cut at \(count)")
      }
    }
  }
}
