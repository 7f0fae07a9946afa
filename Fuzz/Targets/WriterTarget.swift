// Laws of writing pages: what the writer makes of any labels and numbers is read back the same in
// both formats, and in OpenMetrics it is a document to the letter.
import Exposition

enum WriterTarget {
  static let target = FuzzTarget(
    "writer", byteCountMax: 400, words: ["\\", "\"", "\n", "é", "\r"],
    check: { data throws(Finding) in try WriterTarget.check(data) },
    seeds: { _ in [(0...255).map { $0 }, Array("a\\b\"c\nd".utf8), [1, 2, 3, 200, 9, 65, 0, 0x7F]] }
  )

  /// A sample and the line that it ought to be read as.
  private struct Expected: Equatable {
    var name: String
    var labels: [String]
    var value: Double

    static func == (a: Expected, b: Expected) -> Bool {
      a.name == b.name && a.labels == b.labels
        && (a.value.isNaN ? b.value.isNaN : a.value.bitPattern == b.value.bitPattern)
    }
  }

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    for format in [MetricsWriter.Format.text, .openMetrics] {
      var rest = data[...]
      var writer = MetricsWriter(format, byteCapacity: 64)
      var expected: [Expected] = []
      var index = 0
      while let kind = rest.popFirst(), index < 20 {
        write(kind, index, &rest, &writer, &expected)
        index += 1
      }
      writer.finish()
      let page = writer.bytes
      try checkRead(page, expected, isDocument: format == .openMetrics)
    }
  }

  /// One family of one or two samples; the bytes say what they are.
  private static func write(
    _ kind: UInt8, _ index: Int, _ rest: inout Slice<UnsafeRawBufferPointer>,
    _ writer: inout MetricsWriter, _ expected: inout [Expected]
  ) {
    let type: MetricType = [.gauge, .counter, .untyped, .info][Int(kind & 3)]
    let suffix = type == .counter ? "_total" : type == .info ? "_info" : ""
    let name = "f\(index)\(kind & 4 == 0 ? "" : "_seconds")\(suffix)"
    writer.open(MetricFamily(name, type, help: text(&rest)))
    for sample in 0...Int(kind >> 3 & 1) {
      var labels = Labels([:]).adding("sample", "\(sample)")
      var pairs = ["sample=\(sample)"]
      for label in 0..<Int(kind >> 4 & 3) {
        let value = text(&rest)
        labels = labels.adding("l\(label)", value)
        pairs.append("l\(label)=\(value)")
      }
      var value = number(&rest)
      if type == .info { value = 1 }
      if type == .counter { value = value.isNaN ? 1 : value.magnitude }
      if kind & 64 != 0, value.magnitude < 0x1p62, type != .counter {
        writer.sample(Int(value), labels)
        value = Double(Int(value))
      } else {
        writer.sample(value, labels)
      }
      expected.append(Expected(name: name, labels: pairs, value: value))
    }
  }

  private static func text(_ rest: inout Slice<UnsafeRawBufferPointer>) -> String {
    let count = Int((rest.popFirst() ?? 0) & 15)
    defer { rest = rest.dropFirst(count) }
    return String(decoding: rest.prefix(count), as: UTF8.self)
  }

  private static func number(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Double {
    let count = Int((rest.popFirst() ?? 0) & 7) + 1
    defer { rest = rest.dropFirst(count) }
    let bits = rest.prefix(count).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return count < 8 ? Double(bits) / 8 : Double(bitPattern: bits)
  }

  private static func checkRead(
    _ page: [UInt8], _ expected: [Expected], isDocument: Bool
  ) throws(Finding) {
    var read: [Expected] = []
    var error: String?
    var sawEnd = false
    page.withUnsafeBytes { bytes in
      var parser = SampleParser(bytes, isStrict: true)
      while let item = parser.next() {
        switch item {
        case .type: break
        case .bad(let found): error = "\(found)"
        case .sample(let sample):
          read.append(
            Expected(
              name: sample.name.string,
              labels: sample.labels.map { "\($0.name.string)=\($0.value.string)" },
              value: sample.value))
        }
      }
      sawEnd = parser.sawEOF
      if isDocument {
        do throws(OpenMetricsError) {
          try OpenMetricsValidator.check(bytes)
        } catch let found {
          error = "\(found)"
        }
      }
    }
    let shown = String(decoding: page, as: UTF8.self)
    try require(error == nil, "\(error ?? "") in \(shown)")
    try require(read == expected, "read as \(read): \(shown)")
    try require(sawEnd == isDocument, "the end mark: \(shown)")
  }
}
