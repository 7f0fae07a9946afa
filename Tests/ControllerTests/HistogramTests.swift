// Means and quantiles of histograms, label patterns, `absent`, names side by side.
import Controller
import Fleet
import Primitives
import Testing

@Suite struct HistogramTests {
  private static func page(_ buckets: [(String, Double)], _ labels: String = "") -> String {
    buckets.map { "h_bucket{\(labels)le=\"\($0.0)\"} \($0.1)\n" }.joined()
  }

  private static let empty: [(String, Double)] = [("1", 0), ("2", 0), ("4", 0), ("+Inf", 0)]

  /// The quantile of what was counted between an empty page and one with these buckets.
  private static func quantile(
    _ share: Double, _ buckets: [(String, Double)]
  ) throws -> SignalReading {
    var reader = PageReader([SignalSpec("x", .quantile(share, ["h"]))])
    _ = try reader.read(page(buckets.map { ($0.0, 0) }), at: 0)
    return try reader.read(page(buckets), at: 1)[0]
  }

  // Prometheus' own rules: histogram_quantile over the same buckets gives these.
  private static let rows: [(Double, [Double], Double)] = [
    (0.5, [10, 30, 40, 40], 1.5), (0.25, [10, 30, 40, 40], 1), (0, [10, 30, 40, 40], 0),
    (1, [10, 30, 40, 40], 4), (0.1, [10, 30, 40, 40], 0.4), (0.9, [10, 30, 40, 40], 3.2),
    // Beyond the last bound it is the last bound.
    (0.95, [10, 30, 40, 80], 4), (0.5, [0, 0, 0, 8], 4), (0.5, [0, 8, 8, 8], 1.5),
    // A bucket that counts less than one below it is taken as equal.
    (0.5, [10, 8, 40, 40], 2.6666666666666665),
  ]

  @Test(arguments: rows)
  func aQuantileIsInterpolatedWithinItsBucket(
    _ share: Double, _ counts: [Double], _ expected: Double
  ) throws {
    let buckets = zip(["1", "2", "4", "+Inf"], counts).map { ($0, $1) }
    #expect(near(try #require(try Self.quantile(share, buckets).value), expected))
  }

  @Test func aHistogramThatIsNoneOrEmptyHasNoQuantile() throws {
    #expect(try Self.quantile(0.5, Self.empty) == .absent(.noObservations))
    #expect(try Self.quantile(0.5, [("1", 5), ("2", 9)]) == .absent(.badHistogram))
    #expect(try Self.quantile(0.5, [("+Inf", 5)]) == .absent(.badHistogram))
    #expect(try Self.quantile(0.5, [("x", 5), ("nan", 5)]) == .absent(.badHistogram))
    var reader = PageReader([SignalSpec("x", .quantile(0.5, ["h"]))])
    #expect(try reader.read("h_sum 3\nh_count 3\n", at: 0) == [.absent(.missing)])
    #expect(try reader.read("h_bucket 3\n", at: 1) == [.absent(.badHistogram)])
  }

  @Test func bucketsOfAllSeriesAreOneHistogramOfTheWindow() throws {
    var reader = PageReader([SignalSpec("x", .quantile(0.5, ["h"]), scale: 1_000)])
    let before: [(String, Double)] = [("1", 1_000), ("2", 1_000), ("+Inf", 1_000)]
    _ = try reader.read(
      Self.page(before, "m=\"a\",") + Self.page(before, "m=\"b\","), at: 0)
    let a: [(String, Double)] = [("1", 1_010), ("2", 1_010), ("+Inf", 1_010)]
    let b: [(String, Double)] = [("1.0", 1_000), ("2.0", 1_030), ("+Inf", 1_030)]
    // `1.0` is another series than `1`, which is gone; it counts from its second page on.
    _ = try reader.read(Self.page(a, "m=\"a\",") + Self.page(b, "m=\"b\","), at: 1)
    let c: [(String, Double)] = [("1.0", 1_010), ("2.0", 1_060), ("+Inf", 1_060)]
    let d: [(String, Double)] = [("1", 1_010), ("2", 1_020), ("+Inf", 1_020)]
    let readings = try reader.read(Self.page(d, "m=\"a\",") + Self.page(c, "m=\"b\","), at: 2)
    // 10 up to 1, 40 up to 2: rank 20 is 1 + 10/30.
    #expect(near(try #require(readings[0].value), 1_000 * (1 + 10.0 / 30)))
  }

