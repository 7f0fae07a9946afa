// What can be wrong with an OpenMetrics page as a document, and where it shows.

/// Why a page is no OpenMetrics 1.0 document.
package struct OpenMetricsError: Error, Hashable, Sendable {
  /// What was wrong.
  package enum Kind: Hashable, Sendable {
    /// A line that the lenient parser would refuse as well, or one over a limit.
    case syntax(ParseError.Kind)
    /// A blank, a comma or another byte that the grammar does not have there.
    case badLayout
    case blankLine
    /// The page does not end with `# EOF`.
    case missingEnd
    /// Something follows `# EOF`.
    case behindEnd
    /// A line with `#` that is no whole TYPE, HELP or UNIT.
    case badMetadata
    /// A second TYPE, HELP or UNIT of one family.
    case repeatedMetadata
    case metadataBehindSamples
    /// A unit that is not the end of the family's name, or of a family that has none.
    case badUnit
    /// A name that an earlier family has taken, or a family in two groups.
    case clashingName
    /// Two labels of one name.
    case repeatedLabel
    /// No or a wrong label `le`, `quantile`, or that of the states.
    case badTypeLabel
    /// A value that a sample of this type cannot have.
    case badValue
    /// Behind a sample that can have none, or longer than 128 characters.
    case badExemplar
    /// The samples of one metric are not together.
    case scatteredMetric
    /// A series twice without a timestamp.
    case repeatedSeries
    /// Timestamps that go back, or that only some samples of a metric have.
    case badTimestampOrder
    /// Buckets, count and sum that do not belong together.
    case badHistogram
  }

  package let kind: Kind
  /// From 1; for a missing end, that behind the last one.
  package let line: Int
  /// In bytes, from 1.
  package let column: Int

  package init(_ kind: Kind, line: Int, column: Int) {
    self.kind = kind
    self.line = line
    self.column = column
  }

  /// The value of a metric label, finite by construction.
  package var label: String {
    switch kind {
    case .syntax(let kind): ParseError(kind, line: line, column: column).label
    case .badLayout: "bad_layout"
    case .blankLine: "blank_line"
    case .missingEnd: "missing_end"
    case .behindEnd: "behind_end"
    case .badMetadata: "bad_metadata"
    case .repeatedMetadata: "repeated_metadata"
    case .metadataBehindSamples: "metadata_behind_samples"
    case .badUnit: "bad_unit"
    case .clashingName: "clashing_name"
    case .repeatedLabel: "repeated_label"
    case .badTypeLabel: "bad_type_label"
    case .badValue: "bad_value"
    case .badExemplar: "bad_exemplar"
    case .scatteredMetric: "scattered_metric"
    case .repeatedSeries: "repeated_series"
    case .badTimestampOrder: "bad_timestamp_order"
    case .badHistogram: "bad_histogram"
    }
  }
}
