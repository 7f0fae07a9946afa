// The metadata of a metric family, defined once for all pages and for the documents made from it.

/// A family: its name, its type, the labels of its samples and its descriptions.
package struct MetricFamily: Sendable {
  /// The name on a page of the text format: a counter's ends in `_total`, an info's in `_info`.
  package let name: String
  package let type: MetricType
  /// The names of the labels that every sample has, except `le`.
  package let labels: [String]
  /// One line for the page.
  package let help: String
  /// The text for documents, in Markdown; `help` unless given.
  package let meaning: String

  /// Requires: a classic name, for a counter one that ends in `_total`, for an info in `_info`;
  /// label names that are classic and distinct.
  package init(
    _ name: String, _ type: MetricType, _ labels: [String] = [], help: String,
    meaning: String? = nil
  ) {
    precondition(MetricsWriter.isMetricName(name), "not a metric name")
    precondition(labels.allSatisfy(Labels.isLabelName) && Set(labels).count == labels.count)
    self.name = name
    self.type = type
    self.labels = labels
    self.help = help
    self.meaning = meaning ?? (help.hasSuffix(".") ? String(help.dropLast()) : help)
  }

  /// The base unit at the end of the name; nil: there is none.
  package var unit: String? {
    if type == .info || type == .stateset { return nil }
    let base = openMetricsName
    return ["seconds", "bytes", "ratio"].first { base.hasSuffix("_" + $0) }
  }

  /// The name of the family in OpenMetrics, without the suffix of its samples.
  package var openMetricsName: String {
    let suffix = openMetricsSuffix
    return name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name
  }

  /// The suffix that the names of its samples have in OpenMetrics.
  var openMetricsSuffix: String {
    switch type {
    case .counter: "_total"
    case .info: "_info"
    case .gauge, .histogram, .gaugehistogram, .summary, .stateset, .unknown, .untyped: ""
    }
  }

  /// The type in the text format 0.0.4.
  var textType: String {
    switch type {
    case .counter, .gauge, .histogram, .summary, .untyped: type.rawValue
    case .info, .stateset: "gauge"
    case .gaugehistogram, .unknown: "untyped"
    }
  }

  /// The type in OpenMetrics.
  var openMetricsType: String { type == .untyped ? "unknown" : type.rawValue }
}
