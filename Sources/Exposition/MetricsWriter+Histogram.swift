// Writes a histogram's lines. The part before `le` is written once and copied for the other
// buckets.

extension MetricsWriter {
  /// The text after the labels in each bucket's line.
  private static let durationBounds = texts(DurationHistogram.bounds)
  private static let shortBounds = texts(ShortHistogram.bounds)
  private static let bucketSuffix = Array("_bucket{".utf8)
  private static let sumSuffix = Array("_sum".utf8)
  private static let countSuffix = Array("_count".utf8)
  private static let exemplarHead = Array(" # {trace_id=\"".utf8)
  private static let exemplarMiddle = Array("\"} ".utf8)
  /// ` # {trace_id="`, 32 digits, `"} `, two numbers and a blank.
  private static let exemplarByteCount = 14 + 32 + 3 + 24 + 1 + 24

  private static func texts(_ bounds: [Double]) -> [[UInt8]] {
    (bounds + [.infinity]).map { Array("le=\"\(text($0))\"} ".utf8) }
  }

  /// Writes `_bucket` for each bound and for +Inf, cumulative, then `_sum` and `_count`.
  /// OpenMetrics also has `exemplars`, one for each bucket or none at all. Requires: a family of
  /// type histogram is open; no label is named `le`.
  package mutating func histogram(
    _ snapshot: HistogramSnapshot, _ labels: Labels = .none,
    exemplars: [TracedObservation?] = []
  ) {
    histogram(snapshot.buckets, Self.durationBounds, snapshot.sumSeconds, labels, exemplars)
  }

  /// The same for a histogram of short times.
  package mutating func histogram(_ snapshot: ShortHistogramSnapshot, _ labels: Labels = .none) {
    histogram(snapshot.buckets, Self.shortBounds, snapshot.sumSeconds, labels, [])
  }

  private mutating func histogram(
    _ buckets: [UInt64], _ bounds: [[UInt8]], _ sum: Double, _ labels: Labels,
    _ exemplars: [TracedObservation?]
  ) {
    precondition(familyType == .histogram, "not a histogram")
    precondition(exemplars.isEmpty || exemplars.count == buckets.count)
    let name = sampleName
    let hasExemplars = !exemplars.isEmpty && format == .openMetrics
    let lineByteCount = name.count + labels.text.count + Self.valueByteCount + 32
    let byteCount =
      lineByteCount * (buckets.count + 2)
      + (hasExemplars ? Self.exemplarByteCount * buckets.count : 0)
    page.write(atMost: byteCount) { cursor in
      cursor.put(name)
      cursor.put(Self.bucketSuffix)
      cursor.put(labels.text)
      if !labels.text.isEmpty { cursor.put(UInt8(ascii: ",")) }
      let headByteCount = cursor.position - cursor.first
      var cumulative: UInt64 = 0
      for (index, count) in buckets.enumerated() {
        if index > 0 { cursor.repeatFirst(headByteCount) }
        cumulative &+= count
        cursor.put(bounds[index])
        cursor.put(cumulative)
        if hasExemplars, let exemplar = exemplars[index] { Self.put(exemplar, &cursor) }
        cursor.put(UInt8(ascii: "\n"))
      }
      cursor.put(name)
      cursor.put(Self.sumSuffix)
      cursor.put(labels, .none)
      cursor.put(UInt8(ascii: " "))
      cursor.put(sum)
      cursor.put(UInt8(ascii: "\n"))
      cursor.put(name)
      cursor.put(Self.countSuffix)
      cursor.put(labels, .none)
      cursor.put(UInt8(ascii: " "))
      cursor.put(cumulative)
      cursor.put(UInt8(ascii: "\n"))
    }
  }

  /// Source: OpenMetrics 1.0, "Exemplars". Grafana looks for `trace_id`.
  private static func put(_ exemplar: TracedObservation, _ cursor: inout PageCursor) {
    guard exemplar.seconds.isFinite, exemplar.time.isFinite else { return }
    cursor.put(exemplarHead)
    cursor.putHex(exemplar.traceHigh)
    cursor.putHex(exemplar.traceLow)
    cursor.put(exemplarMiddle)
    cursor.put(exemplar.seconds)
    cursor.put(UInt8(ascii: " "))
    cursor.put(exemplar.time)
  }
}
