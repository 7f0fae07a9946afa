// A quantile of the observations that a histogram counted within a window.
// Source: histogram_quantile of Prometheus (promql/quantile.go, bucketQuantile): linear within the
// bucket; the lowest bucket begins at 0, the open one counts as its lower bound.

/// The buckets of a classic histogram: upper bounds (`le`) and cumulative counts.
struct Histogram {
  private var counts: [Double: Double] = [:]

  /// Adds a bucket; buckets with the same bound are merged.
  mutating func add(bound: Double, count: Double) { counts[bound, default: 0] += count }

  /// The value below which this share of the observations lies.
  /// Example: 10 up to 1 s, 30 up to 2 s, 40 in all: the median (rank 20) is 1 + 10/20 = 1.5 s.
  /// Requires: 0...1.
  func quantile(_ share: Double) throws(Absence) -> Double {
    var buckets = counts.sorted { $0.key < $1.key }.map { (bound: $0.key, count: $0.value) }
    guard buckets.count >= 2, buckets.last?.bound == .infinity else { throw .badHistogram }
    // A page's buckets are not read at one instant: make the counts monotonic.
    for index in buckets.indices.dropFirst() {
      buckets[index].count = max(buckets[index].count, buckets[index - 1].count)
    }
    let last = buckets.count - 1
    let total = buckets[last].count
    guard total > 0 else { throw .noObservations }
    let rank = share * total
    let index = buckets.dropLast().firstIndex { $0.count >= rank } ?? last
    if index == last { return buckets[last - 1].bound }
    let upper = buckets[index].bound
    if index == 0 {
      return upper <= 0 ? upper : upper * (rank / max(buckets[0].count, .leastNormalMagnitude))
    }
    let lower = buckets[index - 1]
    let inside = buckets[index].count - lower.count
    guard inside > 0 else { return lower.bound }
    return lower.bound + (upper - lower.bound) * ((rank - lower.count) / inside)
  }
}
