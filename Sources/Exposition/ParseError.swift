// What can be wrong with a line of a metrics page, and where.

/// A line that was refused. The lines around it are not affected.
public struct ParseError: Error, Hashable, Sendable {
  /// What was wrong.
  public enum Kind: String, CaseIterable, Sendable {
    /// The line does not begin with a metric name, or a byte that no name has follows it.
    case badName
    /// A byte other than a label name where one was expected.
    case badLabelName
    /// No `=` and quoted text behind a label name.
    case badLabelValue
    /// No comma between two labels.
    case missingComma
    /// The line ends within quotes.
    case unterminatedText
    /// The line ends within braces.
    case unterminatedLabels
    /// A quoted text that is not UTF-8.
    case notUTF8
    /// The line ends before a value.
    case missingValue
    /// A value that is not a number, or beyond what a Double holds.
    case badNumber
    /// A timestamp that is not a finite number.
    case badTimestamp
    /// Something other than a timestamp or an exemplar behind the value.
    case trailingBytes
    /// A TYPE line without a name or with an unknown type.
    case badType
    /// Over `SampleParser.Limits.lineByteCount`.
    case lineTooLong
    /// Over `SampleParser.Limits.labelCount`.
    case tooManyLabels
    /// Over `SampleParser.Limits.sampleCount`; nothing behind it is read.
    case tooManySamples
  }

  public let kind: Kind
  /// From 1.
  public let line: Int
  /// In bytes, from 1; one past the last byte where the line ended too soon.
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
