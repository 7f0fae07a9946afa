import Fleet
import Primitives
import Testing

@testable import Balancer

/// Refusals: "no room" (429, 503) or "not served here" (4xx). Overload is no failure, and a quick
/// error is no sign of speed.
@Suite struct RefusalTests {
  private static func context(response: Double = 0.5, mayEject: Bool = true) -> PassiveContext {
    PassiveContext(
      policy: EjectionPolicy(), fleetResponse: response, interval: 1, balancers: 1,
      othersAreClean: true, mayEject: mayEject)
  }

  private static func picker(
    _ count: Int, balance: BalancePolicy = .leastRequest
  ) -> Picker {
    Picker.numbered([Double](repeating: 1, count: count)) { $0.balance = balance }
  }

  private static func pick(
    _ picker: inout Picker, _ load: [Int32], at seconds: Double, seed: UInt64 = 1
  ) -> Int? {
    var random = RandomSource(seed: seed)
    let pickBoard = PickBoard(endpointLimit: load.count)
    return load.withUnsafeBufferPointer {
      picker.pick(
        now: .seconds(seconds), load: $0.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
        random: &random)
    }
  }

  // MARK: Endpoints that are passed over

  @Test(arguments: [BalancePolicy.leastRequest, .roundRobin, .random])
  func aFullEndpointIsPassedOverForOneWithRoom(_ balance: BalancePolicy) {
    var picker = Self.picker(2, balance: balance)
    let pickBoard = PickBoard(endpointLimit: 2)
    _ = picker.refused(0, .overloaded, load: 8, pickBoard: pickBoard, now: .seconds(100))
    // Endpoint 0 has 8 requests in flight, as it had at the refusal; endpoint 1 has more.
    for seed in 0..<20 {
      #expect(Self.pick(&picker, [8, 20], at: 100.02, seed: UInt64(seed)) == 1)
    }
  }

  @Test func aRequestThatEndsThereMakesRoom() {
    var picker = Self.picker(2)
    _ = picker.refused(
      0, .overloaded, load: 8, pickBoard: PickBoard(endpointLimit: 2), now: .seconds(100))
    #expect(Self.pick(&picker, [8, 9], at: 100.01) == 1)
    #expect(Self.pick(&picker, [7, 9], at: 100.01) == 0)
    // The endpoint is full again, and not for long, because it named no wait.
    #expect(Self.pick(&picker, [8, 9], at: 100.03) == 0)
  }

  @Test func whereAllAreFullTheLeastLoadedIsAskedAllTheSame() {
    var picker = Self.picker(3)
    let pickBoard = PickBoard(endpointLimit: 3)
    for position in 0..<3 {
      _ = picker.refused(
        position, .overloaded, load: 8, retryAfter: .seconds(1), pickBoard: pickBoard,
        now: .seconds(100))
    }
    #expect(Self.pick(&picker, [9, 8, 10], at: 100.5) == 1)
  }

