// The types of a metric family, of the text format 0.0.4 and of OpenMetrics 1.0.

/// What a `# TYPE` line says.
public enum MetricType: String, CaseIterable, Sendable {
  case counter, gauge, histogram, gaugehistogram, summary, info, stateset, unknown, untyped
}
