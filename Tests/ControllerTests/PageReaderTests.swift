import Controller
import Fleet
import Primitives
import Testing

@Suite struct PageReaderTests {
  private static func value(
    _ names: [String], _ labels: [SampleSelector.LabelMatch] = [], _ aggregate: Aggregate = .sum,
    scale: Double = 1, isComplement: Bool = false
  ) -> SignalSpec {
    SignalSpec(
      "x", .value(SampleSelector(names, labels: labels)), aggregate: aggregate, scale: scale,
      isComplement: isComplement)
  }

  private struct Row: Sendable {
    var spec: SignalSpec
    var page: String
    var expected: SignalReading
    var location: SourceLocation

    init(
      _ spec: SignalSpec, _ page: String, _ expected: SignalReading,
      _ location: SourceLocation = #_sourceLocation
    ) {
      (self.spec, self.page, self.expected, self.location) = (spec, page, expected, location)
    }
  }

  private static let even = SampleSelector.LabelMatch(label: "gpu", values: ["0", "2"])
  private static let odd = SampleSelector.LabelMatch(
    label: "gpu", values: ["0", "2"], isMember: false)
  private static let gpus = "u{gpu=\"0\"} 1\nu{gpu=\"1\"} 10\nu{gpu=\"2\"} 100\n"

  private static let values: [Row] = [
    Row(value(["u"]), "u 5\n", .value(5)),
    Row(value(["u"]), gpus, .value(111)),
    Row(value(["u"], [], .max), gpus, .value(100)),
    Row(value(["u"], [], .min), gpus, .value(1)),
    Row(value(["u"], [], .avg), gpus, .value(37)),
    Row(value(["u"], [even]), gpus, .value(101)),
    Row(value(["u"], [odd]), gpus, .value(10)),
    // An absent label is an empty one.
    Row(value(["u"], [odd]), "u 7\n", .value(7)),
    Row(value(["u"], [even]), "u 7\n", .absent(.missing)),
    // Escapes are resolved before labels are compared.
    Row(
      value(["u"], [.init(label: "p", values: ["a\"b"])]), "u{p=\"a\\\"b\"} 3\n", .value(3)),
    Row(value(["u"], [], scale: 0.01), "u 50\n", .value(0.5)),
    Row(value(["u"], [], scale: 0.01, isComplement: true), "u 25\n", .value(0.75)),
    // Exact names only.
    Row(value(["u"]), "u_by_reason 5\nuu 5\n", .absent(.missing)),
    // The first name that the page has wins, wherever it stands; also when its value is no good.
    Row(value(["new", "old"]), "old 1\nnew 2\nold 3\n", .value(2)),
    Row(value(["new", "old"]), "old 1\n", .value(1)),
    Row(value(["new", "old"]), "new NaN\nold 1\n", .absent(.notFinite)),
    Row(value(["u"]), "u NaN\n", .absent(.notFinite)),
    Row(value(["u"]), "u +Inf\n", .absent(.notFinite)),
    Row(value(["u"]), "u -1\n", .absent(.negative)),
    Row(value(["u"]), "u 9223372036854775794\n", .absent(.sentinel)),
    Row(value(["u"]), "u 9.2233720368547e18\n", .absent(.sentinel)),
    Row(value(["u"]), "u 9.2e18\n", .value(9.2e18)),
    // One series without a number does not spoil the others.
    Row(value(["u"]), "u{g=\"0\"} NaN\nu{g=\"1\"} 4\n", .value(4)),
    // A repeated series counts once, whatever the order of its labels.
    Row(value(["u"]), "u{a=\"1\",b=\"2\"} 4\nu{b=\"2\",a=\"1\"} 9\n", .value(4)),
    Row(value(["u"]), "# TYPE u gauge\n", .absent(.missing)),
    Row(value(["u"], [], scale: 1e300), "u 1e18\n", .absent(.notFinite)),
  ]

  @Test(arguments: values.indices) func readsOneNumberOfAPage(row: Int) throws {
    let row = Self.values[row]
    var reader = PageReader([row.spec])
    #expect(try reader.read(row.page, at: 0) == [row.expected], sourceLocation: row.location)
  }

  @Test func tooManySeriesAreAbsentAndNotAPartialSum() throws {
    var page = ""
    for index in 0...PageReader.seriesMax { page += "u{i=\"\(index)\"} 1\n" }
    var reader = PageReader([Self.value(["u"])])
    #expect(try reader.read(page, at: 0) == [.absent(.tooManySeries)])
  }

