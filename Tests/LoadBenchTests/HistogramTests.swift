import Primitives
import Testing

@testable import load_bench

@Suite struct HistogramTests {
  @Test func aMiddleIsNearAllThatIsInItsBucket() {
    var random = RandomSource(seed: 7)
    for _ in 0..<100_000 {
      let value = random.next() >> UInt64(22 + random.index(below: 42))
      let middle = LatencyHistogram.middle(LatencyHistogram.bucket(value))
      #expect(abs(middle - Double(value)) <= Double(value) * 0.004)
    }
  }

  @Test func bucketsFollowEachOther() {
    var last = -1
    for value in 0..<UInt64(100_000) {
      let bucket = LatencyHistogram.bucket(value)
      #expect(bucket == last || bucket == last + 1)
      last = bucket
    }
    #expect(LatencyHistogram.bucket(.max) == LatencyHistogram.bucketCount - 1)
    #expect(LatencyHistogram.bucket((1 << 42) - 1) == LatencyHistogram.bucketCount - 1)
  }

  @Test func quantilesAreThoseOfASortedList() {
    var histogram = LatencyHistogram()
    var random = RandomSource(seed: 3)
    var values: [Int64] = []
    for _ in 0..<20_000 {
      let value = Int64(1 / (1 - random.unit()) * 50_000)
      values.append(value)
      histogram.record(value)
    }
    values.sort()
    for ratio in [0.01, 0.5, 0.9, 0.99, 0.999, 1] {
      let exact = Double(values[Int((ratio * 20_000).rounded(.up)) - 1])
      #expect(abs(histogram.quantile(ratio) - exact) <= exact * 0.004)
    }
    #expect(histogram.largest == values.last)
    histogram.clear()
    #expect(histogram.count == 0 && histogram.quantile(0.5) == 0 && histogram.mean == 0)
  }

  @Test func whatIsBelowZeroCountsAsZero() {
    var histogram = LatencyHistogram()
    histogram.record(-5)
    #expect(histogram.count == 1 && histogram.quantile(1) == 0 && histogram.mean == 0)
  }
}
