// Buckets for the number of requests in flight: one for each number up to 16, then four an octave,
// so that a few cells are enough to learn how durations grow with it.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Maps a number of requests in flight to its bucket.
public enum OccupancyBucket {
  /// The number of buckets. The last one takes all numbers above 112.
  public static let count = 28

  /// The bucket of `occupancy`, 0..<count: 1 → 0, 16 → 15, 17…20 → 16, 21…24 → 17.
  @inlinable public static func of(_ occupancy: Int) -> Int {
    if occupancy <= 16 { return max(0, occupancy - 1) }
    // Octave (16, 32] in steps of 4, (32, 64] in steps of 8, …
    let above = occupancy - 1
    let octave = Int.bitWidth - 1 - above.leadingZeroBitCount
    return min(count - 1, 16 + (octave - 4) * 4 + (above >> (octave - 2)) & 3)
  }

  /// The mean of a bucket's numbers; for the last bucket its lower bound.
  public static func middle(_ bucket: Int) -> Double {
    if bucket < 16 { return Double(bucket + 1) }
    let octave = 4 + (bucket - 16) / 4
    let step = 1 << (octave - 2)
    let first = (1 << octave) + (bucket - 16) % 4 * step + 1
    return Double(first) + Double(step - 1) / 2
  }

  /// The position of an endpoint's bucket in a block of counts and sums: the count, then the sum.
  @inlinable public static func index(_ endpointIndex: Int, _ bucket: Int) -> Int {
    (endpointIndex * count + bucket) * 2
  }
}
