// Laws of metrics pages: errors in line order and within the page, picks as full reading has them,
// strict mode as far as the first error, limits kept, a sample written and read back the same, and
// signals that are finite numbers, rates never below 0.
import Controller
import Exposition
import Fleet
import Primitives

enum MetricsTarget {
  static let target = FuzzTarget(
    "metrics", byteCountMax: 1_500,
    words: PageWords.all + Preset.all.flatMap { names(of: $0) }.prefix(200),
    check: { data throws(Finding) in try MetricsTarget.check(data) },
    seeds: { files in
      let captured = files.files(in: "Tests/Captures", suffix: ".prom").map { $0.prefix(1_400) }
      let own = (PageWords.pages.map { Array($0.utf8)[...] } + captured).map {
        FuzzInput.make(Array($0), options: 0, seed: 1)
      }
      return own
        + Preset.all.enumerated().map { index, preset in
          let lines = names(of: preset).flatMap { ["\($0){le=\"1\",gpu=\"0\"} 3", "\($0) 5.5e-1"] }
          return FuzzInput.make(
            Array(lines.joined(separator: "\n").utf8.prefix(1_200)), options: UInt8(index) * 4,
            seed: 9)
        }
    })

  private static func names(of preset: Preset) -> [String] {
    var names: [String] = []
    for signal in preset.signals {
      _ = signal.source.mapSelectors { names += $0.names }
    }
    return names
  }

  /// A line as it was read.
  private struct Heard: Equatable {
    var line: Int
    var text: String
    var error: ParseError?
    var name = ""
  }

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let input = FuzzInput(data)
    let page = input.bytes
    var limits = SampleParser.Limits()
    if input.options & 1 != 0 {
      limits.lineByteCount = 60
      limits.labelCount = 2
      limits.sampleCount = 3
    }
    let all = try listen(page, limits)
    try checkPlaces(all, page)
    try checkLimits(all, page, limits)
    let picked = try listen(page, limits) { $0.bytes.count % 3 == 0 }
    try require(
      picked.filter { $0.error == nil }
        == all.filter { $0.error == nil && ($0.name.isEmpty || $0.name.utf8.count % 3 == 0) }
        || all.contains { $0.text.contains("\\") },
      "picks: \(picked)")
    let strict = try listen(page, limits, isStrict: true)
    let good = strict.prefix { $0.error == nil }
    try require(all.starts(with: good), "strict: \(strict)")
    try require(strict.count - good.count <= 1, "an error is the last item: \(strict)")
    try checkSignals(input, page)
  }

  private static func listen(
    _ page: UnsafeRawBufferPointer, _ limits: SampleParser.Limits, isStrict: Bool = false,
    where wants: ((PageText) -> Bool)? = nil
  ) throws(Finding) -> [Heard] {
    var parser = SampleParser(page, limits: limits, isStrict: isStrict)
    var result: [Heard] = []
    while let item = wants.map({ parser.next(where: $0) }) ?? parser.next() {
      switch item {
      case .type(let name, let type):
        result.append(Heard(line: parser.line, text: "\(name.string) \(type)"))
      case .bad(let error):
        result.append(Heard(line: error.line, text: "", error: error))
      case .sample(let sample):
        try require(sample.labels.count <= limits.labelCount, "too many labels")
        result.append(
          Heard(
            line: sample.line, text: text(sample),
            name: String(decoding: sample.name.bytes, as: UTF8.self)))
        if wants == nil, !isStrict, result.count < 12 { try checkWritten(sample) }
      }
    }
    try require(
      parser.badLineCount == result.filter { $0.error != nil }.count, "the count of bad lines")
    return result
  }

  private static func text(_ sample: Sample) -> String {
    var text = sample.name.string
    for label in sample.labels { text += "|\(label.name.string)=\(label.value.string)" }
    return text + "|\(sample.value)|\(sample.timestamp.map { "\($0)" } ?? "")"
  }

  private static func checkPlaces(
    _ all: [Heard], _ page: UnsafeRawBufferPointer
  ) throws(Finding) {
    let lines = page.split(separator: 0x0A, omittingEmptySubsequences: false)
    var last = 0
    for heard in all {
      try require(heard.line > last && heard.line <= lines.count, "the order of lines: \(all)")
      last = heard.line
      guard let error = heard.error else { continue }
      try require(
        error.column >= 1 && error.column <= lines[error.line - 1].count + 1, "a column: \(error)")
    }
  }

  private static func checkLimits(
    _ all: [Heard], _ page: UnsafeRawBufferPointer, _ limits: SampleParser.Limits
  ) throws(Finding) {
    let samples = all.filter { !$0.name.isEmpty }
    try require(samples.count <= limits.sampleCount, "\(samples.count) samples")
    let lines = page.split(separator: 0x0A, omittingEmptySubsequences: false)
    for heard in all where heard.error == nil {
      // A CR before the line's end, or a byte order mark, is not counted.
      let count = lines[heard.line - 1].count
      try require(count <= limits.lineByteCount + 4, "a line of \(count) bytes")
    }
  }

  /// A sample that has classic names reads back the same when it is written.
  private static func checkWritten(_ sample: Sample) throws(Finding) {
    let name = sample.name.string
    guard MetricsWriter.isMetricName(name) else { return }
    var labels = Labels.none
    for label in sample.labels {
      guard Labels.isLabelName(label.name.string) else { return }
      labels = labels.adding(label.name.string, label.value.string)
    }
    var writer = MetricsWriter(byteCapacity: 256)
    writer.open(MetricFamily(name, .gauge, help: "x"))
    writer.sample(sample.value, labels)
    let written = writer.bytes
    var again: [String] = []
    written.withUnsafeBytes { bytes in
      var parser = SampleParser(bytes, isStrict: true)
      while let item = parser.next() {
        switch item {
        case .type: break
        case .bad(let error): again.append("\(error)")
        case .sample(let sample): again.append(text(sample))
        }
      }
    }
    let old = text(sample)
    let expected = old.prefix(through: old.lastIndex(of: "|") ?? old.startIndex)
    try require(again == [String(expected)], "written and read: \(again), not \(expected)")
  }

  /// What a preset makes of three pages: the beginning, all of it, all of it again.
  private static func checkSignals(
    _ input: FuzzInput, _ page: UnsafeRawBufferPointer
  ) throws(Finding) {
    let presets = Preset.all
    var source = presets[Int(input.options >> 2) % presets.count].source
    source.isStrict = input.options & 2 != 0
    var reader = PageReader(source, windowMax: .seconds(60))
    var random = input.random
    let cut = random.index(below: page.count + 1)
    for (turn, end) in [cut, page.count, page.count].enumerated() {
      let reading: PageReading
      do throws(PageError) {
        reading = try reader.read(
          UnsafeRawBufferPointer(rebasing: page[..<end]), sentAt: .seconds(turn))
      } catch {
        try require(error.detail.utf8.count < 1_000, "a long detail: \(error.detail)")
        continue
      }
      try require(reading.readings.count == source.signals.count, "a reading for each signal")
      for (signal, reading) in zip(source.signals, reading.readings) {
        guard let value = reading.value else { continue }
        try require(value.isFinite, "\(signal.name) is \(value)")
        if case .rate = signal.source, !signal.isComplement, signal.scale >= 0 {
          try require(value >= 0, "the rate \(signal.name) is \(value)")
        }
      }
    }
  }
}
