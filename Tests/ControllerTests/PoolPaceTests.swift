import Primitives
import Testing

@testable import Controller

@Suite struct PoolPaceTests {
  /// The number of computations in so many seconds of ticks a tenth of a second apart.
  private static func count(
    _ pace: inout PoolPace, from begin: Double, seconds: Double, started: UInt64 = 0,
    isBusy: Bool = false
  ) -> Int {
    var count = 0
    for tick in 0..<Int((seconds * 10).rounded()) {
      let now = Nanoseconds.seconds(begin + Double(tick) / 10)
      if pace.due(now: now, started: started, isBusy: isBusy) != nil { count += 1 }
    }
    return count
  }

  @Test func aPoolInWhichNothingHappensIsComputedAboutOnceASecond() {
    var pace = PoolPace()
    #expect(Self.count(&pace, from: 10, seconds: 2) == 20)
    #expect((10...12).contains(Self.count(&pace, from: 12, seconds: 10)))
  }

  @Test func requestsAndMovesBringItBackAtOnce() {
    var pace = PoolPace()
    _ = Self.count(&pace, from: 10, seconds: 8.55)
    #expect(pace.due(now: .seconds(18.6), started: 0, isBusy: false) == nil)
    #expect(pace.due(now: .seconds(18.7), started: 1, isBusy: false) == .seconds(0.1))
    // A request that came and went counts for two seconds.
    #expect(Self.count(&pace, from: 18.8, seconds: 1.8, started: 1) == 18)
    _ = Self.count(&pace, from: 20.6, seconds: 3, started: 1)
    #expect(Self.count(&pace, from: 23.6, seconds: 3, started: 1, isBusy: true) == 30)
    _ = Self.count(&pace, from: 26.6, seconds: 4, started: 1)
    pace.noteMove(now: .seconds(30.6))
    #expect(Self.count(&pace, from: 30.7, seconds: 1.8, started: 1) == 18)
  }

  @Test func aTouchBringsItBackToo() {
    var pace = PoolPace()
    _ = Self.count(&pace, from: 10, seconds: 8.55)
    #expect(pace.due(now: .seconds(18.6), started: 0, isBusy: false) == nil)
    pace.isTouched = true
    #expect(pace.due(now: .seconds(18.7), started: 0, isBusy: false) != nil)
    #expect(Self.count(&pace, from: 18.8, seconds: 1.8) == 18)
  }

  @Test func aComputationCountsTheTimeSinceTheLastOne() {
    var pace = PoolPace()
    #expect(pace.due(now: .seconds(1), started: 0, isBusy: true) == .zero)
    #expect(pace.due(now: .seconds(1.5), started: 0, isBusy: true) == .seconds(0.5))
    #expect(Self.count(&pace, from: 1.6, seconds: 1.85) == 19)
    #expect(pace.due(now: .seconds(3.6), started: 0, isBusy: false) == nil)
    #expect(pace.due(now: .seconds(4.4), started: 0, isBusy: false) == .seconds(1))
  }
}
