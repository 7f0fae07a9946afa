// Random picks, hashes and backups: the share that each endpoint gets, and the few keys that move.
import Fleet
import Primitives
import Testing

@testable import Balancer

/// A picker over endpoints 10.0.0.N, N from `hosts`, with indexes 0….
struct PolicyBench {
  var picker: Picker
  var load: [Int32]
  var random = RandomSource(seed: 7)
  let pickBoard: PickBoard

  init(
    _ policy: BalancePolicy, weights: [Double], hosts: [Int]? = nil, backups: Set<Int> = [],
    loadFactor: Double = 1.25, failsMax: Int = 1
  ) {
    var pool = Pool(
      name: "a",
      endpoints: weights.enumerated().map { index, weight in
        let host = hosts?[index] ?? index + 1
        let address = SocketAddress(
          bytes: [10, 0, UInt8(host >> 8), UInt8(host & 255)], port: 8_000)
        var endpoint = Endpoint(address: address, baseWeight: weight)
        endpoint.endpointIndex = index
        endpoint.isBackup = backups.contains(index)
        return endpoint
      })
    pool.balance = policy
    pool.hash.loadFactor = loadFactor
    pool.ejection.failsMax = failsMax
    pool.ejection.failTimeout = .seconds(2)
    pool.ejection.ejectedRatioMax = 1
    picker = Picker(pool: pool)
    pickBoard = PickBoard(endpointLimit: weights.count)
    load = [Int32](repeating: 0, count: weights.count)
    for (position, weight) in weights.enumerated() {
      picker.set(position, weight: weight, isEligible: true, now: .zero, isFirst: true)
    }
    picker.finishTable()
  }

  mutating func pick(
    _ key: PickKey = PickKey(), now: Nanoseconds = .seconds(1), tried: TriedSet = TriedSet()
  ) -> Int? {
    load.withUnsafeBufferPointer { load in
      picker.pick(
        now: now, load: load.baseAddress!, pickBoard: pickBoard, tried: tried, key: key,
        random: &random)
    }
  }

  mutating func pick(hash: UInt64) -> Int? { pick(PickKey(hash: hash)) }

  mutating func fail(_ position: Int, now: Nanoseconds = .seconds(1)) {
    _ = picker.failed(position, .unreachable, pickBoard: pickBoard, now: now)
  }

  mutating func set(_ position: Int, weight: Double = 1, isEligible: Bool = true) {
    picker.set(position, weight: weight, isEligible: isEligible, now: .seconds(1), isFirst: true)
  }
}

/// Unrelated keys.
private func keys(_ count: Int) -> [UInt64] {
  (0..<count).map { KeyHash.hash("key-\($0)") }
}

/// Pearson's statistic; a value below 30 is usual for up to 12 shares (p > .001).
private func chiSquare(_ counts: [Int], _ weights: [Double]) -> Double {
  let (total, sum) = (Double(counts.reduce(0, +)), weights.reduce(0, +))
  return zip(counts, weights).reduce(0) { result, each in
    let expected = total * each.1 / sum
    return result + (Double(each.0) - expected) * (Double(each.0) - expected) / expected
  }
}

@Suite struct RandomPolicyTests {
  @Test(arguments: [[1.0, 1, 1, 1], [5, 1, 1], [0.5, 3, 0.25, 8, 1]])
  func followsEffectiveWeightsWhateverTheLoad(weights: [Double]) {
    var bench = PolicyBench(.random, weights: weights)
    bench.load[0] = 1_000
    var counts = [Int](repeating: 0, count: weights.count)
    for _ in 0..<20_000 { counts[bench.pick()!] += 1 }
    #expect(chiSquare(counts, weights) < 30, "\(counts)")
  }

  @Test func worksInALargePool() {
    var bench = PolicyBench(.random, weights: [Double](repeating: 1, count: 400))
    var counts = [Int](repeating: 0, count: 400)
    for _ in 0..<40_000 { counts[bench.pick()!] += 1 }
    #expect(counts.min()! > 50 && counts.max()! < 160)
  }
}

@Suite struct HashPolicyTests {
  private static let keyCount = 20_000

  /// The host that each key is assigned to.
  private func places(_ weights: [Double], hosts: [Int]? = nil) -> [Int] {
    var bench = PolicyBench(.hash, weights: weights, hosts: hosts)
    return keys(Self.keyCount).map { bench.pick(hash: $0)! }.map { hosts?[$0] ?? $0 + 1 }
  }

