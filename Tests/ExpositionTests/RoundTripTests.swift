// What is written is read back the same, in both formats: parse(write(x)) == x.
import Primitives
import Testing

@testable import Exposition

@Suite struct RoundTripTests {
  private static let pieces = [
    "\"", "\\", "\n", "\r", "n", "é", "e\u{301}", "漢", "🐎", " ", "#", "{", "}", ",", "=", "\t",
    "x", "\u{0}", "\\n", "\u{7F}", "# EOF", "\u{FFFF}",
  ]
  private static let extremes: [Double] = [
    .nan, .infinity, -.infinity, 0, -0.0, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    .leastNonzeroMagnitude, .leastNormalMagnitude, 0x1p53, -0x1p53, 0x1p53 - 1, 0x1p63, 0x1p64,
    1e22, 1e23, 0.1 + 0.2, .ulpOfOne,
  ]

  /// A page and what it ought to read as.
  private struct Written {
    var bytes: [UInt8]
    var samples: [ReadSample] = []
    var types: [Pair] = []
  }

  private func text(_ random: inout RandomSource) -> String {
    let count = random.index(below: 12)
    return (0..<count).map { _ in Self.pieces[random.index(below: Self.pieces.count)] }.joined()
  }

  private func value(_ random: inout RandomSource, isCounter: Bool) -> Double {
    let value =
      random.index(below: 2) == 0
      ? Self.extremes[random.index(below: Self.extremes.count)]
      : Double(bitPattern: random.next())
    return isCounter ? (value.isNaN ? 1 : value.magnitude) : value
  }

  private func page(_ format: MetricsWriter.Format, seed: UInt64) -> Written {
    var random = RandomSource(seed: seed)
    var writer = MetricsWriter(format)
    var written = Written(bytes: [])
    for family in 0..<random.index(below: 5) {
      let type: MetricType = [.counter, .gauge, .untyped][random.index(below: 3)]
      let base = "f\(seed):\(family)"
      let name = type == .counter ? base + "_total" : base
      writer.open(MetricFamily(name, type, help: text(&random)))
      let isOpenMetrics = format == .openMetrics
      written.types.append(
        Pair(
          name: isOpenMetrics ? base : name,
          value: isOpenMetrics && type == .untyped ? "unknown" : type.rawValue))
      for sample in 0..<random.index(below: 4) {
        var pairs = [Pair(name: "sample", value: "\(sample)")]
        for index in 0..<random.index(below: 6) {
          pairs.append(Pair(name: "l\(index)", value: text(&random)))
        }
        let labels = pairs.reduce(Labels.none) { $0.adding($1.name, $1.value) }
        var read = ReadSample(name: name, labels: pairs, value: 0)
        switch random.index(below: 3) {
        case 0:
          let integer = random.next() >> random.next() % 64
          read.value = Double(integer)
          writer.sample(integer, labels)
        case 1 where type != .counter:
          let integer = Int(truncatingIfNeeded: random.next()) >> Int(random.next() % 64)
          read.value = Double(integer)
          writer.sample(integer, labels)
        default:
          read.value = value(&random, isCounter: type == .counter)
          writer.sample(read.value, labels)
        }
        written.samples.append(read)
      }
    }
    writer.finish()
    written.bytes = writer.bytes
    return written
  }

  @Test(arguments: [MetricsWriter.Format.text, .openMetrics])
  func whatIsWrittenIsReadBackTheSame(format: MetricsWriter.Format) {
    var samples = 0
    for seed in 0..<UInt64(1_000) {
      let written = page(format, seed: seed)
      for isStrict in [false, true] {
        let read = ReadPage(written.bytes, isStrict: isStrict)
        #expect(read.errors == [], "seed \(seed)")
        #expect(read.types == written.types, "seed \(seed)")
        #expect(read.samples == written.samples, "seed \(seed)")
        #expect(read.sawEOF == (format == .openMetrics), "seed \(seed)")
      }
      if format == .openMetrics {
        #expect(openMetricsError(written.bytes) == nil, "seed \(seed)")
      }
      samples += written.samples.count
    }
    print("round trip, \(format): \(samples) samples")
  }

  @Test func everyExtremeNumberIsReadBackToTheBit() {
    for value in Self.extremes {
      var writer = MetricsWriter()
      writer.open(MetricFamily("x", .gauge, help: ""))
      writer.sample(value)
      #expect(ReadPage(writer.bytes).samples == [ReadSample(name: "x", value: value)])
    }
  }
}
