// What can be wrong with an OpenMetrics page as a document, and where.

/// Why a page is not an OpenMetrics 1.0 document.
package struct OpenMetricsError: Error, Hashable, Sendable {
  /// What was wrong.
  package enum Kind: Hashable, Sendable {
    /// A line that the lenient parser would reject too, or one over a limit.
    case syntax(ParseError.Kind)
    /// A blank, a comma or another byte that the grammar does not allow there.
    case badLayout
    case blankLine
    /// The page does not end with `# EOF`.
    case missingEnd
    /// There are bytes after `# EOF`.
    case behindEnd
    /// A line with `#` that is not a complete TYPE, HELP or UNIT line.
    case badMetadata
    /// A second TYPE, HELP or UNIT line of one family.
    case repeatedMetadata
    case metadataBehindSamples
    /// A unit that is not the end of the family's name, or of a family that may have none.
    case badUnit
    /// A name that belongs to an earlier family, or a family in two groups.
    case clashingName
    /// Two labels with the same name.
    case repeatedLabel
    /// The label `le`, `quantile`, or that of the states is missing or wrong.
    case badTypeLabel
    /// A value that a sample of this type cannot have.
    case badValue
    /// An exemplar after a sample that may have none, or one longer than 128 characters.
    case badExemplar
    /// The samples of one metric are not together.
    case scatteredMetric
    /// A series twice without a timestamp.
    case repeatedSeries
    /// Timestamps that decrease, or that only some samples of a metric have.
    case badTimestampOrder
    /// Buckets, count and sum that do not agree.
    case badHistogram
  }

  package let kind: Kind
  /// Counted from 1; for a missing end, the line after the last one.
  package let line: Int
  /// In bytes, counted from 1.
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