  @Test func aMeanIsTheIncreaseOfTheSumOverThatOfTheCount() throws {
    var reader = PageReader([SignalSpec("x", .mean(["new", "h"]))])
    #expect(
      try reader.read("h_sum 10\nh_count 4\n", at: 0) == [.absent(.needsSecondSample)])
    #expect(
      try reader.read("h_sum{a=\"1\"} 1\nh_sum 16\nh_count 7\n", at: 1) == [.value(2)])
    // Nothing observed: no mean, and not 0.
    #expect(try reader.read("h_sum 16\nh_count 7\n", at: 2) == [.absent(.noObservations)])
    #expect(try reader.read("h_sum 26\nh_count 8\n", at: 3) == [.value(10)])
    #expect(try reader.read("h_sum 26\n", at: 4) == [.absent(.missing)])
  }

  @Test func aRateOverAValueIsAShareOfALimit() throws {
    let source = SignalSource.rateOverValue(["used_total"], ["limit"])
    var reader = PageReader([SignalSpec("x", source)])
    #expect(
      try reader.read("used_total 10\nlimit 4\n", at: 0) == [.absent(.needsSecondSample)])
    #expect(try reader.read("used_total 16\nlimit 4\n", at: 2) == [.value(0.75)])
    #expect(try reader.read("used_total 18\nlimit 0\n", at: 4) == [.absent(.divisionByZero)])
    #expect(try reader.read("used_total 19\n", at: 6) == [.absent(.missing)])
  }
}

@Suite struct SelectorTests {
  private static func read(_ spec: SignalSpec, _ page: String) throws -> SignalReading {
    var reader = PageReader([spec])
    return try reader.read(page, at: 0)[0]
  }

  private static let disks = "d{n=\"sda\"} 1\nd{n=\"sdb\"} 10\nd{n=\"loop0\"} 100\nd 1000\n"

  private static let rows: [(SampleSelector.LabelMatch, Double?)] = [
    (.matches("n", "sd."), 11), (.matches("n", "sd"), nil),
    (.doesNotMatch("n", "loop[0-9]+"), 1_011), (.matches("n", "(sda)?"), 1_001),
    (.doesNotMatch("n", ".*"), nil), (.matches("n", "sda|loop.*"), 101),
    (.init(label: "n", values: ["sda", "sdb"], isPattern: true), 11),
  ]

  @Test(arguments: rows)
  func labelsMatchAPatternAsAWhole(
    _ match: SampleSelector.LabelMatch, _ expected: Double?
  ) throws {
    let spec = SignalSpec("x", .value(SampleSelector(["d"], labels: [match])))
    #expect(try Self.read(spec, Self.disks).value == expected)
  }

  @Test func escapesAreResolvedBeforeAPatternIsTried() throws {
    let match = SampleSelector.LabelMatch.matches("p", "a\"b\n")
    let spec = SignalSpec("x", .value(SampleSelector(["d"], labels: [match])))
    #expect(try Self.read(spec, "d{p=\"a\\\"b\\n\"} 3\n") == .value(3))
  }

  @Test func allNamesOfASelectorCountSideBySide() throws {
    let spec = SignalSpec("x", .value(.all(["a", "b"])))
    #expect(try Self.read(spec, "b 2\na 1\nab 4\na{x=\"1\"} 8\n") == .value(11))
    #expect(try Self.read(spec, "b 2\n") == .value(2))
  }

  @Test(
    arguments: [
      ("a 5\n", SignalReading.value(0.5)), ("b 5\n", .assumed(2, .missing)),
      ("a NaN\n", .assumed(2, .notFinite)), ("a 9223372036854775794\n", .assumed(2, .sentinel)),
      // Wrong is not missing.
      ("a -1\n", .absent(.negative)),
    ])
  func absentStandsForWhatAPageLacks(_ page: String, _ expected: SignalReading) throws {
    let spec = SignalSpec("x", .value(["a"]), scale: 0.1, absent: 2)
    #expect(try Self.read(spec, page) == expected)
    #expect(expected.value != nil || expected == .absent(.negative))
  }

  @Test func absentDoesNotHideThatARateIsNotKnownYet() throws {
    var reader = PageReader([
      SignalSpec("rate", .rate(["c"]), absent: 0), SignalSpec("mean", .mean(["h"]), absent: 0),
    ])
    #expect(
      try reader.read("c 1\n", at: 0) == [.absent(.needsSecondSample), .assumed(0, .missing)])
    #expect(
      try reader.read("c 2\nh_sum 1\nh_count 1\n", at: 1) == [
        .value(1), .absent(.needsSecondSample),
      ])
    #expect(
      try reader.read("c 0\nh_sum 1\nh_count 1\n", at: 2) == [
        .absent(.counterReset), .assumed(0, .noObservations),
      ])
  }
}
