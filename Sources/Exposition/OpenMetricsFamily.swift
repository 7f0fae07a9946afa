// The rules that hold between the lines of one family of an OpenMetrics page: values and labels by
// type, metrics in one piece, timestamps that do not decrease, histograms that add up.
// Source: OpenMetrics 1.0, "Metric Types" and "Timestamps", interpreted as in the project's test
// cases.

/// Checks one family, sample by sample. When it is closed, `OpenMetricsValidator` keeps its names.
struct OpenMetricsFamily {
  let name: OpenMetricsText
  private(set) var type: MetricType?
  private(set) var hasHelp = false
  private(set) var unit: OpenMetricsText?
  private(set) var hasSamples = false

  private static let quantile = Array("quantile".utf8)
  static let le = Array("le".utf8)

  private struct Series: Hashable {
    var name: OpenMetricsText
    var labels: [OpenMetricsSample.Label]
  }

  private var group: [OpenMetricsSample.Label]?
  private var groupTimestamp: Double?
  private var seenGroups: Set<[OpenMetricsSample.Label]> = []
  /// The series of this group that have had a sample at `groupTimestamp`.
  private var seenSeries: Set<Series> = []
  private var histogram = OpenMetricsHistogram()

  init(name: OpenMetricsText) { self.name = name }

  /// The suffixes that the names of samples may have.
  static func suffixes(_ type: MetricType?) -> [String] {
    switch type {
    case .counter: ["_total", "_created"]
    case .summary: ["", "_count", "_sum", "_created"]
    case .histogram: ["_bucket", "_count", "_sum", "_created"]
    case .gaugehistogram: ["_bucket", "_gcount", "_gsum"]
    case .info: ["_info"]
    case .gauge, .stateset, .unknown, .untyped, nil: [""]
    }
  }

  // MARK: Metadata

  /// Takes a metadata line of this family.
  mutating func take(_ keyword: OpenMetricsMetadata.Keyword, line: Int) throws(OpenMetricsError) {
    func error(_ kind: OpenMetricsError.Kind) -> OpenMetricsError {
      OpenMetricsError(kind, line: line, column: 1)
    }
    if hasSamples { throw error(.metadataBehindSamples) }
    switch keyword {
    case .help:
      if hasHelp { throw error(.repeatedMetadata) }
      hasHelp = true
    case .type(let new):
      if type != nil { throw error(.repeatedMetadata) }
      type = new
    case .unit(let new):
      if unit != nil { throw error(.repeatedMetadata) }
      guard new.isEmpty || Self.ends(name, with: new) else { throw error(.badUnit) }
      unit = new
    }
    if type == .info || type == .stateset, let unit, !unit.isEmpty { throw error(.badUnit) }
  }

  private static func ends(_ name: OpenMetricsText, with unit: OpenMetricsText) -> Bool {
    name.suffix(unit.count + 1).elementsEqual([UInt8(ascii: "_")] + unit)
  }

  // MARK: Samples

  /// The suffix of the sample's name; nil: the sample belongs to another family.
  func suffix(of sample: OpenMetricsSample) -> String? {
    guard sample.name.starts(with: name) else { return nil }
    let rest = sample.name.dropFirst(name.count)
    return Self.suffixes(type).first { rest.elementsEqual($0.utf8) }
  }

  /// Takes a sample of this family.
  mutating func take(_ sample: OpenMetricsSample, suffix: String) throws(OpenMetricsError) {
    try checkLabels(sample, suffix)
    try checkValue(sample, suffix)
    if sample.hasExemplar {
      guard suffix == "_bucket" || suffix == "_total" else { throw sample.error(.badExemplar) }
    }
    let isNew = try follow(sample, suffix)
    hasSamples = true
    guard isNew, type == .histogram || type == .gaugehistogram, let group else { return }
    try histogram.take(sample, suffix, group: group)
  }

  /// Ends the family. Call once, after the last sample.
  mutating func close() throws(OpenMetricsError) { try histogram.close() }

  private func checkLabels(_ sample: OpenMetricsSample, _ suffix: String)
    throws(OpenMetricsError)
  {
    var isGood = true
    if type == .stateset { isGood = sample.label(name) != nil }
    if suffix == "_bucket" { isGood = sample.label(Self.le).flatMap(Self.bound) != nil }
    if type == .summary, suffix.isEmpty {
      isGood = sample.label(Self.quantile).flatMap(Self.bound).map { 0 <= $0 && $0 <= 1 } ?? false
    }
    if !isGood { throw sample.error(.badTypeLabel) }
  }

  private func checkValue(_ sample: OpenMetricsSample, _ suffix: String)
    throws(OpenMetricsError)
  {
    let value = sample.value
    var isGood = true
    switch suffix {
    case "_bucket", "_count", "_gcount":
      isGood = value.isFinite && value >= 0 && value == value.rounded()
    case "_total", "_sum": isGood = value >= 0
    case "_gsum": isGood = !value.isNaN
    case "_info": isGood = value == 1
    case "" where type == .stateset: isGood = value == 0 || value == 1
    case "" where type == .summary: isGood = value.isNaN || value >= 0
    default: break
    }
    if !isGood { throw sample.error(.badValue, column: sample.valueColumn) }
  }

  /// The number of a bound; infinity is written `+Inf`.
  static func bound(_ text: OpenMetricsText) -> Double? {
    let value = text.withUnsafeBufferPointer { bytes -> Double? in
      guard let start = bytes.baseAddress, !bytes.isEmpty,
        let number = NumberText(start, start + bytes.count), number.end == start + bytes.count
      else { return nil }
      return number.value
    }
    guard let value, !value.isNaN else { return nil }
    let isCanonical = value.isFinite || text.elementsEqual((value < 0 ? "-Inf" : "+Inf").utf8)
    return isCanonical ? value : nil
  }

  // MARK: Order

  /// The labels that identify the metric: all except the one that distinguishes its samples.
  private func group(of sample: OpenMetricsSample, _ suffix: String) -> [OpenMetricsSample.Label] {
    switch type {
    // For an info, every label is a value.
    case .info: []
    case .stateset: sample.labels.filter { $0.name != name }
    case .summary where suffix.isEmpty: sample.labels.filter { $0.name != Self.quantile }
    case .histogram where suffix == "_bucket", .gaugehistogram where suffix == "_bucket":
      sample.labels.filter { $0.name != Self.le }
    default: sample.labels
    }
  }

  /// Returns false if the sample repeats one with the same timestamp, whose last digits may have
  /// been lost.
  private mutating func follow(_ sample: OpenMetricsSample, _ suffix: String)
    throws(OpenMetricsError) -> Bool
  {
    let own = group(of: sample, suffix)
    if own == group {
      guard (sample.timestamp == nil) == (groupTimestamp == nil) else {
        throw sample.error(.badTimestampOrder)
      }
      if let now = sample.timestamp, let before = groupTimestamp {
        if now < before, type != .info { throw sample.error(.badTimestampOrder) }
        if now != before { seenSeries = [] }
      }
    } else {
      guard seenGroups.insert(own).inserted else { throw sample.error(.scatteredMetric) }
      seenSeries = []
    }
    group = own
    groupTimestamp = sample.timestamp
    let isNew = seenSeries.insert(Series(name: sample.name, labels: sample.labels)).inserted
    if !isNew, sample.timestamp == nil { throw sample.error(.repeatedSeries) }
    return isNew
  }
}
