import Balancer
import Fleet
import Primitives
import Testing

/// A picker over endpoints with indexes 0… and the given weights, and their in-flight counts.
private struct Bench {
  var picker: Picker
  var load: [Int32]
  var random = RandomSource(seed: 1)
  let pickBoard: PickBoard

  init(_ policy: BalancePolicy, weights: [Double], ejection: EjectionPolicy = EjectionPolicy()) {
    var pool = Pool.numbered(weights.count)
    pool.balance = policy
    pool.ejection = ejection
    picker = Picker(pool: pool)
    pickBoard = PickBoard(endpointLimit: weights.count)
    load = [Int32](repeating: 0, count: weights.count)
    for (position, weight) in weights.enumerated() {
      picker.set(position, weight: weight, isEligible: true, now: .zero, isFirst: true)
    }
    picker.finishTable()
  }

  mutating func pick(
    now: Nanoseconds = .seconds(1), tried: TriedSet = TriedSet(),
    room: EndpointRoom = EndpointRoom(), isRepeatable: Bool = false
  ) -> Int? {
    load.withUnsafeBufferPointer { load in
      picker.pick(
        now: now, load: load.baseAddress!, pickBoard: pickBoard, tried: tried, room: room,
        isRepeatable: isRepeatable, random: &random)
    }
  }

  mutating func eject(_ position: Int, now: Nanoseconds = .seconds(1)) {
    for _ in 0..<3 { _ = picker.failed(position, .status, pickBoard: pickBoard, now: now) }
  }

  mutating func counts(of picks: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: load.count)
    for _ in 0..<picks { counts[pick()!] += 1 }
    return counts
  }
}

@Suite struct SmoothRoundRobinTests {
  @Test func givesNginxsTraceForFiveOneOne() {
    var bench = Bench(.roundRobin, weights: [5, 1, 1])
    let trace = (0..<14).map { _ in ["a", "b", "c"][bench.pick()!] }.joined()
    #expect(trace == "aabacaaaabacaa")
  }

  @Test(arguments: [[1.0, 2, 3], [4, 4, 1, 7], [0.5, 0.25], [10]])
  func countsExactlyInAPeriod(weights: [Double]) {
    var bench = Bench(.roundRobin, weights: weights)
    let unit = weights.min()!
    let period = weights.map { Int($0 / unit) }
    #expect(bench.counts(of: 3 * period.reduce(0, +)) == period.map { 3 * $0 })
  }

  @Test func followsNewWeightsAtOnce() {
    var bench = Bench(.roundRobin, weights: [1, 1])
    _ = bench.counts(of: 11)
    bench.picker.set(0, weight: 9, isEligible: true, now: .zero)
    let counts = bench.counts(of: 1000)
    #expect(abs(counts[0] - 900) <= 2)
  }
}

@Suite struct LeastRequestTests {
  @Test func takesTheLeastLoadForItsWeight() {
    var bench = Bench(.leastRequest, weights: [1, 4])
    bench.load = [0, 2]
    // (0 + 1) / 1 is more than (2 + 1) / 4.
    #expect(bench.pick() == 1)
    bench.load = [0, 4]
    #expect(bench.pick() == 0)
  }

  @Test func breaksTiesEvenly() {
    var bench = Bench(.leastRequest, weights: [1, 1, 1, 1])
    let counts = bench.counts(of: 4000)
    #expect(counts.allSatisfy { abs($0 - 1000) < 150 }, "\(counts)")
  }

  @Test func filledUpInFlightIsInProportionToWeights() {
    var bench = Bench(.leastRequest, weights: [1, 2, 4])
    for _ in 0..<700 { bench.load[bench.pick()!] += 1 }
    #expect(bench.load == [100, 200, 400])
  }
}

