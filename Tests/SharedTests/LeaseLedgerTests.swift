import Balancer
import Primitives
import Shared
import Testing

/// The store as the script of `LeaseScript` keeps it.
private struct Store {
  let rule: LeaseRule
  var fullAt = Nanoseconds.zero

  mutating func settle(_ claim: LeaseClaim, now: Nanoseconds) -> LeaseAnswer {
    let answer = rule.settle(fullAt: fullAt, charge: claim.charge, ask: claim.ask, now: now)
    fullAt = now + answer.untilFull
    return answer
  }
}

/// One replica with one key.
private struct Replica {
  let table = SharedTable(keysMax: 64, workerCount: 1, firstWait: .seconds(1))
  var ledger: LeaseLedger
  /// Answers that are on their way, with their time.
  var answers: [(time: Nanoseconds, claim: LeaseClaim, answer: LeaseAnswer?)] = []
  var roundAt: Nanoseconds
  var admitted = 0
  static let tag: UInt64 = 7

  init(_ rule: LeaseRule, replicas: Int, roundAt: Nanoseconds) {
    ledger = LeaseLedger(rule)
    table.setShare(rule.lease(replicas: replicas))
    self.roundAt = roundAt
  }

  mutating func take() -> Bool {
    guard table.take(Self.tag, worker: 0) == nil else { return false }
    admitted += 1
    return true
  }

  /// Answers that have come, and the round if it is due.
  mutating func turn(
    _ store: inout Store, now: Nanoseconds, _ around: LeaseLedger.Surroundings,
    delay: Nanoseconds, isLost: Bool = false
  ) {
    while let first = answers.first, first.time <= now {
      answers.removeFirst()
      if let answer = first.answer {
        if let update = ledger.settle(first.claim, answer, now: now, around) { apply(update) }
      } else {
        ledger.lose(first.claim, now: now)
      }
    }
    guard now >= roundAt, answers.isEmpty else { return }
    roundAt = now + .milliseconds(100)
    var tags = Set(ledger.due(now: now))
    table.takeMarked { tag, _ in tags.insert(tag) }
    for tag in tags {
      let bucket = table.bucket(of: tag)
      switch ledger.look(tag, bucket, now: now, around) {
      case .nothing: break
      case .forget: if let bucket { table.forget(tag, bucket) }
      case .update(let update): apply(update)
      case .claim(let claim):
        let answer = store.settle(claim, now: now + Nanoseconds(delay.rawValue / 2))
        answers.append((now + delay, claim, isLost ? nil : answer))
      }
    }
  }

  private func apply(_ update: LeaseUpdate) {
    table.settle(update.tag, spent: update.spent, grant: update.grant, wait: update.wait)
  }
}

private struct Scenario: Sendable, CustomStringConvertible {
  var replicas: Int
  var rate: Double
  var burst: Int
  var seed: UInt64
  var description: String { "\(replicas) replicas, \(rate)/s, burst \(burst), seed \(seed)" }

  static let all: [Scenario] = [1, 2, 3, 5].flatMap { replicas in
    [(100.0, 100), (10, 10), (50, 10), (1, 20), (1_000, 200), (0.5, 1), (5, 3)].flatMap { limit in
      (1...3).map { Scenario(replicas: replicas, rate: limit.0, burst: limit.1, seed: $0) }
    }
  }
}

@Suite struct LeaseLedgerTests {
  private static let step = Nanoseconds.milliseconds(1)

  /// Demand that changes every few seconds: nothing, little, about the rate, far above it.
  private static func demand(_ scenario: Scenario, _ random: inout RandomSource) -> Double {
    let factors = [0, 0.05, 0.4, 1.5, 8]
    return scenario.rate * factors[random.index(below: factors.count)]
  }

  @Test(arguments: Scenario.all)
  fileprivate func neverMoreThanTheLimitAndALeaseForEachOtherReplica(scenario: Scenario) {
    let rule = LeaseRule(interval: 1e9 / scenario.rate, burst: scenario.burst)
    let around = LeaseLedger.Surroundings(replicas: scenario.replicas, isLinked: true)
    var random = RandomSource(seed: scenario.seed)
    var store = Store(rule: rule)
    let start = Nanoseconds.seconds(100)
    var replicas = (0..<scenario.replicas).map { index in
      Replica(
        rule, replicas: scenario.replicas, roundAt: start + .milliseconds(17 * index))
    }
    var demands = replicas.map { _ in Self.demand(scenario, &random) }
    var (level, highest) = (0.0, 0.0)
    var now = start
    for turn in 0..<60_000 {
      now = now + Self.step
      level = max(0, level - scenario.rate * Self.step.seconds)
      if turn % 700 == 0 {
        let index = random.index(below: replicas.count)
        demands[index] = Self.demand(scenario, &random)
      }
      for index in replicas.indices {
        let delay = Nanoseconds.milliseconds(1 + random.index(below: turn % 5_000 < 500 ? 300 : 8))
        replicas[index].turn(&store, now: now, around, delay: delay)
        var due = demands[index] * Self.step.seconds
        while due > 0, random.unit() < due {
          if replicas[index].take() { level += 1 }
          due -= 1
        }
      }
      highest = max(highest, level)
    }
    let lease = rule.lease(replicas: scenario.replicas)
    let bound = Double(scenario.burst + (scenario.replicas - 1) * lease)
    #expect(highest <= bound + 1e-6, "\(scenario): \(highest) of \(bound)")
  }