  @Test func badLinesAreCountedAndTheOthersStillRead() throws {
    var reader = PageReader([Self.value(["u"])])
    let page = try reader.whole("u{ 4\nu 5\nu{x} 5\n", at: 0)
    #expect(page.readings == [.value(5)])
    #expect(page.parseErrorCount == 2)
    #expect(page.firstParseError == "line 1, column 4: bad_label_name")
  }

  private static let refused: [(ScrapeSource.Format, String, String)] = [
    (.prometheus, "", "empty"), (.prometheus, " \n", "empty"),
    (.prometheus, "{\"error\":{\"message\":\"Loading model\"}}", "is_json"),
    (.prometheus, "{\n  \"a\" : 1}", "is_json"), (.prometheus, "{}", "is_json"),
    (.prometheus, "[1]", "is_json"), (.prometheus, "<html>", "is_html"),
    (.prometheus, "Not found!\n", "no_samples"), (.prometheus, "\u{1F}\u{8B}", "no_samples"),
    (.json, "u 5\n", "not_json"), (.json, "[1]", "not_json"), (.json, "", "empty"),
    (.json, "{\"a\":", "bad_json"), (.json, "{\"a\": NaN}", "bad_json"),
    (
      .json, String(repeating: "{\"a\":", count: 17) + "1" + String(repeating: "}", count: 17),
      "too_deep"
    ),
    (.json, "{\"a\":[" + String(repeating: "1,", count: 2_000) + "1]}", "too_many_values"),
    (.json, "{\"a\":\"" + String(repeating: "x", count: 300_000) + "\"}", "json_too_large"),
  ]

  @Test(arguments: refused.indices) func aPageThatIsNoneIsAnErrorWithAReason(row: Int) throws {
    let (format, page, label) = Self.refused[row]
    var reader = PageReader([Self.value(["a"])], format: format)
    let error = #expect(throws: PageError.self) { try reader.read(page, at: 0) }
    #expect(error?.label == label)
    #expect(error?.detail.isEmpty == false)
  }

  @Test func aCompressedPageIsNamedAsSuch() {
    var reader = PageReader([Self.value(["a"])])
    let bytes: [UInt8] = [0x1F, 0x8B, 8, 0]
    #expect(throws: PageError.isCompressed) {
      try bytes.withUnsafeBytes { _ = try reader.read($0, sentAt: .zero) }
    }
  }

  @Test func aQuotedNameInBracesIsNotTakenForJSON() throws {
    var reader = PageReader([Self.value(["a.b"])])
    #expect(try reader.read("{\"a.b\",x=\"1\"} 5\n", at: 0) == [.value(5)])
  }

  private static let json: [(String, String, SignalReading)] = [
    ("{\"a\": 5}", "a", .value(5)), ("{\"a\": {\"b\": [1, {\"c\": 2.5}]}}", "a.b.1.c", .value(2.5)),
    (" \n{\"a\": 5}", "a", .value(5)), ("{\"a.b\": 1}", "a.b", .value(1)),
    ("{\"a\": \"5\"}", "a", .absent(.wrongFormat)), ("{\"a\": true}", "a", .absent(.wrongFormat)),
    ("{\"a\": null}", "a", .absent(.wrongFormat)), ("{\"a\": {}}", "a", .absent(.missing)),
    ("{\"b\": 1}", "a", .absent(.missing)), ("{}", "a", .absent(.missing)),
    ("{\"a\": -1}", "a", .absent(.negative)),
    ("{\"x\": [null, true, \"s\", [1], 7]}", "x.4", .value(7)),
  ]

  @Test(arguments: json.indices) func jsonIsFlattenedWithDots(row: Int) throws {
    let (page, name, expected) = Self.json[row]
    var reader = PageReader([Self.value([name])], format: .json)
    #expect(try reader.read(page, at: 0) == [expected])
  }
}

@Suite struct RateTests {
  private static let rate = SignalSpec("x", .rate(SampleSelector(["c"])))

  @Test func aRateNeedsTwoPagesAndIsCountedFromSendToSend() throws {
    var reader = PageReader([Self.rate])
    #expect(try reader.read("c 10\n", at: 1) == [.absent(.needsSecondSample)])
    #expect(try reader.read("c 30\n", at: 5) == [.value(5)])
    #expect(try reader.read("c 30\n", at: 9) == [.value(0)])
    // The same instant twice is no window.
    #expect(try reader.read("c 40\n", at: 9) == [.absent(.needsSecondSample)])
    #expect(try reader.read("c 42\n", at: 10) == [.value(2)])
  }

