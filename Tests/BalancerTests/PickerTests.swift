import Balancer
import Fleet
import Primitives
import Testing

/// A picker over endpoints in slots 0… with the weights given, and in-flight counts beside it.
private struct Bench {
  var picker: Picker
  var load: [Int32]
  var random = RandomSource(seed: 1)
  let hints: HintBoard

  init(_ policy: BalancePolicy, weights: [Double], ejection: EjectionPolicy = EjectionPolicy()) {
    var pool = Pool(
      name: "a",
      endpoints: weights.indices.map { index in
        var endpoint = Endpoint(address: .loopback(port: UInt16(index + 1)))
        endpoint.slot = index
        return endpoint
      })
    pool.balance = policy
    pool.ejection = ejection
    picker = Picker(pool: pool)
    hints = HintBoard(slotCount: weights.count)
    load = [Int32](repeating: 0, count: weights.count)
    for (position, weight) in weights.enumerated() {
      picker.set(position, weight: weight, isEligible: true, now: .zero, isFirst: true)
    }
  }

  mutating func pick(now: Nanoseconds = .seconds(1), tried: TriedSet = TriedSet()) -> Int? {
    load.withUnsafeBufferPointer { load in
      picker.pick(now: now, load: load.baseAddress!, hints: hints, tried: tried, random: &random)
    }
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
    // (0 + 1) / 1 against (2 + 1) / 4.
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
    // The others fail too: it takes three.
    for other in [1, 2] {
      _ = bench.picker.failed(other, .status, hints: bench.hints, now: now)
      #expect(bench.picker.succeeded(other, now: now) == false)
    }
    for _ in 0..<2 {
      #expect(bench.picker.failed(0, .status, hints: bench.hints, now: now) == nil)
    }
    #expect(bench.picker.failed(0, .status, hints: bench.hints, now: now) == .seconds(102))
    for _ in 0..<20 { #expect(bench.pick(now: .seconds(101)) != 0) }
    // One trial, not two at once.
    #expect(bench.pick(now: .seconds(102)) == 0)
    bench.load[0] = 1
    for _ in 0..<20 { #expect(bench.pick(now: .seconds(102)) != 0) }
    // A trial that fails doubles the rest.
    #expect(
      bench.picker.failed(0, .status, hints: bench.hints, now: .seconds(103)) == .seconds(107))
    bench.load[0] = 0
    // The second time five good answers are wanted.
    for trial in 0..<5 {
      #expect(bench.pick(now: .seconds(108)) == 0)
      #expect(bench.picker.succeeded(0, now: .seconds(108)) == (trial == 4))
    }
    // Slow start: 30 % of its weight at first.
    bench.load = [0, 1, 1]
    #expect(bench.pick(now: .seconds(108)) != 0)
    #expect(bench.pick(now: .seconds(112)) == 0)
  }

  @Test func ignoresEjectionWhenHalfThePoolIsGone() {
    var ejection = EjectionPolicy()
    ejection.failsMax = 1
    var bench = Bench(.leastRequest, weights: [1, 1, 1], ejection: ejection)
    for position in 0..<2 {
      _ = bench.picker.failed(position, .status, hints: bench.hints, now: .seconds(1))
    }
    let counts = bench.counts(of: 300)
    #expect(counts.allSatisfy { $0 > 50 }, "\(counts)")
  }

  @Test func ejectionAloneNeverEmptiesAPool() {
    var ejection = EjectionPolicy()
    ejection.failsMax = 1
    var bench = Bench(.leastRequest, weights: [1], ejection: ejection)
    _ = bench.picker.failed(0, .status, hints: bench.hints, now: .seconds(1))
    #expect(bench.pick() == 0)
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
          _ = bench.picker.failed(other, .status, hints: bench.hints, now: .milliseconds(step))
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