  @Test(arguments: [1, 2, 3])
  func theWholeRateIsUsedWhereverTheRequestsCome(replicas count: Int) {
    let rule = LeaseRule(interval: 1e7, burst: 100)
    let around = LeaseLedger.Surroundings(replicas: count, isLinked: true)
    // Everything at one replica, or at all alike; in both cases three times the rate.
    for isAtOne in [true, false] {
      var store = Store(rule: rule)
      var random = RandomSource(seed: 8)
      var replicas = (0..<count).map {
        Replica(rule, replicas: count, roundAt: .seconds(5) + .milliseconds(31 * $0))
      }
      var now = Nanoseconds.seconds(5)
      for _ in 0..<20_000 {
        now = now + Self.step
        for index in replicas.indices {
          replicas[index].turn(&store, now: now, around, delay: .milliseconds(2))
          let due = isAtOne ? (index == 0 ? 0.3 : 0) : 0.3 / Double(count)
          if random.unit() < due { _ = replicas[index].take() }
        }
      }
      let admitted = replicas.reduce(0) { $0 + $1.admitted }
      // 20 s of 100 a second.
      #expect(admitted >= 1_900, "\(count) replicas, at one \(isAtOne): \(admitted)")
      #expect(admitted <= 2_000 + 100 + (count - 1) * 100 / count)
    }
  }

  @Test func aReplicaWithFewRequestsTakesLittleFromOneWithMany() {
    let rule = LeaseRule(interval: 1e7, burst: 100)
    let around = LeaseLedger.Surroundings(replicas: 2, isLinked: true)
    var store = Store(rule: rule)
    var random = RandomSource(seed: 9)
    var replicas = (0..<2).map {
      Replica(rule, replicas: 2, roundAt: .seconds(5) + .milliseconds(31 * $0))
    }
    var now = Nanoseconds.seconds(5)
    var refused = 0
    for _ in 0..<20_000 {
      now = now + Self.step
      for index in replicas.indices {
        replicas[index].turn(&store, now: now, around, delay: .milliseconds(2))
      }
      if random.unit() < 0.5 { _ = replicas[0].take() }
      if random.unit() < 0.001, !replicas[1].take() { refused += 1 }
    }
    #expect(replicas[0].admitted >= 1_850, "\(replicas[0].admitted)")
    #expect(replicas[1].admitted >= 5, "\(replicas[1].admitted), refused \(refused)")
  }

  @Test func withoutTheStoreEachReplicaHasItsShareAndComesBackWithoutAJump() {
    let rule = LeaseRule(interval: 1e7, burst: 100)
    var store = Store(rule: rule)
    var replicas = (0..<2).map {
      Replica(rule, replicas: 2, roundAt: .seconds(5) + .milliseconds(31 * $0))
    }
    let start = Nanoseconds.seconds(5)
    var now = start
    var (level, highest) = (0.0, 0.0)
    var shares: [Int] = []
    for turn in 0..<40_000 {
      now = now + Self.step
      level = max(0, level - 0.1)
      // The store is gone from 10 s to 20 s, and has forgotten everything then.
      let isLinked = !(10_000..<20_000).contains(turn)
      if turn == 20_000 { store.fullAt = .zero }
      if turn == 10_000 || turn == 20_000 { shares.append(replicas[0].admitted) }
      let around = LeaseLedger.Surroundings(replicas: 2, isLinked: isLinked)
      for index in replicas.indices {
        replicas[index].turn(
          &store, now: now, around, delay: .milliseconds(2),
          isLost: (9_990..<10_000).contains(turn))
        if replicas[index].take() { level += 1 }
        highest = max(highest, level)
      }
    }
    // Half of 100 a second, for 10 s.
    #expect((450...560).contains(shares[1] - shares[0]), "\(shares)")
    #expect(highest <= 150, "\(highest)")
    let admitted = replicas.reduce(0) { $0 + $1.admitted }
    #expect((3_800...4_150).contains(admitted), "\(admitted)")
  }

  @Test func aKeyThatIsFullIsForgotten() {
    let rule = LeaseRule(interval: 1e8, burst: 10)
    let around = LeaseLedger.Surroundings(replicas: 2, isLinked: true)
    var store = Store(rule: rule)
    var replica = Replica(rule, replicas: 2, roundAt: .seconds(1))
    var now = Nanoseconds.seconds(1)
    for _ in 0..<3 {
      let isAdmitted = replica.take()
      #expect(isAdmitted)
    }
    for _ in 0..<2_000 {
      now = now + Self.step
      replica.turn(&store, now: now, around, delay: .milliseconds(1))
    }
    #expect(replica.ledger.keyCount == 0)
    #expect(replica.table.bucket(of: Replica.tag)?.isFree == true)
    #expect(store.fullAt <= now)
  }

  @Test func whoeverWaitsAsToldIsLetIn() {
    let rule = LeaseRule(interval: 1e9, burst: 2)
    let around = LeaseLedger.Surroundings(replicas: 2, isLinked: true)
    var store = Store(rule: rule)
    var replica = Replica(rule, replicas: 2, roundAt: .seconds(1))
    var now = Nanoseconds.seconds(1)
    var comesAt = now
    var outcomes: [Bool] = []
    for _ in 0..<30_000 {
      now = now + Self.step
      replica.turn(&store, now: now, around, delay: .milliseconds(1))
      guard now >= comesAt else { continue }
      if let wait = replica.table.take(Replica.tag, worker: 0) {
        outcomes.append(false)
        // As `Retry-After` has it: whole seconds, and the round's time for the answer.
        let seconds = (wait.rawValue + 999_999_999) / 1_000_000_000
        comesAt = now + .seconds(Int(max(1, seconds))) + .milliseconds(200)
      } else {
        outcomes.append(true)
        comesAt = now + .milliseconds(20)
      }
    }
    // Never refused twice in a row.
    #expect(outcomes.count > 20)
    for pair in zip(outcomes, outcomes.dropFirst()) where !pair.0 { #expect(pair.1, "\(outcomes)") }
  }
}
