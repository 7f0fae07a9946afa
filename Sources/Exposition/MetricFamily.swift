// What is said of one family of metrics, once and for good: on every page, and in the documents
// that are made from it.

/// A family: its name, its type, the labels of its samples and its words.
package struct MetricFamily: Sendable {
  /// The name on a page of the text format: a counter's ends in `_total`, an info's in `_info`.
  package let name: String
  package let type: MetricType
  /// The names of the labels that every sample has, `le` excepted.
  package let labels: [String]
  /// One line for the page.
  package let help: String
  /// For the documents, in Markdown; as the help where nothing else was given.
  package let meaning: String

  /// Requires: a classic name; of a counter one that ends in `_total`, of an info in `_info`;
  /// label names that are classic and differ.
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

  /// The base unit that the name ends with, or nil where it ends with none.
  package var unit: String? {
    if type == .info || type == .stateset { return nil }
    let base = openMetricsName
    return ["seconds", "bytes", "ratio"].first { base.hasSuffix("_" + $0) }
  }

  /// The name of the family in OpenMetrics, without what its samples have behind it.
  package var openMetricsName: String {
    let suffix = openMetricsSuffix
    return name.hasSuffix(suffix) ? String(name.dropLast(suffix.count)) : name
  }

  /// What the names of its samples have behind the family's name in OpenMetrics.
  var openMetricsSuffix: String {
    switch type {
    case .counter: "_total"
    case .info: "_info"
    case .gauge, .histogram, .gaugehistogram, .summary, .stateset, .unknown, .untyped: ""
    }
  }

  /// The type as the text format 0.0.4 knows it.
  var textType: String {
    switch type {
    case .counter, .gauge, .histogram, .summary, .untyped: type.rawValue
    case .info, .stateset: "gauge"
    case .gaugehistogram, .unknown: "untyped"
    }
  }

  /// The type as OpenMetrics knows it.
  var openMetricsType: String { type == .untyped ? "unknown" : type.rawValue }
}
