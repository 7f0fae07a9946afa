// Every family that /metrics may show. Nothing else is exported: a page opens families by their
// entries here, docs/metrics.md is made from them (`steelyard metrics --markdown`).
// To add one: a `static let` and a place in its section's list (Catalogue+*.swift), then
// `writer.open(.thatName)` where its samples are written, then `make docs`. A test compares the
// catalogue with a page, type by type and label by label.
package import Exposition

/// Families that belong together.
struct MetricSection {
  let title: String
  /// The Markdown text before the table; may be empty.
  let text: String
  let families: [MetricFamily]

  init(_ title: String, text: String = "", _ families: [MetricFamily]) {
    self.title = title
    self.text = text
    self.families = families
  }
}

/// All sections.
package enum Catalogue {
  /// The sections, in the order of the document.
  static let sections: [MetricSection] = [
    .traffic, .failures, .clients, .queues, .weights, .demand, .thresholds, .signals, .discovery,
    .tls, .http2, .shared, .accessLog, .events, .admin, .configuration, .process,
  ]

  /// Every family, section by section.
  package static var families: [MetricFamily] { sections.flatMap(\.families) }
}
