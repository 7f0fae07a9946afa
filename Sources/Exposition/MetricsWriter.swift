// Writes a metrics page in the Prometheus text format 0.0.4 or in OpenMetrics 1.0. A family is
// opened once, then its samples follow: both formats require all lines of a family in one group.

/// Writes a metrics page into its own buffer.
package struct MetricsWriter {
  /// The format of a page.
  package enum Format: Sendable {
    case text, openMetrics

    /// The media type of the page.
    package var contentType: String {
      switch self {
      case .text: MetricsWriter.contentType
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  /// The media type of the text format.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
  /// The most bytes of a sample besides its name and labels: braces, commas, a number, the line
  /// end.
  static let valueByteCount = 40

  package let format: Format
  var page: PageBuffer
  /// The name of the open family's samples.
  private(set) var sampleName: [UInt8] = []
  private(set) var familyType = MetricType.untyped
  private var familyName = ""
  private var families: Set<String> = []

  /// Starts an empty page and reserves room for it.
  package init(_ format: Format = .text, byteCapacity: Int = 16_384) {
    self.format = format
    page = PageBuffer(byteCapacity: byteCapacity)
  }

  /// A copy of the page so far. It is complete after each call, in OpenMetrics after `finish`.
  package var bytes: [UInt8] { page.bytes }

  /// Ends the page, in OpenMetrics with the end mark, and returns it. Nothing may be written
  /// afterwards.
  package mutating func finished() -> [UInt8] {
    finish()
    return page.take()
  }

  /// Ends the page, in OpenMetrics with the end mark. Call once; nothing may be written afterwards.
  package mutating func finish() {
    if format == .openMetrics { append("# EOF\n") }
  }

  /// Opens a family: writes HELP and TYPE, in OpenMetrics UNIT too; the samples follow. In
  /// OpenMetrics the head of a counter lacks the `_total` of its samples, that of an info the
  /// `_info`. Opening the family that is open has no effect. Requires: it was not opened before
  /// another one.
  package mutating func open(_ family: MetricFamily) {
    if family.name == familyName { return }
    familyName = family.name
    familyType = family.type
    let head = format == .openMetrics ? family.openMetricsName : family.name
    precondition(!head.isEmpty, "a name that is a suffix only")
    let suffix = format == .openMetrics ? family.openMetricsSuffix : ""
    sampleName = Array((head + suffix).utf8)
    let isNew = families.insert(head).inserted
    assert(isNew, "a family in two groups")
    guard isNew else { return }
    append("# HELP \(head) \(Self.escaped(family.help))\n")
    switch format {
    case .text: append("# TYPE \(head) \(family.textType)\n")
    case .openMetrics:
      append("# TYPE \(head) \(family.openMetricsType)\n")
      if let unit = family.unit { append("# UNIT \(head) \(unit)\n") }
    }
  }

  /// Writes a sample of the open family with the labels of both arguments. Requires: a family is
  /// open; no label name is in both.
  @inline(__always)
  package mutating func sample(
    _ value: UInt64, _ labels: Labels = .none, _ more: Labels = .none
  ) {
    line(labels, more) { $0.put(value) }
  }

  /// Writes a sample of the open family with the labels of both arguments. Requires: a family is
  /// open; no label name is in both.
  package mutating func sample(_ value: Int, _ labels: Labels = .none, _ more: Labels = .none) {
    line(labels, more) {
      if value < 0 { $0.put(UInt8(ascii: "-")) }
      $0.put(UInt64(value.magnitude))
    }
  }

  /// Writes a sample of the open family with the labels of both arguments. Requires: a family is
  /// open; no label name is in both.
  package mutating func sample(_ value: Double, _ labels: Labels = .none, _ more: Labels = .none) {
    line(labels, more) { $0.put(value) }
  }

  /// Whether the name needs no quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
  package static func isMetricName(_ name: String) -> Bool {
    guard let first = name.utf8.first, ByteClass.isNameStart(first) else { return false }
    return name.utf8.allSatisfy(ByteClass.isName)
  }

  /// The shortest text that is read back as the same number; integers below 2^53 as integers.
  package static func text(_ value: Double) -> String {
    var buffer = PageBuffer(byteCapacity: 64)
    buffer.write(atMost: valueByteCount) { $0.put(value) }
    return String(decoding: buffer.bytes, as: UTF8.self)
  }

  // MARK: Parts of a line

  @inline(__always)
  private mutating func line(
    _ labels: Labels, _ more: Labels, _ putValue: (inout PageCursor) -> Void
  ) {
    precondition(!sampleName.isEmpty, "no family is open")
    let name = sampleName
    let byteCount = name.count + labels.text.count + more.text.count + Self.valueByteCount
    page.write(atMost: byteCount) { cursor in
      cursor.put(name)
      cursor.put(labels, more)
      cursor.put(UInt8(ascii: " "))
      putValue(&cursor)
      cursor.put(UInt8(ascii: "\n"))
    }
  }

  private mutating func append(_ text: String) {
    page.write(atMost: text.utf8.count) { $0.put(text) }
  }

  private static func escaped(_ help: String) -> String {
    var result = ""
    for scalar in help.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

extension PageCursor {
  /// Writes both in one pair of braces, or nothing if both are empty.
  @inline(__always) mutating func put(_ labels: Labels, _ more: Labels) {
    if labels.text.isEmpty, more.text.isEmpty { return }
    put(UInt8(ascii: "{"))
    put(labels.text)
    if !labels.text.isEmpty, !more.text.isEmpty { put(UInt8(ascii: ",")) }
    put(more.text)
    put(UInt8(ascii: "}"))
  }
}
