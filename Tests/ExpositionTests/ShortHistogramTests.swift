import Exposition
import Primitives
import Testing

@Suite struct ShortHistogramTests {
  @Test func aTimeCountsInTheFirstBucketWhoseBoundItIsNotAbove() {
    let cells = CellBlock(count: ShortHistogram.cellCount + 3)
    var times: [Int64] = [0, 1, 24_999]
    for bound in ShortHistogram.bounds {
      let nanoseconds = Int64((bound * 1e9).rounded())
      times += [nanoseconds - 1, nanoseconds, nanoseconds + 1]
    }
    times += [5_000_000_001, 3_600_000_000_000]
    var expected = [UInt64](repeating: 0, count: ShortHistogram.bucketCount)
    for time in times {
      ShortHistogram.observe(Nanoseconds(time), in: cells, at: 3)
      let bucket = ShortHistogram.bounds.firstIndex { time <= Int64(($0 * 1e9).rounded()) }
      expected[bucket ?? ShortHistogram.bounds.count] += 1
    }
    let snapshot = ShortHistogram.snapshot(of: [cells], at: 3)
    #expect(snapshot.buckets == expected)
    #expect(snapshot.count == UInt64(times.count))
    #expect(abs(snapshot.sumSeconds - Double(times.reduce(0, +)) / 1e9) < 1e-6)
  }

  @Test func aNegativeTimeCountsAsNone() {
    let cells = CellBlock(count: ShortHistogram.cellCount)
    ShortHistogram.observe(Nanoseconds(-5), in: cells, at: 0)
    let snapshot = ShortHistogram.snapshot(of: [cells], at: 0)
    #expect(snapshot.buckets.first == 1 && snapshot.sumSeconds == 0)
  }

  @Test func workersAreSummed() {
    let blocks = (0..<3).map { _ in CellBlock(count: ShortHistogram.cellCount) }
    for block in blocks { ShortHistogram.observe(.milliseconds(2), in: block, at: 0) }
    let snapshot = ShortHistogram.snapshot(of: blocks, at: 0)
    #expect(snapshot.count == 3 && abs(snapshot.sumSeconds - 0.006) < 1e-12)
  }
}