@Suite(.serialized) struct EligibilityTests {
  @Test(arguments: BalancePolicy.allCases)
  func neverPicksTheIneligibleOrWeightless(policy: BalancePolicy) {
    var bench = Bench(policy, weights: [1, 0, 1])
    bench.picker.set(0, weight: 1, isEligible: false, now: .zero)
    for _ in 0..<50 { #expect(bench.pick() == 2) }
    bench.picker.set(2, weight: 1, isEligible: false, now: .zero)
    #expect(bench.pick() == nil)
  }

  @Test(arguments: BalancePolicy.allCases)
  func avoidsTheTriedWhileThereIsAnother(policy: BalancePolicy) {
    var bench = Bench(policy, weights: [1, 1])
    var tried = TriedSet()
    tried.insert(0)
    for _ in 0..<20 { #expect(bench.pick(tried: tried) == 1) }
    tried.insert(1)
    #expect(bench.pick(tried: tried) != nil)
  }

  @Test func ejectsAfterFailuresInARowAndTriesOneRequestAtATime() {
    var bench = Bench(.leastRequest, weights: [1, 1, 1])
    let now = Nanoseconds.seconds(100)
    // The other endpoints fail too, so three failures are needed.
    for other in [1, 2] {
      _ = bench.picker.failed(other, .status, pickBoard: bench.pickBoard, now: now)
      #expect(bench.picker.succeeded(other, now: now) == false)
    }
    for _ in 0..<2 {
      #expect(bench.picker.failed(0, .status, pickBoard: bench.pickBoard, now: now) == nil)
    }
    #expect(bench.picker.failed(0, .status, pickBoard: bench.pickBoard, now: now) == .seconds(102))
    for _ in 0..<20 { #expect(bench.pick(now: .seconds(101)) != 0) }
    // One trial runs at a time.
    #expect(bench.pick(now: .seconds(102)) == 0)
    bench.load[0] = 1
    for _ in 0..<20 { #expect(bench.pick(now: .seconds(102)) != 0) }
    // A failed trial doubles the cooldown.
    #expect(
      bench.picker.failed(0, .status, pickBoard: bench.pickBoard, now: .seconds(103))
        == .seconds(107))
    bench.load[0] = 0
    // The second ejection needs five good answers.
    for trial in 0..<5 {
      #expect(bench.pick(now: .seconds(108)) == 0)
      #expect(bench.picker.succeeded(0, now: .seconds(108)) == (trial == 4))
    }
    // The slow start begins at 30 % of the weight.
    bench.load = [0, 1, 1]
    #expect(bench.pick(now: .seconds(108)) != 0)
    #expect(bench.pick(now: .seconds(112)) == 0)
  }

  @Test func ignoresEjectionWhenHalfThePoolIsGone() {
    var ejection = EjectionPolicy()
    ejection.failsMax = 1
    ejection.ejectedRatioMax = 1
    var bench = Bench(.leastRequest, weights: [1, 1, 1], ejection: ejection)
    for position in 0..<2 {
      _ = bench.picker.failed(position, .status, pickBoard: bench.pickBoard, now: .seconds(1))
    }
    let counts = bench.counts(of: 300)
    #expect(counts.allSatisfy { $0 > 50 }, "\(counts)")
  }

  @Test func ejectionAloneNeverEmptiesAPool() {
    var ejection = EjectionPolicy()
    ejection.failsMax = 1
    var bench = Bench(.leastRequest, weights: [1], ejection: ejection)
    _ = bench.picker.failed(0, .status, pickBoard: bench.pickBoard, now: .seconds(1))
    #expect(bench.pick() == 0)
  }

  @Test func atMostHalfOfThePoolIsEjected() {
    var bench = Bench(.leastRequest, weights: [1, 1, 1, 1, 1])
    for position in 0..<4 { bench.eject(position) }
    #expect(bench.picker.candidates.map(\.health.isHalfOpen) == [true, true, false, false, false])
    let counts = bench.counts(of: 300)
    #expect(counts[0] + counts[1] == 0 && counts[2] > 50, "\(counts)")
  }

  @Test func theShareIsOfWhatHealthLeaves() {
    var bench = Bench(.leastRequest, weights: [1, 1, 1, 1, 1])
    for position in 2..<5 {
      bench.picker.set(position, weight: 1, isEligible: false, now: .zero)
    }
    for position in 0..<2 { bench.eject(position) }
    #expect(bench.picker.candidates.filter(\.health.isHalfOpen).count == 1)
  }

  @Test func aRepeatGoesToTheHealthyFirstThenToOneThatRestsThenBack() {
    var bench = Bench(.leastRequest, weights: [1, 1, 1])
    bench.eject(0)
    var tried = TriedSet()
    tried.insert(1)
    for _ in 0..<20 { #expect(bench.pick(tried: tried) == 2) }
    // The retry is no trial while another endpoint is left.
    for _ in 0..<20 { #expect(bench.pick(now: .seconds(60), tried: tried) != 1) }
    tried.insert(2)
    #expect(bench.pick(tried: tried) == 0)
    tried.insert(0)
    #expect(bench.pick(tried: tried) != nil)
  }

  @Test(arguments: BalancePolicy.allCases)
  func aFullEndpointIsPassedOverAndAFullPoolHasNone(policy: BalancePolicy) {
    var bench = Bench(policy, weights: [9, 1, 1])
    var room = EndpointRoom()
    room.requestsMax = 3
    bench.load = [3, 0, 2]
    for _ in 0..<20 { #expect(bench.pick(room: room) != 0) }
    bench.load = [3, 3, 3]
    #expect(bench.pick(room: room) == nil)
    #expect(bench.picker.hasEligible)
    // Full endpoints do not make the pool use an endpoint in its cooldown.
    bench.load = [0, 3, 3]
    bench.eject(0)
    #expect(bench.pick(room: room) == nil)
    bench.picker.set(0, weight: 0, isEligible: true, now: .zero)
    for position in 1..<3 {
      bench.picker.set(position, weight: 1, isEligible: false, now: .zero)
    }
    #expect(!bench.picker.hasEligible)
  }

  @Test func anIdleConnectionIsRoomWhateverTheLimit() {
    var bench = Bench(.leastRequest, weights: [1, 1])
    let (connections, idle): ([Int32], [Int32]) = ([2, 2], [0, 1])
    connections.withUnsafeBufferPointer { connections in
      idle.withUnsafeBufferPointer { idle in
        var room = EndpointRoom()
        room.connectionsMax = 2
        room.connections = connections.baseAddress
        room.idle = idle.baseAddress
        for _ in 0..<20 { #expect(bench.pick(room: room) == 1) }
      }
    }
  }

  @Test func remembersEightTried() {
    var tried = TriedSet()
    #expect(tried.isEmpty && !tried.contains(-1))
    for position in 0..<9 { tried.insert(position) }
    #expect((1..<9).allSatisfy(tried.contains))
    #expect(!tried.contains(0) && !tried.contains(9))
  }

  @Test func ejectsWhatIsFarSlowerThanTheOthersAndNotWhatIsTwiceAsSlow() {
    var ejection = EjectionPolicy()
    ejection.slowRatio = 10
    for (slow, isEjected) in [(0.2, false), (0.9, false), (1.2, true)] {
      var bench = Bench(.leastRequest, weights: [1, 1, 1, 1], ejection: ejection)
      var found: [Int] = []
      for _ in 0..<60 {
        for (position, seconds) in [slow, 0.1, 0.05, 0.1].enumerated() {
          let until = bench.picker.answered(
            position, in: .seconds(seconds), pickBoard: bench.pickBoard, now: .seconds(9))
          if until != nil { found.append(position) }
        }
      }
      #expect(found == (isEjected ? [0] : []), "\(slow)")
    }
  }

  @Test func oneOfTwoIsNeverTooSlow() {
    var ejection = EjectionPolicy()
    ejection.slowRatio = 2
    var bench = Bench(.leastRequest, weights: [1, 1], ejection: ejection)
    for _ in 0..<100 {
      for (position, seconds) in [10.0, 0.1].enumerated() {
        let until = bench.picker.answered(
          position, in: .seconds(seconds), pickBoard: bench.pickBoard, now: .seconds(9))
        #expect(until == nil)
      }
    }
  }

  @Test func holdsItsInvariantsInRandomLives() {
    var random = RandomSource(seed: 42)
    for policy in BalancePolicy.allCases {
      var bench = Bench(policy, weights: [1, 2, 3, 4, 5])
      var usable = [Bool](repeating: true, count: 5)
      for step in 0..<5_000 {
        let position = random.index(below: 5)
        let weight = random.index(below: 4) == 0 ? 0 : random.unit() * 10
        let isEligible = random.index(below: 4) != 0
        bench.picker.set(position, weight: weight, isEligible: isEligible, now: .milliseconds(step))
        usable[position] = weight > 0 && isEligible
        let other = random.index(below: 5)
        if random.index(below: 2) == 0 {
          _ = bench.picker.failed(
            other, .status, pickBoard: bench.pickBoard, now: .milliseconds(step))
        } else {
          _ = bench.picker.succeeded(other, now: .milliseconds(step))
        }
        let picked = bench.pick(now: .milliseconds(step))
        #expect((picked != nil) == usable.contains(true))
        if let picked { #expect(usable[picked]) }
      }
    }
  }
}

@Suite struct RoomTests {
  @Test(arguments: BalancePolicy.allCases)
  func neverPicksAFullEndpoint(policy: BalancePolicy) {
    var bench = Bench(policy, weights: [1, 1, 1])
    bench.picker.setRoom(0, false)
    bench.picker.setRoom(2, false)
    for _ in 0..<50 { #expect(bench.pick() == 1) }
    var tried = TriedSet()
    tried.insert(1)
    // Waiting for a full endpoint is better than returning to the endpoint that failed.
    #expect(bench.pick(tried: tried) == nil)
    bench.picker.setRoom(1, false)
    #expect(bench.pick() == nil)
    #expect(bench.picker.isFull && !bench.picker.hasRoom)
    bench.picker.setRoom(2, true)
    #expect(bench.pick() == 2)
  }

  @Test func thatHealthyEndpointsAreFullDoesNotBringBackAnEjectedOne() {
    var ejection = EjectionPolicy()
    ejection.failsMax = 1
    var bench = Bench(.leastRequest, weights: [1, 1, 1, 1], ejection: ejection)
    for _ in 0..<2 {
      _ = bench.picker.failed(0, .unreachable, pickBoard: bench.pickBoard, now: .seconds(1))
    }
    for position in 1...3 { bench.picker.setRoom(position, false) }
    #expect(bench.pick() == nil)
    bench.picker.setRoom(3, true)
    #expect(bench.pick() == 3)
  }

  @Test func nothingIsFullWhereNothingMayBeUsed() {
    var bench = Bench(.leastRequest, weights: [0, 1])
    bench.picker.set(1, weight: 1, isEligible: false, now: .zero)
    bench.picker.setRoom(0, false)
    bench.picker.setRoom(1, false)
    #expect(!bench.picker.isFull && !bench.picker.hasRoom)
  }
}

@Suite struct RoomAndBackupTests {
  private func picker(backups: [Bool]) -> (Picker, PickBoard) {
    let pool = Pool(
      name: "a",
      endpoints: backups.indices.map { index in
        var endpoint = Endpoint(address: .loopback(port: UInt16(index + 1)))
        endpoint.endpointIndex = index
        endpoint.isBackup = backups[index]
        return endpoint
      })
    var picker = Picker(pool: pool)
    for position in backups.indices {
      picker.set(position, weight: 1, isEligible: true, now: .zero, isFirst: true)
    }
    return (picker, PickBoard(endpointLimit: backups.count))
  }

  private func pick(_ picker: inout Picker, _ pickBoard: PickBoard, session: Int? = nil) -> Int? {
    let load = [Int32](repeating: 0, count: 4)
    var random = RandomSource(seed: 1)
    return load.withUnsafeBufferPointer {
      picker.pick(
        now: .seconds(1), load: $0.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
        key: PickKey(session: session), random: &random)
    }
  }

  @Test func primariesThatAreFullAreWaitedFor() {
    var (picker, pickBoard) = picker(backups: [false, true])
    picker.setRoom(0, false)
    #expect(pick(&picker, pickBoard) == nil)
    picker.set(0, weight: 1, isEligible: false, now: .zero)
    #expect(pick(&picker, pickBoard) == 1)
  }

  @Test func aSessionAtAFullEndpointGoesElsewhere() {
    var (picker, pickBoard) = picker(backups: [false, false])
    #expect(pick(&picker, pickBoard, session: 0) == 0)
    picker.setRoom(0, false)
    #expect(pick(&picker, pickBoard, session: 0) == 1)
  }
}

@Suite struct TriedSetTests {
  @Test func triedEndpointsAreKnownAtTheirNewPositions() {
    var tried = TriedSet()
    for position in [4, 0, 2, 7, 1] { tried.insert(position) }
    // The endpoint at position 2 is removed, and the others are in reverse order.
    let moved = tried.moved { $0 == 2 ? nil : 9 - $0 }
    #expect((0..<12).filter { moved.contains($0) } == [2, 5, 8, 9])
    #expect(TriedSet().moved { $0 }.isEmpty)
    #expect(tried.moved { $0 } == tried)
  }

  @Test func theOldestIsForgottenFirstAlsoAfterAMove() {
    var tried = TriedSet()
    for position in 0..<8 { tried.insert(position) }
    var moved = tried.moved { $0 + 10 }
    moved.insert(30)
    #expect(!moved.contains(10))
    #expect((11...17).allSatisfy { moved.contains($0) } && moved.contains(30))
  }
}
