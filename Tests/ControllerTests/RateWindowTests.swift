// Rates over pages that are refreshed more slowly than they are scraped, and over live ones.
import Controller
import Fleet
import Primitives
import Testing

@Suite struct SlowPageTests {
  /// The rates that a reader gives when it scrapes `interval` ± jitter apart a page that is
  /// refreshed every `refresh` seconds; the true counter is `count(seconds)`. Missing rates are nil.
  private static func rates(
    refresh: Double, interval: Double, jitter: Double = 0.1, seconds: Double, seed: UInt64 = 1,
    _ count: (Double) -> Double
  ) throws -> [(at: Double, rate: Double?, spacing: Double)] {
    var random = RandomSource(seed: seed)
    var reader = PageReader([SignalSpec("x", .rate(["c"]))])
    var rates: [(at: Double, rate: Double?, spacing: Double)] = []
    var now = 0.3
    while now < seconds {
      let shown = refresh > 0 ? (now / refresh).rounded(.down) * refresh : now
      let rate = try reader.read("c \(count(shown))\n", at: now)[0].value
      rates.append((now, rate, now - (rates.last?.at ?? now)))
      now += interval * (1 + jitter * (2 * random.unit() - 1))
    }
    return rates
  }

  @Test(arguments: [(0.0, 1.0), (2, 1), (2, 0.5), (3, 1), (10, 1), (60, 1), (60, 7)])
  func aSteadyCounterHasASteadyRateHoweverRarelyThePageIsRefreshed(
    refresh: Double, interval: Double
  ) throws {
    for seed in 1...12 as ClosedRange<UInt64> {
      let rates = try Self.rates(refresh: refresh, interval: interval, seconds: 600, seed: seed) {
        5 * $0
      }
      // Until the page was seen to change twice, nothing is known of its refreshes.
      for (at, rate, _) in rates where at > 3 * refresh + 2 * interval {
        let rate = try #require(rate)
        #expect(rate > 5 * 0.45 && rate < 5 * 1.6, "\(rate) at \(at), seed \(seed)")
      }
    }
  }

  @Test(arguments: [0.3, 1, 2, 5, 20])
  func requestsThatEndNowAndThenOnALivePageAreCountedOnce(meanGap: Double) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      var random = RandomSource(seed: seed)
      var ends: [Double] = []
      var ended = 0
      while ends.last ?? 0 < 3_600 {
        ends.append((ends.last ?? 0) + 2 * meanGap * random.unit())
      }
      let rates = try Self.rates(refresh: 0, interval: 1, seconds: 3_600, seed: seed) { now in
        while ended < ends.count, ends[ended] <= now { ended += 1 }
        return Double(ended)
      }
      let sum = rates.reduce(0) { $0 + ($1.rate ?? 0) * $1.spacing }
      #expect(abs(sum / Double(ends.count) - 1) < 0.15, "\(sum) of \(ends.count), seed \(seed)")
    }
  }

  @Test(arguments: [(0.0, 1.0), (2, 1), (2, 1.7), (60, 1), (60, 7)])
  func ratesTimesTheTimeBetweenPagesAddUpToTheCounter(refresh: Double, interval: Double) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      var random = RandomSource(seed: seed)
      // Bursts of work and pauses, some of them long.
      var steps: [(until: Double, perSecond: Double)] = []
      var end = 0.0
      while end < 3_600 {
        end += 200 * random.unit()
        steps.append((end, steps.count % 2 == 0 ? 20 * random.unit() : 0))
      }
      func count(_ seconds: Double) -> Double {
        var sum = 0.0
        var start = 0.0
        for step in steps {
          sum += max(0, min(seconds, step.until) - start) * step.perSecond
          start = step.until
        }
        return sum
      }
      let rates = try Self.rates(
        refresh: refresh, interval: interval, seconds: 3_600, seed: seed, count)
      let sum = rates.reduce(0) { $0 + ($1.rate ?? 0) * $1.spacing }
      #expect(abs(sum / count(3_600) - 1) < 0.15, "\(sum) of \(count(3_600)), seed \(seed)")
    }
  }

  @Test func aRateThatHoldsIsToldFromOneThatWasCounted() throws {
    var reader = PageReader([SignalSpec("x", .rate(["c"])), SignalSpec("y", .value(["g"]))])
    func held(_ count: Int, at second: Int) throws -> Set<Int> {
      try reader.whole("c \(count)\ng 1\n", at: Double(second)).held
    }
    // A counter that moves every third second.
    for second in 0...30 {
      let isHeld = try held(second / 3 * 6, at: second) == [0]
      if second > 12 { #expect(isHeld == (second % 3 != 0), "second \(second)") }
    }
    // It stops, and after a while its rate is no longer held.
    for second in 31...60 { _ = try held(60, at: second) }
    #expect(try held(60, at: 61) == [])
  }

  @Test func aLivePageThatStopsHasARateOfZeroAtOnce() throws {
    var reader = PageReader([SignalSpec("x", .rate(["c"]))])
    for second in 0...10 { _ = try reader.read("c \(second * 4)\n", at: Double(second)) }
    #expect(try reader.read("c 40\n", at: 11) == [.value(0)])
    // And is right at once after a pause.
    for second in 12...40 { #expect(try reader.read("c 40\n", at: Double(second)) == [.value(0)]) }
    #expect(try reader.read("c 47\n", at: 41) == [.value(7)])
  }

  @Test func aSlowPageThatStopsHasARateOfZeroSoonAfterItsNextRefresh() throws {
    var reader = PageReader([SignalSpec("x", .rate(["c"]))])
    for second in 0...300 { _ = try reader.read("c \(second / 60 * 120)\n", at: Double(second)) }
    #expect(try reader.read("c 600\n", at: 301) == [.value(2)])
    for second in 302...360 {
      #expect(try reader.read("c 600\n", at: Double(second)) == [.value(2)])
    }
    #expect(try reader.read("c 600\n", at: 361) == [.value(0)])
    // What comes after a pause came within one refresh, not since the last change.
    for second in 362..<480 { _ = try reader.read("c 600\n", at: Double(second)) }
    #expect(try reader.read("c 720\n", at: 480) == [.value(2)])
  }

  @Test func aResetOfASlowPageIsSeenThoughTheBaseIsOlder() throws {
    var reader = PageReader([SignalSpec("x", .rate(["c"]))])
    for second in 0...120 { _ = try reader.read("c \(second / 20 * 100)\n", at: Double(second)) }
    #expect(try reader.read("c 3\n", at: 121) == [.absent(.counterReset)])
    #expect(try reader.read("c 4\n", at: 122) == [.value(1)])
  }

  @Test func seriesThatVanishAndComeBackStartAnew() throws {
    var reader = PageReader([SignalSpec("x", .rate(["c"]))])
    _ = try reader.read("c 100\n", at: 0)
    #expect(try reader.read("c 101\n", at: 1) == [.value(1)])
    #expect(try reader.read("d 1\n", at: 2) == [.absent(.missing)])
    #expect(try reader.read("c 500\n", at: 3) == [.absent(.needsSecondSample)])
    #expect(try reader.read("c 502\n", at: 4) == [.value(2)])
  }
}
