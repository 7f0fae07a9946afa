// The types of metric families in the text format 0.0.4 and in OpenMetrics 1.0.

/// The type in a `# TYPE` line.
public enum MetricType: String, CaseIterable, Sendable {
  case counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown, untyped
}
