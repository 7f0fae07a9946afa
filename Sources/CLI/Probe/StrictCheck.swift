// The check of `steelyard probe --strict`: whether all lines of a page are valid, and the first one
// that is not. Scraping skips invalid lines, so that a page with one bad line is still of use.
import Controller
import Exposition

/// The check of a page against the format that it claims.
struct StrictCheck: Equatable {
  enum Format: String {
    case openMetrics = "OpenMetrics 1.0"
    case prometheus = "Prometheus text 0.0.4"
  }

  /// The first error.
  struct Fault: Equatable {
    /// Counted from 1; for a missing end, the line after the last one.
    var line: Int
    /// In bytes, counted from 1.
    var column: Int
    /// One word of a finite set.
    var reason: String
    /// The reason as a sentence without a full stop.
    var text: String
    /// The beginning of the line, printable.
    var excerpt: String
  }

  let format: Format
  /// nil: the page is valid.
  let fault: Fault?

  /// Checks a page. It is an OpenMetrics document if its `Content-Type` or its last line says so.
  init(_ page: [UInt8], contentType: String?) {
    let isOpenMetrics =
      contentType?.lowercased().hasPrefix("application/openmetrics-text") ?? false
      || page.suffix(6).elementsEqual("# EOF\n".utf8) || page.suffix(5).elementsEqual("# EOF".utf8)
    format = isOpenMetrics ? .openMetrics : .prometheus
    fault = page.withUnsafeBytes { bytes in
      isOpenMetrics ? Self.openMetricsFault(bytes) : Self.prometheusFault(bytes)
    }
  }

  private static func openMetricsFault(_ page: UnsafeRawBufferPointer) -> Fault? {
    do throws(OpenMetricsError) {
      try OpenMetricsValidator.check(page)
      return nil
    } catch {
      return Fault(
        line: error.line, column: error.column, reason: error.label, text: error.kind.words,
        excerpt: excerpt(page, error.line))
    }
  }

  private static func prometheusFault(_ page: UnsafeRawBufferPointer) -> Fault? {
    var parser = SampleParser(page, isStrict: true)
    while let item = parser.next() {
      guard case .bad(let error) = item else { continue }
      return Fault(
        line: error.line, column: error.column, reason: error.label, text: error.kind.words,
        excerpt: excerpt(page, error.line))
    }
    return nil
  }

  private static func excerpt(_ page: UnsafeRawBufferPointer, _ line: Int) -> String {
    let lines = page.split(
      separator: 0x0A, maxSplits: line, omittingEmptySubsequences: false)
    guard line <= lines.count else { return "" }
    return Wording.snippet(UnsafeRawBufferPointer(rebasing: lines[line - 1]))
  }

  /// Lines for people.
  var text: [String] {
    guard let fault else { return ["strict: valid \(format.rawValue)"] }
    var lines = [
      "strict: no valid \(format.rawValue): line \(fault.line), column \(fault.column): "
        + "\(fault.text) (\(fault.reason))"
    ]
    if !fault.excerpt.isEmpty { lines.append("  " + fault.excerpt) }
    return lines
  }
}

extension ParseError.Kind {
  /// A sentence without a full stop.
  fileprivate var words: String {
    switch self {
    case .badName: "the line does not begin with the name of a metric"
    case .badLabelName: "the name of a label is expected here"
    case .badLabelValue: "`=` and a quoted text must follow the name of a label"
    case .missingComma: "a comma is missing between two labels"
    case .unterminatedText: "the line ends within quotes"
    case .unterminatedLabels: "the line ends within braces"
    case .notUTF8: "the text is not UTF-8"
    case .missingValue: "the line ends before a value"
    case .badNumber: "the value is not a number"
    case .badTimestamp: "the timestamp is not a finite number"
    case .trailingBytes: "only a timestamp or an exemplar may follow the value"
    case .badType: "TYPE needs the name of a metric and a known type"
    case .lineTooLong: "the line is longer than steelyard reads"
    case .tooManyLabels: "the line has more labels than steelyard reads"
    case .tooManySamples: "the page has more samples than steelyard reads"
    }
  }
}

extension OpenMetricsError.Kind {
  /// A sentence without a full stop.
  fileprivate var words: String {
    switch self {
    case .syntax(let kind): kind.words
    case .badLayout: "a byte that the grammar does not allow here, such as a second blank"
    case .blankLine: "a blank line is not allowed"
    case .missingEnd: "the page must end with `# EOF`"
    case .behindEnd: "nothing may follow `# EOF`"
    case .badMetadata: "a line with `#` must be a complete TYPE, HELP or UNIT line"
    case .repeatedMetadata: "the family already has a line of this kind"
    case .metadataBehindSamples: "TYPE, HELP and UNIT must come before the family's samples"
    case .badUnit: "the unit must be the end of the family's name"
    case .clashingName: "the name belongs to an earlier family"
    case .repeatedLabel: "two labels have the same name"
    case .badTypeLabel: "the label that this type needs is missing or wrong"
    case .badValue: "a sample of this type cannot have this value"
    case .badExemplar: "an exemplar is not allowed here, or is longer than 128 characters"
    case .scatteredMetric: "the samples of one metric must stand together"
    case .repeatedSeries: "the series is already on the page, without a timestamp"
    case .badTimestampOrder: "timestamps must not decrease, and all samples of a metric need one"
    case .badHistogram: "buckets, count and sum do not agree"
    }
  }
}
