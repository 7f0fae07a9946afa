import Primitives
import Testing

@testable import Balancer

@Suite struct RetryBudgetTests {
  /// A pool under a retry storm: every request fails and would be retried up to `each` times.
  private struct Storm {
    var requests: UInt64 = 0
    var retries: UInt64 = 0
    var refused = 0

    mutating func run(
      _ budgets: inout [RetryBudget], from start: Double, seconds: Double, rate: Double,
      each: Int = 2
    ) {
      let count = Int(seconds * rate)
      for index in 0..<count {
        let now = Nanoseconds.seconds(start + Double(index) / rate)
        let worker = index % budgets.count
        requests += 1
        for _ in 0..<each {
          if budgets[worker].isDue(now: now) {
            budgets[worker].observe(now: now, requests: requests, retries: retries)
          }
          guard budgets[worker].covers else {
            refused += 1
            break
          }
          retries += 1
          budgets[worker].withdraw()
        }
      }
    }
  }

  @Test(arguments: [1, 4, 16])
  func aStormGetsAFifthOfItsRequestsAndThreeASecondHoweverManyWorkers(workers: Int) {
    var budgets = [RetryBudget](
      repeating: RetryBudget(ratio: 0.2, perSecond: 3), count: workers)
    var storm = Storm()
    storm.run(&budgets, from: 0, seconds: 60, rate: 1_000)
    // 60 s × (200 + 3) retries, and 30 at the start.
    let expected = 60.0 * 203 + 30
    #expect(abs(Double(storm.retries) / expected - 1) < 0.1, "\(storm.retries) of \(expected)")
    #expect(storm.refused > 0)
  }

  @Test func aQuietPoolHasThreeASecond() {
    var budgets = [RetryBudget(ratio: 0, perSecond: 3)]
    var storm = Storm()
    storm.run(&budgets, from: 0, seconds: 100, rate: 50)
    #expect(abs(Int(storm.retries) - 330) <= 10, "\(storm.retries)")
  }

  @Test func whatIsNotUsedFadesToTenSecondsWorth() {
    var budget = RetryBudget(ratio: 0.2, perSecond: 3)
    budget.begin(now: .seconds(0), requests: 0, retries: 0)
    // The balance after an hour at 150 requests a second is 10 s × (30 + 3).
    budget.observe(now: .seconds(3600), requests: 540_000, retries: 0)
    var count = 0
    while budget.covers {
      budget.withdraw()
      count += 1
    }
    #expect(count == 330)
  }

  @Test func otherWorkersRetriesArePaidFromTheSameAccount() {
    var budget = RetryBudget(ratio: 0, perSecond: 3)
    budget.begin(now: .seconds(10), requests: 0, retries: 0)
    budget.observe(now: .seconds(10.01), requests: 100, retries: 40)
    #expect(!budget.covers)
    // The next sum includes this worker's retries, which are not paid for twice.
    var own = RetryBudget(ratio: 0, perSecond: 3)
    own.begin(now: .seconds(10), requests: 0, retries: 0)
    for _ in 0..<20 { own.withdraw() }
    own.observe(now: .seconds(10.01), requests: 100, retries: 20)
    #expect(own.covers)
  }

  @Test func nothingAndCountersThatFallGiveNothing() {
    var none = RetryBudget(ratio: 0, perSecond: 0)
    none.observe(now: .seconds(1), requests: 1_000_000, retries: 0)
    #expect(!none.covers)
    var budget = RetryBudget(ratio: 10, perSecond: 0)
    budget.begin(now: .seconds(0), requests: 1_000, retries: 1_000)
    budget.observe(now: .seconds(1), requests: 10, retries: 10)
    #expect(!budget.covers)
    // Counting continues from the new values.
    budget.observe(now: .seconds(2), requests: 20, retries: 10)
    #expect(budget.covers)
  }

  @Test func aReloadKeepsTheBalanceOfTheSameRules() {
    var used = RetryBudget(ratio: 0.2, perSecond: 3)
    while used.covers { used.withdraw() }
    var same = RetryBudget(ratio: 0.2, perSecond: 3)
    same.inherit(from: used)
    #expect(!same.covers)
    var other = RetryBudget(ratio: 0.5, perSecond: 3)
    other.inherit(from: used)
    #expect(other.covers)
  }
}

