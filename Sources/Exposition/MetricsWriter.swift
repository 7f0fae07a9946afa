// Writes a metrics page in the Prometheus text format 0.0.4 or in OpenMetrics 1.0. A family is
// opened once, then its samples follow: both formats want all lines of a family in one group.

/// Appends a metrics page to bytes of its own.
package struct MetricsWriter {
  /// What a page is written as.
  package enum Format: Sendable {
    case text, openMetrics

    /// The media type to send the page with.
    package var contentType: String {
      switch self {
      case .text: MetricsWriter.contentType
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  /// The media type of the text format.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The page so far; complete after each call, in OpenMetrics after `finish`.
  package private(set) var bytes: [UInt8] = []
  private let format: Format
  private var familyName = ""
  /// What a sample's name has behind `headName`: `_total` of OpenMetrics counters and the like.
  private var sampleSuffix = ""
  private var headName = ""
  private var familyType = MetricType.untyped
  private var families: Set<String> = []

  /// Starts an empty page and reserves room for it.
  package init(_ format: Format = .text, byteCapacity: Int = 16_384) {
    self.format = format
    bytes.reserveCapacity(byteCapacity)
  }

  /// Opens a family: HELP and TYPE, then the samples. Opening the one that is open does nothing.
  /// In OpenMetrics a counter's head lacks the `_total` of its samples, an info's the `_info`,
  /// and a `unit` is told. Requires: `name` is `[a-zA-Z_:][a-zA-Z0-9_:]*`, not opened before
  /// another family was; `type` exists in the format; `unit` is the end of the head's name, and
  /// nil for an info or a stateset.
  package mutating func family(
    _ name: String, _ type: MetricType, help: String, unit: String? = nil
  ) {
    if name == familyName { return }
    precondition(Self.isMetricName(name), "not a metric name")
    familyName = name
    familyType = type
    sampleSuffix = ""
    switch (type, format) {
    case (.gauge, _), (.histogram, _), (.summary, _), (.untyped, _), (.counter, .text): break
    case (.gaugehistogram, .openMetrics), (.stateset, .openMetrics), (.unknown, .openMetrics): break
    case (.counter, .openMetrics): sampleSuffix = "_total"
    case (.info, .openMetrics): sampleSuffix = "_info"
    case (.gaugehistogram, .text), (.info, .text), (.stateset, .text), (.unknown, .text):
      preconditionFailure("not a type of the text format 0.0.4")
    }
    headName = name.hasSuffix(sampleSuffix) ? String(name.dropLast(sampleSuffix.count)) : name
    precondition(!headName.isEmpty, "a name that is a suffix only")
    let isNew = families.insert(headName).inserted
    assert(isNew, "a family in two groups")
    guard isNew else { return }
    appendHead("HELP")
    for byte in help.utf8 {
      switch byte {
      case ByteClass.backslash: append("\\\\")
      case 0x0A: append("\\n")
      default: append(byte)
      }
    }
    append(UInt8(ascii: "\n"))
    appendHead("TYPE")
    append(format == .openMetrics && type == .untyped ? "unknown" : type.rawValue)
    append(UInt8(ascii: "\n"))
    guard format == .openMetrics, let unit else { return }
    precondition(headName.hasSuffix("_" + unit), "not the unit of the name")
    appendHead("UNIT")
    append(unit)
    append(UInt8(ascii: "\n"))
  }

  /// Ends the page: in OpenMetrics with the end mark. Call once; nothing may follow.
  package mutating func finish() {
    if format == .openMetrics { append("# EOF\n") }
  }

  /// A sample of the open family. Requires: a family is open.
  package mutating func sample(_ value: UInt64, _ labels: Labels = .none) {
    beginSample("", labels)
    endSample(value)
  }

  /// A sample of the open family. Requires: a family is open.
  package mutating func sample(_ value: Int, _ labels: Labels = .none) {
    beginSample("", labels)
    if value < 0 { append(UInt8(ascii: "-")) }
    endSample(UInt64(value.magnitude))
  }

  /// A sample of the open family. Requires: a family is open.
  package mutating func sample(_ value: Double, _ labels: Labels = .none) {
    beginSample("", labels)
    append(value)
    append(UInt8(ascii: "\n"))
  }

  /// `_bucket` for each bound and for +Inf, cumulative, then `_sum` and `_count`.
  /// Requires: a family of type histogram is open; no label is named `le`.
  package mutating func histogram(_ snapshot: HistogramSnapshot, _ labels: Labels = .none) {
    histogram(snapshot.buckets, DurationHistogram.bounds, sum: snapshot.sumSeconds, labels)
  }

  /// The same of short times.
  package mutating func histogram(_ snapshot: ShortHistogramSnapshot, _ labels: Labels = .none) {
    histogram(snapshot.buckets, ShortHistogram.bounds, sum: snapshot.sumSeconds, labels)
  }

  private mutating func histogram(
    _ buckets: [UInt64], _ bounds: [Double], sum: Double, _ labels: Labels
  ) {
    precondition(familyType == .histogram, "not a histogram")
    var cumulative: UInt64 = 0
    for (index, count) in buckets.enumerated() {
      cumulative &+= count
      let bound = index < bounds.count ? Self.text(bounds[index]) : "+Inf"
      beginSample("_bucket", labels, bound: bound)
      endSample(cumulative)
    }
    beginSample("_sum", labels)
    append(sum)
    append(UInt8(ascii: "\n"))
    beginSample("_count", labels)
    endSample(cumulative)
  }

  /// Whether the name may stand without quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
  package static func isMetricName(_ name: String) -> Bool {
    guard let first = name.utf8.first, ByteClass.isNameStart(first) else { return false }
    return name.utf8.allSatisfy(ByteClass.isName)
  }

  // MARK: Pieces

  /// `# HELP name ` and its like.
  private mutating func appendHead(_ keyword: String) {
    append("# ")
    append(keyword)
    append(UInt8(ascii: " "))
    append(headName)
    append(UInt8(ascii: " "))
  }

  /// The name, the braces and a blank.
  private mutating func beginSample(_ suffix: String, _ labels: Labels, bound: String? = nil) {
    precondition(!familyName.isEmpty, "no family is open")
    append(headName)
    append(sampleSuffix)
    append(suffix)
    if !labels.text.isEmpty || bound != nil {
      append(UInt8(ascii: "{"))
      bytes.append(contentsOf: labels.text)
      if let bound {
        append(labels.text.isEmpty ? "le=\"" : ",le=\"")
        append(bound)
        append(ByteClass.quote)
      }
      append(UInt8(ascii: "}"))
    }
    append(UInt8(ascii: " "))
  }

  private mutating func endSample(_ value: UInt64) {
    append(String(value))
    append(UInt8(ascii: "\n"))
  }

  private mutating func append(_ value: Double) { append(Self.text(value)) }
  private mutating func append(_ byte: UInt8) { bytes.append(byte) }
  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// The shortest text that reads back as the same number; integers below 2^53 as such.
  package static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    if value.magnitude < 0x1p53, value == value.rounded(.towardZero) {
      return value == 0 && value.sign == .minus ? "-0" : String(Int64(value))
    }
    return value.description
  }
}
