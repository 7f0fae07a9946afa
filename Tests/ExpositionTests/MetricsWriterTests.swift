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
        writer.open(MetricFamily("x_total", .counter, help: "What \\ it\nis."))
        writer.sample(UInt64(7), Labels(["zone": zone]))
      }
      writer.open(MetricFamily("y", .gauge, help: ""))
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

  @Test func anOpenMetricsPageTellsFamiliesUnitsAndItsEnd() {
    var writer = MetricsWriter(.openMetrics)
    writer.open(MetricFamily("x_seconds_total", .counter, help: "h"))
    writer.sample(UInt64(7), Labels(["zone": "a"]))
    writer.open(MetricFamily("y", .counter, help: "no suffix"))
    writer.sample(1)
    writer.open(MetricFamily("build_info", .info, help: ""))
    writer.sample(1, Labels(["version": "1"]))
    writer.open(MetricFamily("z", .untyped, help: "\\"))
    writer.sample(.nan)
    writer.finish()
    #expect(
      String(decoding: writer.bytes, as: UTF8.self) == #"""
        # HELP x_seconds h
        # TYPE x_seconds counter
        # UNIT x_seconds seconds
        x_seconds_total{zone="a"} 7
        # HELP y no suffix
        # TYPE y counter
        y_total 1
        # HELP build 
        # TYPE build info
        build_info{version="1"} 1
        # HELP z \\
        # TYPE z unknown
        z NaN
        # EOF

        """#)
    #expect(openMetricsError(writer.bytes) == nil)
  }

  @Test func theTextFormatHasNeitherUnitNorEnd() {
    let page = text { writer in
      writer.open(MetricFamily("x_seconds", .gauge, help: "h"))
      writer.sample(1)
      writer.finish()
    }
    #expect(page == "# HELP x_seconds h\n# TYPE x_seconds gauge\nx_seconds 1\n")
  }

  @Test func aHistogramInOpenMetricsIsADocument() {
    let cells = CellBlock(count: DurationHistogram.cellCount)
    DurationHistogram.observe(.milliseconds(30), in: cells, at: 0)
    var writer = MetricsWriter(.openMetrics)
    writer.open(MetricFamily("d_seconds", .histogram, help: "h"))
    for pool in ["a", "b"] {
      let snapshot = DurationHistogram.snapshot(of: [cells], at: 0)
      writer.histogram(snapshot, Labels(["pool": pool]))
    }
    writer.finish()
    #expect(openMetricsError(writer.bytes) == nil)
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
      writer.open(MetricFamily("x", .untyped, help: "h"))
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
        writer.open(MetricFamily("d_seconds", .histogram, help: "h"))
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

  @Test func anExemplarStandsBehindItsBucketInOpenMetricsOnly() {
    let cells = CellBlock(count: DurationHistogram.cellCount + ExemplarCells.cellCount)
    let base = DurationHistogram.cellCount
    DurationHistogram.observe(.milliseconds(30), in: cells, at: 0)
    ExemplarCells.store(
      .milliseconds(30), traceHigh: 0x4BF9_2F35_77B3_4DA6, traceLow: 0x00CE_929D_0E0E_4736,
      at: .milliseconds(250), in: cells, base: base)
    let exemplars = ExemplarCells.read(
      from: [cells], base: base, wallOffset: .seconds(1_763_750_000))
    let snapshot = DurationHistogram.snapshot(of: [cells], at: 0)
    func page(_ format: MetricsWriter.Format) -> [UInt8] {
      var writer = MetricsWriter(format)
      writer.open(MetricFamily("d_seconds", .histogram, help: "h"))
      writer.histogram(snapshot, Labels(["pool": "p"]), exemplars: exemplars)
      return writer.finished()
    }
    let lines = String(decoding: page(.openMetrics), as: UTF8.self).split(separator: "\n")
    #expect(
      lines.filter { $0.contains(" # ") && !$0.hasPrefix("#") } == [
        #"d_seconds_bucket{pool="p",le="0.05"} 1 # {trace_id="4bf92f3577b34da600ce929d0e0e4736"} "#
          + "0.03 \(MetricsWriter.text(exemplars[3]?.time ?? 0))"
      ])
    #expect(openMetricsError(page(.openMetrics)) == nil)
    #expect(!String(decoding: page(.text), as: UTF8.self).contains("trace_id"))
  }

  @Test func labelsInTwoPiecesAreOnePairOfBraces() {
    let page = text { writer in
      writer.open(MetricFamily("x", .gauge, help: "h"))
      writer.sample(1, Labels(["a": "1"]), Labels(["b": "2"]))
      writer.sample(2, .none, Labels(["b": "2"]))
      writer.sample(3, Labels(["a": "1"]), .none)
      writer.sample(4)
    }
    #expect(page.hasSuffix("\nx{a=\"1\",b=\"2\"} 1\nx{b=\"2\"} 2\nx{a=\"1\"} 3\nx 4\n"))
  }

  @Test func aPageGrowsBeyondTheRoomThatWasReserved() {
    var writer = MetricsWriter(byteCapacity: 0)
    writer.open(MetricFamily("x_total", .counter, help: String(repeating: "long ", count: 100)))
    let long = Labels(["a": String(repeating: "é\"", count: 3_000)])
    for index in 0..<50 { writer.sample(UInt64(index), long) }
    let page = ReadPage(writer.finished())
    #expect(page.errors.isEmpty)
    #expect(page.samples.map(\.value) == (0..<50).map(Double.init))
    #expect(writer.bytes.isEmpty)
  }

  @Test(
    arguments: [
      ("a_seconds", .gauge, "seconds", "a_seconds"),
      ("a_seconds_total", .counter, "seconds", "a_seconds"),
      ("a_bytes", .gauge, "bytes", "a_bytes"),
      ("a_ratio", .histogram, "ratio", "a_ratio"), ("a_total", .counter, nil, "a"),
      ("a_requests_per_second", .gauge, nil, "a_requests_per_second"),
      ("seconds", .gauge, nil, "seconds"),
      ("build_info", .info, nil, "build"), ("b_seconds_info", .info, nil, "b_seconds"),
      ("a_total", .gauge, nil, "a_total"),
    ] as [(String, MetricType, String?, String)])
  func unitAndNameOfAFamily(_ name: String, _ type: MetricType, _ unit: String?, _ head: String) {
    let family = MetricFamily(name, type, help: "h.")
    #expect(family.unit == unit && family.openMetricsName == head)
    #expect(family.meaning == "h")
  }

  @Test func typesThatTheTextFormatLacksAreTheNearest() {
    let page = text { writer in
      writer.open(MetricFamily("build_info", .info, help: "h"))
      writer.sample(1, Labels(["version": "1"]))
      writer.open(MetricFamily("u", .unknown, help: "h"))
    }
    #expect(page.contains("# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n"))
    #expect(page.contains("# TYPE u untyped\n"))
  }
}