  @Test func aCounterThatFellSkipsThatWindowAndStartsAnew() throws {
    var reader = PageReader([Self.rate])
    _ = try reader.read("c{i=\"1\"} 10\nc{i=\"2\"} 1\n", at: 0)
    // The second one grew past its old value since the restart: its increase would be wrong.
    #expect(try reader.read("c{i=\"1\"} 4\nc{i=\"2\"} 2\n", at: 1) == [.absent(.counterReset)])
    #expect(try reader.read("c{i=\"1\"} 6\nc{i=\"2\"} 3\n", at: 2) == [.value(3)])
  }

  @Test func aNewStartTimeIsARestartEvenWhereCountersGrew() throws {
    var reader = PageReader([Self.rate])
    _ = try reader.read("process_start_time_seconds 100\nc 1\n", at: 0)
    let second = try reader.whole("c 50\nprocess_start_time_seconds 200\n", at: 1)
    #expect(second.readings == [.absent(.restarted)])
    #expect(second.didRestart)
    let third = try reader.whole("c 52\nprocess_start_time_seconds 200\n", at: 2)
    #expect(third.readings == [.value(2)])
    #expect(!third.didRestart)
  }

  @Test func aSeriesThatIsNewAddsNothingUntilItsSecondPage() throws {
    var reader = PageReader([Self.rate])
    _ = try reader.read("c{i=\"1\"} 10\n", at: 0)
    #expect(try reader.read("c{i=\"1\"} 11\nc{i=\"2\"} 900\n", at: 1) == [.value(1)])
    #expect(try reader.read("c{i=\"1\"} 11\nc{i=\"2\"} 901\n", at: 2) == [.value(1)])
  }

  @Test func aWindowLongerThanAllowedIsNoRateOfNow() throws {
    var reader = PageReader([Self.rate])
    _ = try reader.read("c 10\n", at: 0)
    #expect(try reader.read("c 1000\n", at: 31) == [.absent(.needsSecondSample)])
    #expect(try reader.read("c 1001\n", at: 32) == [.value(1)])
  }

  @Test func aPageThatCannotBeReadLeavesTheOneBeforeInPlace() throws {
    var reader = PageReader([Self.rate])
    _ = try reader.read("c 10\n", at: 0)
    #expect(throws: PageError.self) { try reader.read("{\"error\": 1}", at: 1) }
    #expect(try reader.read("c 14\n", at: 2) == [.value(2)])
  }

  @Test func aRatioOverNothingIsADivisionByZero() throws {
    let ratio = SignalSpec("x", .valueRatio(SampleSelector(["a"]), SampleSelector(["b"])))
    var reader = PageReader([ratio])
    #expect(try reader.read("a 1\nb 0\n", at: 0) == [.absent(.divisionByZero)])
    #expect(try reader.read("a 1\n", at: 1) == [.absent(.missing)])
    #expect(try reader.read("a 1\nb 4\n", at: 2) == [.value(0.25)])
    let rates = SignalSpec("x", .rateRatio(SampleSelector(["a"]), SampleSelector(["b"])))
    var second = PageReader([rates])
    _ = try second.read("a 1\nb 1\n", at: 0)
    #expect(try second.read("a 2\nb 1\n", at: 1) == [.absent(.divisionByZero)])
    #expect(try second.read("a 3\nb 5\n", at: 2) == [.value(0.25)])
  }
}

@Suite struct StrictPageTests {
  private static let page = "a 1\nb{ 2\nc 3\n"

  @Test(arguments: [false, true])
  func aWrongLineCostsItselfOrThePage(isStrict: Bool) throws {
    var source = ScrapeSource(
      signals: ["a", "c"].map { SignalSpec($0, .value(SampleSelector([$0]))) })
    source.isStrict = isStrict
    var reader = PageReader(source, windowMax: .seconds(30))
    if isStrict {
      #expect(throws: PageError.self) { try reader.read(Self.page, at: 1) }
    } else {
      #expect(try reader.read(Self.page, at: 1) == [.value(1), .value(3)])
    }
    #expect(try reader.read("a 5\nc 6\n", at: 2) == [.value(5), .value(6)])
  }
}
