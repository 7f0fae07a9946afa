import Primitives
import Testing

@testable import Exposition

@Suite struct DurationHistogramTests {
  /// Durations of every size, from 0 to a day, and the edges of every bucket.
  private static let durations: [Int64] = {
    var random = RandomSource(seed: 9)
    var all = DurationHistogram.bounds.flatMap { bound in
      let nanoseconds = Int64((bound * 1e9).rounded())
      return [nanoseconds - 1, nanoseconds, nanoseconds + 1]
    }
    for exponent in 14...42 {
      for eighth in 8..<16 {
        let edge = Int64(eighth) << Int64(exponent - 3)
        all += [edge - 1, edge, edge + 1]
      }
    }
    all += [0, 1, .max]
    for _ in 0..<5000 { all.append(Int64(random.next() >> (17 + random.next() % 46))) }
    return all
  }()

  private func observed(_ durations: [Int64], base: Int = 0) -> CellBlock {
    let cells = CellBlock(count: base + DurationHistogram.cellCount)
    for duration in durations {
      DurationHistogram.observe(Nanoseconds(duration), in: cells, at: base)
    }
    return cells
  }

  @Test func bucketsCountAsTheNaiveModelDoes() {
    let durations = Self.durations.filter { $0 != .max }
    let snapshot = DurationHistogram.snapshot(of: [observed(durations)], at: 0)
    let bounds = DurationHistogram.bounds.map { Int64(($0 * 1e9).rounded()) }
    let expected = bounds.map { bound in UInt64(durations.count { $0 <= bound }) }
    #expect(snapshot.cumulativeBuckets == expected + [UInt64(durations.count)])
    #expect(snapshot.count == UInt64(durations.count))
    #expect(snapshot.fine.reduce(0, +) == snapshot.count)
    let sum = durations.reduce(0.0) { $0 + Double($1) / 1e9 }
    #expect(abs(snapshot.sumSeconds - sum) <= sum * 1e-9)
  }

  @Test func everyDurationFallsIntoAFineBucketNearIt() {
    for duration in Self.durations {
      let index = DurationHistogram.fineIndex(UInt64(duration))
      #expect((0..<DurationHistogram.fineCount).contains(index))
      guard duration >= 64_000, duration < 2_000_000_000_000 else { continue }
      let seconds = Double(duration) / 1e9
      #expect(abs(DurationHistogram.fineMiddle(index) - seconds) <= 0.0626 * seconds)
    }
    #expect(DurationHistogram.fineIndex(0) == 0)
    #expect(DurationHistogram.fineIndex(1_000_000) == 39)
    #expect(DurationHistogram.fineIndex(.max) == DurationHistogram.fineCount - 1)
    #expect(DurationHistogram.fineMiddle(DurationHistogram.fineCount - 1) > 1200)
  }

  @Test func quantilesAreWithinSevenPercent() throws {
    var random = RandomSource(seed: 21)
    for round in 0..<40 {
      let count = 1 + random.index(below: 2000)
      let durations = (0..<count).map { _ in
        let octave = Double(16 + random.index(below: 24)) + random.unit()
        return Int64(Double(sign: .plus, exponent: Int(octave), significand: 1 + random.unit()))
      }.sorted()
      let snapshot = DurationHistogram.snapshot(of: [observed(durations)], at: 0)
      for q in [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1] {
        let rank = max(1, Int((q * Double(count)).rounded(.up)))
        let exact = Double(durations[rank - 1]) / 1e9
        let found = try #require(snapshot.quantile(q))
        #expect(abs(found - exact) <= 0.07 * exact, "round \(round) q \(q)")
      }
    }
  }

  @Test func quantilesOfNothingAndOfNonsense() {
    #expect(HistogramSnapshot().quantile(0.5) == nil)
    let one = DurationHistogram.snapshot(of: [observed([1_000_000])], at: 0)
    #expect(one.quantile(.nan) == nil)
    #expect(one.quantile(-3) == one.quantile(1))
    #expect(one.quantile(.infinity) == one.quantile(0.5))
  }

  @Test func aNegativeDurationCountsAsNone() {
    let snapshot = DurationHistogram.snapshot(of: [observed([-5, .min, 0])], at: 0)
    #expect(snapshot.buckets[0] == 3 && snapshot.sumSeconds == 0)
  }

  @Test func blocksAreSummedAndTheBaseIsKept() {
    let blocks = [observed([1_000_000], base: 3), observed([2_000_000_000, 4], base: 3)]
    let snapshot = DurationHistogram.snapshot(of: blocks, at: 3)
    #expect(snapshot.count == 3)
    #expect(abs(snapshot.sumSeconds - 2.001000004) < 1e-12)
    #expect((0..<3).allSatisfy { blocks[0][$0] == 0 })
    #expect(DurationHistogram.snapshot(of: [], at: 3) == HistogramSnapshot())
  }

  @Test func bucketsAloneAreTheSameWithoutQuantiles() {
    let blocks = [observed([1_000_000], base: 3), observed([2_000_000_000, 4], base: 3)]
    let whole = DurationHistogram.snapshot(of: blocks, at: 3)
    let alone = DurationHistogram.buckets(of: blocks, at: 3)
    #expect(alone.buckets == whole.buckets && alone.sumSeconds == whole.sumSeconds)
    #expect(alone.quantile(0.5) == nil && whole.quantile(0.5) != nil)
  }

  @Test func theDifferenceOfTwoSnapshotsIsWhatCameBetween() {
    let early = [Int64](Self.durations.prefix(900)).filter { $0 < 1 << 45 }
    let late = [Int64](Self.durations.suffix(700))
    let cells = observed(early)
    let before = DurationHistogram.snapshot(of: [cells], at: 0)
    for duration in late { DurationHistogram.observe(Nanoseconds(duration), in: cells, at: 0) }
    let difference = DurationHistogram.snapshot(of: [cells], at: 0).since(before)
    let alone = DurationHistogram.snapshot(of: [observed(late)], at: 0)
    #expect(difference.buckets == alone.buckets && difference.fine == alone.fine)
    #expect(abs(difference.sumSeconds - alone.sumSeconds) <= alone.sumSeconds * 1e-6)
    #expect(before.since(before) == HistogramSnapshot())
    #expect(HistogramSnapshot().since(before) == HistogramSnapshot())
  }

  @Test func theBoundsAreTheOnesThatTheCodeCompares() {
    #expect(DurationHistogram.bounds.count == DurationHistogram.bucketCount - 1)
    for (index, bound) in DurationHistogram.bounds.enumerated() {
      let nanoseconds = UInt64((bound * 1e9).rounded())
      #expect(DurationHistogram.bucketIndex(nanoseconds) == index)
      #expect(DurationHistogram.bucketIndex(nanoseconds + 1) == index + 1)
    }
  }
}