  @Test(arguments: [
    (0.0, 0.025, #_sourceLocation), (1, 1, #_sourceLocation), (5, 5, #_sourceLocation),
    (86_400, 5, #_sourceLocation),
  ])
  func retryAfterIsHeededUpToABound(asked: Double, kept: Double, at: SourceLocation) {
    var refusals = Refusals()
    refusals.note(now: .seconds(100), load: 0, retryAfter: .seconds(asked))
    #expect(refusals.isFull(now: .seconds(100 + kept - 0.001), load: 0), sourceLocation: at)
    #expect(!refusals.isFull(now: .seconds(100 + kept), load: 0), sourceLocation: at)
  }

  @Test func withoutRetryAfterEachRefusalInARowDoublesTheWait() {
    var refusals = Refusals()
    var waits: [Double] = []
    for _ in 0..<8 {
      refusals.note(now: .seconds(100), load: 0, retryAfter: .zero)
      waits.append((refusals.until - .seconds(100)).seconds)
    }
    #expect(waits == [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1])
    // A request sent before the refusal is no evidence of room.
    refusals.completed(now: .seconds(101), sentAt: .seconds(99))
    #expect(refusals.count == 0 && refusals.isFull(now: .seconds(100.5), load: 0))
    refusals.completed(now: .seconds(101), sentAt: .seconds(100.5))
    #expect(!refusals.isFull(now: .seconds(100.5), load: 0))
    refusals.note(now: .seconds(102), load: 0, retryAfter: .zero)
    #expect(refusals.until == .seconds(102.025))
  }

  @Test func aRepeatGoesOnlyWhereThereMayBeRoom() {
    var picker = Self.picker(2)
    let pickBoard = PickBoard(endpointLimit: 2)
    _ = picker.refused(1, .overloaded, load: 8, pickBoard: pickBoard, now: .seconds(100))
    var tried = TriedSet()
    tried.insert(0)
    let load: [Int32] = [9, 8]
    load.withUnsafeBufferPointer { load in
      let load = load.baseAddress!
      #expect(!picker.hasOther(load: load, tried: tried, avoidingFull: .seconds(100.01)))
      #expect(picker.hasOther(load: load, tried: tried, avoidingFull: .seconds(100.03)))
      #expect(picker.hasOther(load: load, tried: tried))
    }
  }

  // MARK: Ejected endpoints

  @Test func anEndpointThatAlsoCompletesIsNotEjectedHoweverMuchItRefuses() {
    var health = PassiveHealth()
    for step in 0..<1_000 {
      let now = Nanoseconds.seconds(100 + Double(step) * 0.05)
      for _ in 0..<9 {
        let isEjected = health.refused(
          .overloaded, now: now, load: 0, othersSucceed: true, Self.context())
        #expect(!isEjected)
      }
      _ = health.succeeded(now: now)
    }
    // Refusals do not count as failures.
    #expect(health.slowFailureRatio == 0)
  }

  @Test func oneThatOnlyRefusesIsEjectedAfterTwoSecondsWhereOthersSucceed() {
    for (load, othersSucceed, response, seconds) in [
      (Int32(0), true, 0.1, 2.0), (0, true, 2, 6), (0, false, 0.1, 0), (1, true, 0.1, 0),
    ] {
      var health = PassiveHealth()
      var ejectedAt = 0.0
      for step in 0..<100 where ejectedAt == 0 {
        let now = Double(step) * 0.1
        let isEjected = health.refused(
          .overloaded, now: .seconds(100 + now), load: load, othersSucceed: othersSucceed,
          Self.context(response: response))
        if isEjected { ejectedAt = now }
      }
      #expect(abs(ejectedAt - seconds) < 1e-6, "load \(load), others \(othersSucceed)")
      #expect(health.reason == (seconds == 0 ? nil : .overloaded))
    }
  }

  @Test func oneThatOnlyRefusesIsTriedSinglyAndLessAndLess() {
    var health = PassiveHealth()
    var now = Nanoseconds.seconds(100)
    var rests: [Double] = []
    for _ in 0..<200 where rests.count < 5 {
      if health.refused(.overloaded, now: now, load: 0, othersSucceed: true, Self.context()) {
        rests.append((health.ejectedUntil - now).seconds)
        #expect(!health.mayBePicked(now: now, load: 0))
        // A request that can be retried may try the endpoint earlier.
        #expect(health.mayBePicked(now: now + .seconds(0.5), load: 0, isRepeatable: true))
        now = health.ejectedUntil
        #expect(health.mayBePicked(now: now, load: 0) && !health.mayBePicked(now: now, load: 1))
      } else {
        now = now + .seconds(0.5)
      }
    }
    #expect(rests == [2, 4, 8, 16, 30])
    // One accepted request readmits the endpoint.
    #expect(health.succeeded(now: now) == true)
    #expect(!health.isHalfOpen)
  }

  // MARK: Client errors

  /// Whether a client error is blamed on endpoint 0, after `own` errors and `good` good answers of
  /// it and the given answers of the others.
  private static func blames(
    own: Int, good: Int, others: [(good: Int, errors: Int)],
    balance: BalancePolicy = .leastRequest
  ) -> Bool {
    var picker = Self.picker(others.count + 1, balance: balance)
    for (index, mate) in others.enumerated() {
      for _ in 0..<mate.errors {
        _ = picker.succeeded(index + 1, now: .seconds(1), isClientError: true)
      }
      for _ in 0..<mate.good { _ = picker.succeeded(index + 1, now: .seconds(1)) }
    }
    for _ in 0..<good { _ = picker.succeeded(0, now: .seconds(1)) }
    for _ in 0..<own - 1 { _ = picker.succeeded(0, now: .seconds(1), isClientError: true) }
    return picker.blamesClientError(0)
  }

  @Test func clientErrorsAreAnEndpointsFaultWhereItsMatesGiveFarFewer() {
    #expect(Self.blames(own: 6, good: 0, others: [(2, 0), (2, 0)]))
    #expect(Self.blames(own: 30, good: 0, others: [(30, 0), (0, 30)]))
    #expect(Self.blames(own: 15, good: 15, others: [(30, 0)]))
    // There are too few answers to decide.
    #expect(!Self.blames(own: 3, good: 0, others: [(2, 0), (2, 0)]))
    #expect(!Self.blames(own: 30, good: 0, others: [(0, 0), (0, 0)]))
    #expect(!Self.blames(own: 30, good: 0, others: []))
  }

  @Test func clientErrorsThatAreSpreadOverThePoolAreNobodysFault() {
    #expect(!Self.blames(own: 30, good: 0, others: [(0, 30), (0, 30)]))
    #expect(!Self.blames(own: 10, good: 20, others: [(20, 10), (20, 10), (22, 8)]))
    // A key binds a client and its errors to one endpoint.
    #expect(!Self.blames(own: 30, good: 0, others: [(30, 0)], balance: .hash))
  }

  @Test func randomErrorsOfClientsEjectNobody() {
    var random = RandomSource(seed: 7)
    let pickBoard = PickBoard(endpointLimit: 4)
    var picker = Self.picker(4)
    for step in 0..<40_000 {
      let now = Nanoseconds.seconds(100 + Double(step) * 0.01)
      let position = random.index(below: 4)
      guard random.unit() < 0.7 else {
        _ = picker.succeeded(position, now: now)
        continue
      }
      if picker.blamesClientError(position) {
        _ = picker.refused(position, .clientErrors, load: 0, pickBoard: pickBoard, now: now)
      } else {
        _ = picker.succeeded(position, now: now, isClientError: true)
      }
      #expect(!picker.hasHalfOpen)
    }
  }

  @Test func anEndpointThatLacksAModelIsLeftAlone() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 3)
    let pickBoard = PickBoard(endpointLimit: 3)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var picker = Self.picker(3)
    var random = RandomSource(seed: 1)
    var failed = 0
    var taken = [0, 0, 0]
    // Ten requests a second: endpoint 0 answers 404 at once, the others take turns.
    for step in 0..<600 {
      let now = Nanoseconds.seconds(100 + Double(step) * 0.1)
      let position = picker.pick(
        now: now, load: book.load, pickBoard: pickBoard, tried: TriedSet(), random: &random)!
      taken[position] += 1
      let lease = book.take(position, now: now)
      if position == 0 {
        if step >= 50 { failed += 1 }
        book.end(lease, .rejected, &picker, 0, now: now + .milliseconds(2))
      } else {
        book.end(lease, .completed, &picker, position, now: now + .milliseconds(90))
      }
    }
    // After the first 5 s the endpoint gets at most one trial after each cooldown.
    #expect(failed <= 550 / 50, "\(taken)")
    #expect(evidence.lastEjection(0)?.reason == .clientErrors)
    #expect(evidence.sum(.ejections, 1) + evidence.sum(.ejections, 2) == 0)
  }
}
