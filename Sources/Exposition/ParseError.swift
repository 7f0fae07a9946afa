// What can be wrong with a line of a metrics page, and where.

/// A rejected line. The lines around it are not affected.
public struct ParseError: Error, Hashable, Sendable {
  /// What was wrong.
  public enum Kind: String, CaseIterable, Sendable {
    /// The line does not begin with a metric name, or a byte that no name may have follows it.
    case badName
    /// A byte other than the start of a label name where a label name was expected.
    case badLabelName
    /// `=` and a quoted text are missing after a label name.
    case badLabelValue
    /// The comma between two labels is missing.
    case missingComma
    /// The line ends within quotes.
    case unterminatedText
    /// The line ends within braces.
    case unterminatedLabels
    /// A quoted text that is not UTF-8.
    case notUTF8
    /// The line ends before a value.
    case missingValue
    /// The value is not a number, or exceeds the range of a Double.
    case badNumber
    /// The timestamp is not a finite number.
    case badTimestamp
    /// Something other than a timestamp or an exemplar follows the value.
    case trailingBytes
    /// A TYPE line without a name or with an unknown type.
    case badType
    /// The line exceeds `SampleParser.Limits.lineByteCount`.
    case lineTooLong
    /// The line exceeds `SampleParser.Limits.labelCount`.
    case tooManyLabels
    /// The page exceeds `SampleParser.Limits.sampleCount`; nothing further is read.
    case tooManySamples
  }

  public let kind: Kind
  /// Counted from 1.
  public let line: Int
  /// In bytes, counted from 1; one past the last byte if the line ended too soon.
  public let column: Int

  public init(_ kind: Kind, line: Int, column: Int) {
    self.kind = kind
    self.line = line
    self.column = column
  }

  /// The value of a metric label, finite by construction.
  public var label: String {
    switch kind {
    case .badName: "bad_name"
    case .badLabelName: "bad_label_name"
    case .badLabelValue: "bad_label_value"
    case .missingComma: "missing_comma"
    case .unterminatedText: "unterminated_text"
    case .unterminatedLabels: "unterminated_labels"
    case .notUTF8: "not_utf8"
    case .missingValue: "missing_value"
    case .badNumber: "bad_number"
    case .badTimestamp: "bad_timestamp"
    case .trailingBytes: "trailing_bytes"
    case .badType: "bad_type"
    case .lineTooLong: "line_too_long"
    case .tooManyLabels: "too_many_labels"
    case .tooManySamples: "too_many_samples"
    }
  }
}
