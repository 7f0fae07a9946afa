import Primitives
import Testing

@testable import Events

// Macros cannot change what they look at.
private func admits(_ limiter: inout LineLimiter, _ message: String, _ now: Nanoseconds) -> Bool {
  limiter.admits(message, now: now)
}
private func ended(_ limiter: inout LineLimiter, _ now: Nanoseconds) -> [LineLimiter.Suppressed] {
  limiter.ended(now: now)
}

@Suite struct LineLimiterTests {
  private let second = Nanoseconds.seconds(1)

  @Test func aBurstPassesAndTheRestIsCounted() {
    var limiter = LineLimiter()
    let admitted = (0..<1_000).count { _ in limiter.admits("a", now: .zero) }
    #expect(admitted == LineLimiter.burstMax)
    let almost = LineLimiter.window - second
    #expect(ended(&limiter, almost).isEmpty)
    let left = 1_000 - LineLimiter.burstMax
    #expect(ended(&limiter, LineLimiter.window) == [.init(message: "a", count: left)])
    #expect(ended(&limiter, LineLimiter.window).isEmpty)
    #expect(admits(&limiter, "a", LineLimiter.window))
  }

  @Test func kindsDoNotDisturbEachOther() {
    var limiter = LineLimiter()
    for _ in 0..<100 { _ = limiter.admits("a", now: .zero) }
    #expect(admits(&limiter, "b", .zero))
  }

  @Test func aCalmKindIsNeverSuppressed() {
    var limiter = LineLimiter()
    var now = Nanoseconds.zero
    for _ in 0..<1_000 {
      #expect(admits(&limiter, "a", now))
      now = now + second
    }
    #expect(ended(&limiter, now + LineLimiter.window).isEmpty)
  }

  @Test func whatWasLostBeforeIsToldToo() {
    var limiter = LineLimiter()
    limiter.addLost("a", 7, now: .zero)
    limiter.addLost("a", 0, now: .zero)
    #expect(ended(&limiter, LineLimiter.window) == [.init(message: "a", count: 7)])
  }

  @Test func anyNumberOfKindsTakesBoundedMemory() {
    var limiter = LineLimiter()
    for number in 0..<10_000 { #expect(admits(&limiter, "kind \(number)", .zero)) }
    limiter.addLost("another", 5, now: .zero)
    #expect(ended(&limiter, LineLimiter.window).isEmpty)
  }
}
