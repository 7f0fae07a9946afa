// Counts of durations in log-linear buckets, 128 an octave, so that a quantile is at most 0.4 %
// away from a value that occurred (HdrHistogram's layout; Tene 2012).
// HOT PATH: no allocation, no lock, no existential, no clock.

struct LatencyHistogram: ~Copyable {
  /// 2^7 buckets an octave.
  private static let precision = 7
  /// Durations from 2^42 ns (73 min) on count as that.
  private static let octaves = 42
  static let bucketCount = (octaves - precision + 1) << precision

  private let counts: UnsafeMutablePointer<UInt64>
  private(set) var count = 0
  private var sum: UInt64 = 0
  private(set) var largest: Int64 = 0

  init() {
    counts = .allocate(capacity: Self.bucketCount)
    counts.initialize(repeating: 0, count: Self.bucketCount)
  }

  deinit { counts.deallocate() }

  /// Counts a duration in nanoseconds; a negative one as 0.
  mutating func record(_ nanoseconds: Int64) {
    let value = max(0, nanoseconds)
    counts[Self.bucket(UInt64(value))] += 1
    count += 1
    sum &+= UInt64(value)
    largest = max(largest, value)
  }

  mutating func clear() {
    counts.update(repeating: 0, count: Self.bucketCount)
    count = 0
    sum = 0
    largest = 0
  }

  /// Nanoseconds; 0 where nothing was counted.
  var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }

  /// The value that so much of all is not above, 0...1, in nanoseconds; 0 where nothing was
  /// counted. Never more than the largest.
  func quantile(_ ratio: Double) -> Double {
    guard count > 0 else { return 0 }
    let rank = max(1, UInt64((ratio * Double(count)).rounded(.up)))
    var seen: UInt64 = 0
    for bucket in 0..<Self.bucketCount {
      seen += counts[bucket]
      if seen >= rank { return min(Self.middle(bucket), Double(largest)) }
    }
    return Double(largest)
  }

  /// Example: 1 000 = 0b1111101000 has 3 bits more than 7: octave 3, (1000 >> 2) − 128 = 122 of
  /// it, bucket 3 × 128 + 122.
  static func bucket(_ value: UInt64) -> Int {
    let linear = UInt64(1) << UInt64(precision)
    if value < linear { return Int(value) }
    let exponent = min(63 - value.leadingZeroBitCount, octaves - 1)
    let shift = UInt64(exponent - precision)
    let part = min(value >> shift, 2 * linear - 1)
    return (exponent - precision) << precision + Int(part)
  }

  static func middle(_ bucket: Int) -> Double {
    let linear = 1 << precision
    if bucket < 2 * linear { return Double(bucket) }
    let shift = UInt64(bucket >> precision - 1)
    let part = UInt64(bucket & (linear - 1) + linear)
    return Double(part << shift) + Double(UInt64(1) << shift - 1) / 2
  }
}
