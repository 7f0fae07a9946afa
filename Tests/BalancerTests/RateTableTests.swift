import Balancer
import Fleet
import IO
import Primitives
import Synchronization
import Testing

private func rule(_ count: Int, per period: RateLimit.Period, burst: Int) -> RateRule {
  RateRule(RateLimit(key: .all, rate: .init(count, per: period), burst: burst))
}

@Suite struct RateTableTests {
  @Test func givesABurstThenTheRateExactly() {
    let table = RateTable(keysMax: 64, workerCount: 1)
    let rule = rule(10, per: .second, burst: 3)
    func take(_ milliseconds: Int) -> Nanoseconds? {
      table.take(7, rule, now: .seconds(100) + .milliseconds(milliseconds), worker: 0)
    }
    #expect([take(0), take(0), take(0)] == [nil, nil, nil])
    #expect(take(0) == .milliseconds(100))
    #expect(take(60) == .milliseconds(40))
    #expect(take(100) == nil)
    #expect(take(100) == .milliseconds(100))
    // After 300 ms the bucket is full again, and never fuller.
    #expect((0..<4).map { _ in take(10_000) == nil } == [true, true, true, false])
  }

  @Test(arguments: [
    (1, RateLimit.Period.second, 1), (10, .second, 20), (600, .minute, 5), (7, .hour, 2),
    (1_000_000, .second, 1_000),
  ])
  func neverAllowsMoreThanRateTimesTimePlusBurst(
    count: Int, period: RateLimit.Period, burst: Int
  ) {
    let table = RateTable(keysMax: 64, workerCount: 1)
    let rule = rule(count, per: period, burst: burst)
    var random = RandomSource(seed: UInt64(count))
    let interval = period.duration.rawValue / Int64(count)
    let start = Nanoseconds.seconds(1_000)
    var now = start
    var allowed = 0
    for _ in 0..<20_000 {
      now = now + Nanoseconds(Int64(random.index(below: Int(interval))))
      if table.take(1, rule, now: now, worker: 0) == nil { allowed += 1 }
    }
    let entitled = Double((now - start).rawValue) / Double(interval) + Double(burst)
    #expect(Double(allowed) <= entitled)
    // Requests come twice as fast as allowed: most tokens are used, and nearly all with a burst.
    #expect(Double(allowed) >= entitled * (burst == 1 ? 0.7 : 0.99) - Double(burst) - 2)
  }

  @Test func keysDoNotTouchEachOther() {
    let table = RateTable(keysMax: 4_096, workerCount: 1)
    let rule = rule(1, per: .second, burst: 2)
    var random = RandomSource(seed: 5)
    let keys = (0..<1_000).map { _ in random.next() }
    for _ in 0..<2 {
      for key in keys { #expect(table.take(key, rule, now: .seconds(10), worker: 0) == nil) }
    }
    let refused = keys.filter { table.take($0, rule, now: .seconds(10), worker: 0) != nil }
    // A set of eight may have had a ninth key; the bucket nearest to full was then replaced.
    #expect(refused.count >= 1_000 - Int(table.count(.forgotten)) * 2)
    #expect(refused.count > 990)
  }

  @Test func aTokenGivenBackCanBeTakenAgain() {
    let table = RateTable(keysMax: 64, workerCount: 1)
    let rule = rule(1, per: .hour, burst: 1)
    #expect(table.take(3, rule, now: .seconds(10), worker: 0) == nil)
    #expect(table.take(3, rule, now: .seconds(10), worker: 0) != nil)
    table.giveBack(3, rule)
    #expect(table.take(3, rule, now: .seconds(10), worker: 0) == nil)
  }

  @Test func aFloodOfAMillionKeysFreesNobodyWhoIsAtTheLimit() {
    let table = RateTable(keysMax: 4_096, workerCount: 1)
    #expect(table.setCount * 8 == 4_096)
    let rule = rule(1, per: .minute, burst: 10)
    let now = Nanoseconds.seconds(50)
    var random = RandomSource(seed: 9)
    let limited = (0..<100).map { _ in random.next() }
    for key in limited {
      for _ in 0..<10 { #expect(table.take(key, rule, now: now, worker: 0) == nil) }
      #expect(table.take(key, rule, now: now, worker: 0) != nil)
    }
    // Every key of the flood is new and within its own limit, so it is allowed.
    for _ in 0..<1_000_000 { #expect(table.take(random.next(), rule, now: now, worker: 0) == nil) }
    #expect(table.count(.forgotten) > 900_000)
    for key in limited { #expect(table.take(key, rule, now: now, worker: 0) != nil) }
  }

  @Test func bucketsThatAreFullAgainAreReusedAtNoLoss() {
    let table = RateTable(keysMax: 4_096, workerCount: 1)
    let rule = rule(10, per: .second, burst: 1)
    var random = RandomSource(seed: 2)
    // 2 000 new keys a second, each full again after 100 ms, are 200 at a time.
    for step in 0..<100_000 {
      let now = Nanoseconds.seconds(1) + Nanoseconds(Int64(step) * 500_000)
      _ = table.take(random.next(), rule, now: now, worker: 0)
    }
    #expect(table.count(.forgotten) == 0)
  }

  @Test func twoThreadsTogetherGetNoMoreThanOne() throws {
    let table = RateTable(keysMax: 64, workerCount: 2)
    let rule = rule(1_000, per: .second, burst: 50)
    let allowed = Atomic<Int>(0)
    let start = Clock.now
    let end = start + .milliseconds(500)
    try withTwoThreads { worker in
      var own = 0
      while true {
        let now = Clock.now
        if now >= end { break }
        if table.take(42, rule, now: now, worker: worker) == nil { own += 1 }
      }
      allowed.add(own, ordering: .relaxed)
    }
    let count = allowed.load(ordering: .relaxed)
    #expect(count <= 500 + 50 + 2, "\(count)")
    #expect(count >= 300, "\(count)")
  }

  @Test func twoThreadsThatMakeTheSameBucketsShareThem() throws {
    // Both threads race to create each of 20 000 keys with one token.
    let table = RateTable(keysMax: 65_536, workerCount: 2)
    let rule = rule(1, per: .hour, burst: 1)
    let allowed = Atomic<Int>(0)
    let keyCount = 20_000
    try withTwoThreads { worker in
      var random = RandomSource(seed: 77)
      var own = 0
      for _ in 0..<keyCount
      where table.take(random.next(), rule, now: .seconds(9), worker: worker) == nil { own += 1 }
      allowed.add(own, ordering: .relaxed)
    }
    let count = allowed.load(ordering: .relaxed)
    #expect(count >= keyCount)
    #expect(count <= keyCount + 20 + Int(table.count(.forgotten)), "\(count)")
  }
}

/// Runs the body on two threads with the numbers 0 and 1, and waits for both.
func withTwoThreads(_ body: @escaping @Sendable (Int) -> Void) throws {
  let threads = try (0..<2).map { number in
    try ThreadHandle.start(name: "thread-\(number)") { body(number) }
  }
  for thread in threads { thread.join() }
}