  private func movedShare(_ before: [Int], _ after: [Int]) -> Double {
    Double(zip(before, after).count { $0 != $1 }) / Double(before.count)
  }

  @Test(arguments: [[1.0, 1, 1, 1, 1, 1, 1, 1], [1, 2, 4, 8], [0.1, 1, 0.3]])
  func keysAreSpreadByBaseWeight(weights: [Double]) {
    let found = places(weights)
    let counts = weights.indices.map { index in found.count { $0 == index + 1 } }
    #expect(chiSquare(counts, weights) < 30, "\(counts)")
  }

  @Test(arguments: [3, 8, 50, 300]) func oneMoreEndpointTakesItsShareAndNoOtherKeyMoves(count: Int)
  {
    let before = places([Double](repeating: 1, count: count))
    let after = places([Double](repeating: 1, count: count + 1))
    let moved = movedShare(before, after)
    let ideal = 1 / Double(count + 1)
    print("hash: \(count) + 1 endpoints move \(moved), ideal \(ideal)")
    #expect(moved > ideal * 0.75 && moved < ideal * 1.25)
    #expect(zip(before, after).allSatisfy { $0 == $1 || $1 == count + 1 })
  }

  @Test(arguments: [3, 8, 50]) func oneEndpointLessMovesItsKeysOnly(count: Int) {
    let before = places([Double](repeating: 1, count: count))
    let hosts = [1] + Array(3...count)
    let after = places([Double](repeating: 1, count: count - 1), hosts: hosts)
    let moved = movedShare(before, after)
    print("hash: \(count) - 1 endpoints move \(moved), ideal \(1 / Double(count))")
    #expect(moved > 0.75 / Double(count) && moved < 1.25 / Double(count))
    #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == 2 })
  }

  @Test func aHigherBaseWeightMovesKeysToItOnly() {
    let before = places([1, 1, 1, 1])
    let after = places([1, 1, 1, 2])
    let moved = movedShare(before, after)
    print("hash: weight 1 -> 2 of 4 moves \(moved), ideal \(2.0 / 5 - 1.0 / 4)")
    #expect(abs(moved - 0.15) < 0.02)
    #expect(zip(before, after).allSatisfy { $0 == $1 || $1 == 4 })
  }

