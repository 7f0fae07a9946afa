import Primitives
import Testing

@testable import Exposition

@Suite struct MetricsWriterTests {
  private func text(_ write: (inout MetricsWriter) -> Void) -> String {
    var writer = MetricsWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test func aFamilyHasItsHeadOnceAndThenItsSamples() {
    let page = text { writer in
      for zone in ["a", "b"] {
        writer.family("x_total", .counter, help: "What \\ it\nis.")
        writer.sample(UInt64(7), Labels(["zone": zone]))
      }
      writer.family("y", .gauge, help: "")
      writer.sample(1.5)
    }
    #expect(
      page == #"""
        # HELP x_total What \\ it\nis.
        # TYPE x_total counter
        x_total{zone="a"} 7
        x_total{zone="b"} 7
        # HELP y 
        # TYPE y gauge
        y 1.5

        """#)
  }

  @Test func labelsAreEscapedOnceAndCanBeExtended() {
    let labels = Labels(["pool": #"a"b\c"#, "address": "x\ny"])
    #expect(String(decoding: labels.text, as: UTF8.self) == #"pool="a\"b\\c",address="x\ny""#)
    let longer = labels.adding("code", "2xx")
    #expect(longer.text == labels.text + Array(#",code="2xx""#.utf8))
    #expect(Labels.none.adding("le", "1").text == Array(#"le="1""#.utf8))
  }

  @Test(arguments: [
    ("a", true), ("_", true), ("a9_Z", true), ("", false), ("9a", false), ("a:b", false),
    ("a-b", false), ("é", false), ("a b", false),
  ])
  func aLabelNameIsClassic(name: String, expected: Bool) {
    #expect(Labels.isLabelName(name) == expected)
    #expect(MetricsWriter.isMetricName(name) == (expected || name == "a:b"))
  }

  @Test(arguments: [
    (0.0, "0"), (-0.0, "-0"), (1, "1"), (-17, "-17"), (0.005, "0.005"), (1e15, "1000000000000000"),
    (9_007_199_254_740_991, "9007199254740991"), (0x1p53, "9007199254740992.0"), (1e300, "1e+300"),
    (0.1 + 0.2, "0.30000000000000004"), (.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
    (5e-05, "5e-05"),
  ])
  func numbersAreWrittenAsPrometheusReadsThem(value: Double, expected: String) {
    #expect(MetricsWriter.text(value) == expected)
  }

  @Test func integersAreWrittenWhole() {
    let page = text { writer in
      writer.family("x", .untyped, help: "h")
      writer.sample(UInt64.max)
      writer.sample(Int.min)
      writer.sample(-1)
    }
    #expect(page.hasSuffix("\nx 18446744073709551615\nx -9223372036854775808\nx -1\n"))
  }

  @Test func aHistogramIsWrittenWithCumulativeBuckets() {
    let cells = CellBlock(count: DurationHistogram.cellCount)
    for milliseconds in [1, 5, 6, 1_500, 700_000] {
      DurationHistogram.observe(.milliseconds(milliseconds), in: cells, at: 0)
    }
    let snapshot = DurationHistogram.snapshot(of: [cells], at: 0)
    let page = ReadPage(
      text { writer in
        writer.family("d_seconds", .histogram, help: "h")
        writer.histogram(snapshot, Labels(["pool": "p"]))
        writer.histogram(HistogramSnapshot())
      })
    #expect(page.errors.isEmpty && page.samples.count == 44)
    let own = page.samples.filter { $0.labels.contains(Pair(name: "pool", value: "p")) }
    let buckets = own.filter { $0.name == "d_seconds_bucket" }
    #expect(buckets.map { Double($0.labels[1].value) } == DurationHistogram.bounds + [.infinity])
    #expect(buckets.last?.labels[1] == Pair(name: "le", value: "+Inf"))
    #expect(
      buckets.map(\.value)
        == [2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5])
    #expect(own.suffix(2).map(\.name) == ["d_seconds_sum", "d_seconds_count"])
    #expect(own.suffix(2).map(\.value) == [701.512, 5])
  }

  @Test func whatIsWrittenIsReadBackTheSame() {
    var random = RandomSource(seed: 5)
    let pieces = [
      "\"", "\\", "\n", "\r", "n", "é", "漢", "🐎", " ", "#", "{", "}", ",", "=", "\t", "x", "\u{0}",
    ]
    for round in 0..<300 {
      var writer = MetricsWriter()
      var expected: [ReadSample] = []
      var types: [Pair] = []
      for family in 0...random.index(below: 3) {
        let name = "f\(round):\(family)"
        let type: MetricType = [.counter, .gauge, .untyped, .summary][random.index(below: 4)]
        writer.family(name, type, help: pieces.shuffled(using: &random).joined())
        types.append(Pair(name: name, value: type.rawValue))
        for _ in 0..<random.index(below: 4) {
          let pairs = (0..<random.index(below: 6)).map { index in
            let count = random.index(below: 12)
            let value = (0..<count).map { _ in pieces[random.index(below: pieces.count)] }
            return Pair(name: "l\(index)", value: value.joined())
          }
          let labels = pairs.reduce(Labels.none) { $0.adding($1.name, $1.value) }
          let value = Double(bitPattern: random.next())
          let integer = random.next() >> random.next() % 64
          if random.index(below: 2) == 0 {
            writer.sample(value, labels)
            expected.append(ReadSample(name: name, labels: pairs, value: value))
          } else {
            writer.sample(integer, labels)
            expected.append(ReadSample(name: name, labels: pairs, value: Double(integer)))
          }
        }
      }
      let page = ReadPage(writer.bytes)
      #expect(page.errors == [] && page.types == types)
      #expect(page.samples == expected)
    }
  }
}
