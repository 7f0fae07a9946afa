// The rules within one metric of type histogram or gaugehistogram: bounds and counts that increase,
// a bucket for all observations, and a count and a sum that agree with it.
// Source: OpenMetrics 1.0, "Histogram" and "GaugeHistogram".

/// The point of a histogram that is being read; a new group or timestamp begins another point.
struct OpenMetricsHistogram {
  private var group: [OpenMetricsSample.Label]?
  private var timestamp: Double?
  private var last: OpenMetricsSample?
  private var bound: Double?
  private var bucketValue = 0.0
  private var count: Double?
  private var sum: Double?
  private var isGauge = false
  private var hasNegativeBound = false

  /// Takes a sample of the family, in the order of the page.
  mutating func take(
    _ sample: OpenMetricsSample, _ suffix: String, group: [OpenMetricsSample.Label]
  ) throws(OpenMetricsError) {
    if group != self.group || sample.timestamp != timestamp {
      try close()
      self = OpenMetricsHistogram()
      self.group = group
      timestamp = sample.timestamp
    }
    last = sample
    switch suffix {
    case "_bucket":
      let next = sample.label(OpenMetricsFamily.le).flatMap(OpenMetricsFamily.bound) ?? .nan
      if next < 0 { hasNegativeBound = true }
      if let bound, !(next > bound) { throw sample.error(.badHistogram) }
      guard sample.value >= bucketValue else { throw sample.error(.badHistogram) }
      bound = next
      bucketValue = sample.value
    case "_count", "_gcount": count = sample.value
    case "_sum": sum = sample.value
    case "_gsum":
      sum = sample.value
      isGauge = true
    default: break
    }
  }

  /// Checks the last point, if there is one.
  func close() throws(OpenMetricsError) {
    guard let last else { return }
    let isGood =
      bound == .infinity && (count == nil) == (sum == nil)
      && (count == nil || count == bucketValue)
      && (sum == nil || isGauge || !hasNegativeBound)
      && (!isGauge || hasNegativeBound || sum.map { $0 >= 0 } ?? true)
    if !isGood { throw last.error(.badHistogram) }
  }
}