@Suite struct RetryRuleTests {
  @Test(
    arguments: [
      // No byte was sent: every request may be retried, within the limit and if it is kept.
      (RetryCause.unsent, false, true, 1, nil, #_sourceLocation),
      (.unsent, false, true, 0, .limit, #_sourceLocation),
      (.unsent, false, false, 1, .tooLarge, #_sourceLocation),
      // The request may have had its effect: only idempotent requests may be retried.
      (.cut, false, true, 2, .unsafe, #_sourceLocation),
      (.cut, true, true, 2, nil, #_sourceLocation),
      (.cut, true, false, 2, .tooLarge, #_sourceLocation),
      (.status, false, true, 2, .unsafe, #_sourceLocation),
      (.status, true, true, 2, nil, #_sourceLocation),
      (.status, true, true, 0, .limit, #_sourceLocation),
      (.timeout, false, true, 2, .unsafe, #_sourceLocation),
      (.timeout, true, true, 1, nil, #_sourceLocation),
    ] as [(RetryCause, Bool, Bool, Int, RetryRefusal?, SourceLocation)])
  func repeatsOnlyWhatIsSafe(
    cause: RetryCause, isIdempotent: Bool, isKept: Bool, left: Int, refusal: RetryRefusal?,
    at: SourceLocation
  ) {
    let found = RetryCase(
      cause, isIdempotent: isIdempotent, isKept: isKept, retriesLeft: left)
    #expect(found.refusal == refusal, sourceLocation: at)
    #expect(found.isCharged == (cause != .unsent), sourceLocation: at)
    #expect(found.mayReturn == (cause == .unsent || cause == .cut), sourceLocation: at)
  }
}

@Suite struct ReplayStoreTests {
  /// The bytes of a chain.
  private static func content(_ store: borrowing ReplayStore, _ replay: Replay) -> [UInt8] {
    var content: [UInt8] = []
    var cursor = store.chain(replay)
    while let place = cursor {
      content += place.bytes
      cursor = place.next
    }
    return content
  }

  @Test(arguments: [1, 7, 1_000, 16_368, 16_384, 50_000])
  func givesBackWhatItWasGivenInPiecesOfAnySize(piece: Int) {
    var store = ReplayStore(byteCountMax: 1 << 20)
    var replay = Replay()
    let bytes = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + piece)
      let isKept = bytes[start..<end].withUnsafeBytes { store.append($0, to: &replay) }
      #expect(isKept)
      start = end
    }
    #expect(Self.content(store, replay) == bytes)
    store.drop(&replay)
    #expect(Self.content(store, replay) == [])
  }

  @Test func keepsNoMoreThanTheWorkersShareAndGivesItBack() {
    var store = ReplayStore(byteCountMax: 4 * 16_384)
    let bytes = [UInt8](repeating: 7, count: 40_000)
    var (first, second) = (Replay(), Replay())
    #expect(bytes.withUnsafeBytes { store.append($0, to: &first) } == true)
    #expect(bytes.withUnsafeBytes { store.append($0, to: &second) } == false)
    store.drop(&second)
    store.drop(&first)
    #expect(bytes.withUnsafeBytes { store.append($0, to: &second) } == true)
    var none = ReplayStore(byteCountMax: 0)
    var replay = Replay()
    #expect(bytes.withUnsafeBytes { none.append($0, to: &replay) } == false)
  }
}

@Suite struct RetryPauseTests {
  @Test func doublesFromTwentyFiveMillisecondsAndEnds() {
    let least = [25, 50, 100, 200, 400, 800, 1600, 1600].map { Nanoseconds.milliseconds($0) }
    #expect((0..<8).map { RetryPause.length(after: $0, chance: 0) } == least)
    #expect(RetryPause.length(after: 127, chance: 0) == .milliseconds(1600))
  }

  @Test func differsByChanceAndIsNeverShorter() {
    let lengths = [0, 0.25, 0.5, 0.75, 0.999].map { RetryPause.length(after: 1, chance: $0) }
    #expect(lengths == lengths.sorted() && Set(lengths).count == lengths.count)
    #expect(lengths[0] == .milliseconds(50) && lengths[4] < .milliseconds(75))
  }
}
