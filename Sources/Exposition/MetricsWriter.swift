// Writes a metrics page in the Prometheus text format 0.0.4. A family is opened once, then its
// samples follow: the format wants all lines of a family in one group.

/// Appends a metrics page to bytes of its own.
package struct MetricsWriter {
  /// The media type to send the page with.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The page so far; complete after each call.
  package private(set) var bytes: [UInt8] = []
  private var familyName = ""
  private var familyType = MetricType.untyped
  private var families: Set<String> = []

  /// Starts an empty page and reserves room for it.
  package init(byteCapacity: Int = 16_384) {
    bytes.reserveCapacity(byteCapacity)
  }

  /// Opens a family: HELP and TYPE, then the samples. Opening the one that is open does nothing.
  /// Requires: `name` is `[a-zA-Z_:][a-zA-Z0-9_:]*`, not opened before another family was;
  /// `type` exists in the text format 0.0.4.
  package mutating func family(_ name: String, _ type: MetricType, help: String) {
    if name == familyName { return }
    precondition(Self.isMetricName(name), "not a metric name")
    switch type {
    case .counter, .gauge, .histogram, .summary, .untyped: break
    case .gaugehistogram, .info, .stateset, .unknown:
      preconditionFailure("not a type of the text format 0.0.4")
    }
    let isNew = families.insert(name).inserted
    assert(isNew, "a family in two groups")
    familyName = name
    familyType = type
    guard isNew else { return }
    append("# HELP ")
    append(name)
    append(UInt8(ascii: " "))
    for byte in help.utf8 {
      switch byte {
      case ByteClass.backslash: append("\\\\")
      case 0x0A: append("\\n")
      default: append(byte)
      }
    }
    append("\n# TYPE ")
    append(name)
    append(UInt8(ascii: " "))
    append(type.rawValue)
    append(UInt8(ascii: "\n"))
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
    precondition(familyType == .histogram, "not a histogram")
    var cumulative: UInt64 = 0
    for (index, count) in snapshot.buckets.enumerated() {
      cumulative &+= count
      beginSample("_bucket", labels, bound: DurationHistogram.boundText(index))
      endSample(cumulative)
    }
    beginSample("_sum", labels)
    append(snapshot.sumSeconds)
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

  /// The name, the braces and a blank.
  private mutating func beginSample(_ suffix: String, _ labels: Labels, bound: String? = nil) {
    precondition(!familyName.isEmpty, "no family is open")
    append(familyName)
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