  @Test func theOrderOfEndpointsMovesNoKey() {
    #expect(
      places([1, 2, 3], hosts: [1, 2, 3]) == places([3, 1, 2], hosts: [3, 1, 2]))
  }

  @Test func theLawsWeightsMoveNoKeyWhereThereIsRoom() {
    var bench = PolicyBench(.hash, weights: [1, 1, 1, 1])
    let before = keys(1_000).map { bench.pick(hash: $0)! }
    for (position, weight) in [0.3, 1.9, 0.8, 1.0].enumerated() {
      bench.set(position, weight: weight)
    }
    #expect(keys(1_000).map { bench.pick(hash: $0)! } == before)
  }

  @Test func keysOfAnEndpointThatIsOutGoToTheirSecondChoiceAndComeBack() {
    var bench = PolicyBench(.hash, weights: [1, 1, 1, 1, 1])
    let before = keys(5_000).map { bench.pick(hash: $0)! }
    bench.set(2, isEligible: false)
    let during = keys(5_000).map { bench.pick(hash: $0)! }
    #expect(zip(before, during).allSatisfy { $0 == 2 ? $1 != 2 : $0 == $1 })
    let spread = (0..<5).map { place in
      zip(before, during).count { $0 == 2 && $1 == place }
    }
    #expect(spread.enumerated().allSatisfy { $0 == 2 || $1 > 150 }, "\(spread)")
    bench.set(2)
    #expect(keys(5_000).map { bench.pick(hash: $0)! } == before)
  }

  @Test func aTriedEndpointIsNotTheSecondChoice() {
    var bench = PolicyBench(.hash, weights: [1, 1, 1])
    for key in keys(50) {
      var tried = TriedSet()
      let first = bench.pick(PickKey(hash: key))!
      tried.insert(first)
      let second = bench.pick(PickKey(hash: key), tried: tried)!
      #expect(second != first)
    }
  }

  @Test func aHotKeyOverflowsToTheSameNextChoices() {
    var bench = PolicyBench(.hash, weights: [1, 1, 1, 1], loadFactor: 1.25)
    let key = KeyHash.hash("hot")
    var order: [Int] = []
    for inFlight in 1...400 {
      let place = bench.pick(hash: key)!
      bench.load[place] += 1
      if !order.contains(place) { order.append(place) }
      let bound = (1.25 * Double(inFlight) / 4).rounded(.up)
      #expect(bench.load.allSatisfy { Double($0) <= bound }, "\(bench.load) of \(inFlight)")
    }
    print("hash: 400 in flight of one key at four endpoints: \(bench.load)")
    #expect(bench.load[order[0]] == 125 && bench.load[order[1]] == 125)
    #expect(bench.load[order[2]] == 125 && bench.load[order[3]] == 25)
    // When the requests end, the key returns to its first choice.
    bench.load = [0, 0, 0, 0]
    #expect(bench.pick(hash: key) == order[0])
  }

  @Test(
    arguments: [(1.0, [100, 100, 200]), (2.0, [200, 200, 400]), (10.0, [400, 400, 400])]
      as [(Double, [Int32])])
  func theBoundFollowsFactorAndEffectiveWeight(factor: Double, most: [Int32]) {
    for key in keys(20) {
      var bench = PolicyBench(.hash, weights: [1, 1, 2], loadFactor: factor)
      for _ in 0..<400 { bench.load[bench.pick(hash: key)!] += 1 }
      #expect(zip(bench.load, most).allSatisfy { $0 <= $1 }, "\(bench.load)")
      #expect(bench.load.reduce(0, +) == 400)
    }
  }

  @Test func thereIsAlwaysRoomSomewhere() {
    var random = RandomSource(seed: 3)
    for _ in 0..<2_000 {
      let count = 1 + random.index(below: 6)
      let weights = (0..<count).map { _ in random.unit() * 10 + 1e-9 }
      var bench = PolicyBench(.hash, weights: weights, loadFactor: 1)
      for position in 0..<count { bench.load[position] = Int32(random.index(below: 50)) }
      #expect(bench.pick(hash: random.next()) != nil)
    }
  }

  @Test func withoutAKeyTheLeastLoadedIsTaken() {
    var bench = PolicyBench(.hash, weights: [1, 1, 1])
    bench.load = [3, 0, 2]
    #expect(bench.pick() == 1)
  }

  @Test func aPinnedEndpointWithoutABaseWeightTakesKeys() {
    var bench = PolicyBench(.hash, weights: [1, 0])
    #expect(keys(100).allSatisfy { bench.pick(hash: $0) == 0 })
    bench.set(1, weight: 1)
    let found = keys(1_000).map { bench.pick(hash: $0)! }
    #expect(abs(found.count { $0 == 1 } - 500) < 80)
  }

  /// Hashes are the same in every release, so that other balancers and the next start agree.
  @Test(arguments: [
    ("", UInt64(0xe220a8397b1dcdaf)), ("a", 0xf826a69f47459546), ("12345678", 0xc8ee718c01e81db9),
    ("10.0.0.1:8000", 0xa188a32a4c158145),
    ("a value that is longer than two words", 0xb2eab396efb9f86c),
  ])
  func theHashOfATextNeverChanges(text: String, expected: UInt64) {
    #expect(KeyHash.hash(text) == expected)
  }

  @Test func everyByteOfAKeyCounts() {
    let text = Array("0123456789abcdef0123".utf8)
    var seen: Set<UInt64> = [text.withUnsafeBytes { KeyHash.hash($0) }]
    for place in text.indices {
      for bit in 0..<8 {
        var changed = text
        changed[place] ^= 1 << UInt8(bit)
        seen.insert(changed.withUnsafeBytes { KeyHash.hash($0) })
      }
    }
    for count in 0..<text.count {
      seen.insert([UInt8](repeating: 0, count: count).withUnsafeBytes { KeyHash.hash($0) })
    }
    #expect(seen.count == 1 + 160 + 20)
  }
}

@Suite struct BackupTests {
  /// Two primaries, then a backup.
  private func bench(_ policy: BalancePolicy) -> PolicyBench {
    PolicyBench(policy, weights: [1, 1, 1], backups: [2])
  }

  private func places(_ bench: inout PolicyBench, now: Nanoseconds = .seconds(1)) -> Set<Int> {
    Set(
      keys(40).compactMap { key in
        let place = bench.pick(PickKey(hash: key), now: now)
        if let place { bench.load[place] += 1 }
        return place
      })
  }

