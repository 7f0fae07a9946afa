import Events
import Primitives
import Testing

// Macros cannot change what they look at.
private func admits(_ limiter: inout RepeatLimiter<String>, _ key: String, _ now: Nanoseconds)
  -> Bool
{
  limiter.admits(key, now: now)
}
private func due(_ limiter: inout RepeatLimiter<String>, _ now: Nanoseconds) -> [String] {
  limiter.due(now: now).map { "\($0.key) \($0.count)" }.sorted()
}

@Suite struct RepeatLimiterTests {
  private let window = RepeatLimiter<String>.window

  @Test func theFirstIsSaidAndTheRestIsCounted() {
    var limiter = RepeatLimiter<String>()
    #expect(admits(&limiter, "a", .zero))
    #expect(!admits(&limiter, "a", .seconds(1)))
    #expect(admits(&limiter, "b", .seconds(1)))
    #expect(!admits(&limiter, "a", .seconds(2)))
    #expect(due(&limiter, window - .seconds(1)) == [])
    #expect(due(&limiter, window) == ["a 2"])
    // The next window begins with that line.
    #expect(!admits(&limiter, "a", window))
    #expect(due(&limiter, window + window) == ["a 1"])
  }

  @Test func whatDoesNotComeAgainIsForgotten() {
    var limiter = RepeatLimiter<String>()
    #expect(admits(&limiter, "a", .zero))
    #expect(due(&limiter, window) == [])
    #expect(admits(&limiter, "a", window))
  }

  @Test func noMoreKeysAreRememberedThanThereIsRoomFor() {
    var limiter = RepeatLimiter<String>()
    let max = RepeatLimiter<String>.keysMax
    for key in 0..<max { #expect(admits(&limiter, "\(key)", .zero)) }
    #expect(admits(&limiter, "more", .zero))
    #expect(admits(&limiter, "more", .zero))
    #expect(!admits(&limiter, "0", .zero))
  }
}