  @Test(arguments: BalancePolicy.allCases)
  func aBackupWaitsWhileAPrimaryMayBePicked(policy: BalancePolicy) {
    var bench = bench(policy)
    #expect(places(&bench) == [0, 1])
    bench.set(0, isEligible: false)
    #expect(places(&bench) == [1])
    bench.set(1, weight: 0)
    #expect(places(&bench) == [2])
    bench.set(1)
    #expect(places(&bench) == [1])
  }

  @Test(arguments: BalancePolicy.allCases)
  func backupsTakeOverFromEjectedPrimariesAndGiveBack(policy: BalancePolicy) {
    var bench = bench(policy)
    bench.fail(0)
    bench.fail(1)
    #expect(places(&bench) == [2])
    // After the cooldowns each primary gets one trial, and the backup gets the other requests.
    bench.load = [0, 0, 0]
    #expect(bench.pick(PickKey(hash: 1), now: .seconds(4)) != 2)
    bench.load = [1, 1, 0]
    #expect(bench.pick(PickKey(hash: 1), now: .seconds(4)) == 2)
    bench.load = [0, 1, 0]
    for _ in 0..<3 { _ = bench.picker.succeeded(0, now: .seconds(4)) }
    #expect(bench.pick(PickKey(hash: 1), now: .seconds(4)) == 0)
  }

  @Test func ejectionAloneLeavesNoPoolWithoutAnEndpointEvenWithBackups() {
    var bench = bench(.leastRequest)
    for position in 0..<3 { bench.fail(position) }
    #expect(places(&bench) == [0, 1])
    bench.set(0, isEligible: false)
    bench.set(1, isEligible: false)
    #expect(places(&bench) == [2])
    bench.set(2, isEligible: false)
    #expect(bench.pick() == nil)
  }

  @Test func aRetryGoesToABackupOnceThePrimariesWereTried() {
    var bench = bench(.leastRequest)
    var tried = TriedSet()
    tried.insert(0)
    tried.insert(1)
    #expect(bench.pick(tried: tried) == 2)
    tried.insert(2)
    #expect([0, 1].contains(bench.pick(tried: tried)))
  }

  @Test func backupsOfALargePoolTakeOver() {
    var bench = PolicyBench(
      .leastRequest, weights: [Double](repeating: 1, count: 300), backups: [298, 299])
    for position in 0..<298 { bench.set(position, isEligible: false) }
    bench.picker.finishTable()
    #expect(places(&bench) == [298, 299])
  }
}

@Suite struct SessionTests {
  @Test(arguments: BalancePolicy.allCases)
  func aSessionBeatsPolicyAndWeightButNotHealth(policy: BalancePolicy) {
    var bench = PolicyBench(policy, weights: [1, 1, 1])
    let key = PickKey(hash: 5, session: 1)
    bench.load[1] = 100
    for _ in 0..<20 { #expect(bench.pick(key) == 1) }
    bench.set(1, weight: 0)
    #expect(bench.pick(key) == 1)
    // A draining endpoint takes no new exchanges, but takes its sessions.
    bench.picker.set(1, weight: 0, isEligible: false, takesSessions: true, now: .seconds(1))
    #expect(bench.pick(key) == 1)
    #expect(bench.pick(PickKey(hash: 5)) != 1)
    bench.picker.set(1, weight: 1, isEligible: false, takesSessions: false, now: .seconds(1))
    #expect(bench.pick(key) != 1)
  }

  @Test func anEjectedOrTriedEndpointLosesItsSessions() {
    var bench = PolicyBench(.leastRequest, weights: [1, 1, 1])
    let key = PickKey(session: 1)
    var tried = TriedSet()
    tried.insert(1)
    #expect(bench.pick(key, tried: tried) != 1)
    bench.fail(1)
    #expect(bench.pick(key) != 1)
  }

  @Test func aSessionAtABackupStaysThere() {
    var bench = PolicyBench(.leastRequest, weights: [1, 1], backups: [1])
    #expect(bench.pick(PickKey(session: 1)) == 1)
    #expect(bench.pick() == 0)
  }

  @Test func aPositionThatIsNoneIsIgnored() {
    var bench = PolicyBench(.leastRequest, weights: [1, 1])
    #expect(bench.pick(PickKey(session: 2)) != nil)
    #expect(bench.pick(PickKey(session: -1)) != nil)
  }
}
