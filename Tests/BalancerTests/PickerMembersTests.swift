import Fleet
import Primitives
import Testing

@testable import Balancer

/// Endpoints are added, removed and changed, and a new picker is compared after each change.
private struct Bench {
  private static let indexesMax = 700
  let pickBoard = PickBoard(endpointLimit: indexesMax)
  var pool: Pool
  var picker: Picker
  var load = [Int32](repeating: 0, count: indexesMax)
  var random: RandomSource
  var weights: [Int: Double] = [:]

  init(_ policy: BalancePolicy, count: Int, seed: UInt64) {
    pool = Pool.numbered(count)
    pool.balance = policy
    random = RandomSource(seed: seed)
    picker = Picker(pool: pool)
    for position in 0..<count { setWeight(position) }
    picker.finishTable()
  }

  mutating func next(_ bound: Int) -> Int { Int(random.unit() * Double(bound)) }

  /// Sets a weight that depends on the index alone, so that a new picker has the same.
  private mutating func setWeight(_ position: Int) {
    let weight = Double(1 + next(5))
    weights[picker.candidates[position].endpointIndex] = weight
    picker.set(position, weight: weight, isEligible: true, now: .zero, isFirst: true)
  }

  mutating func change() {
    for _ in 0..<(1 + next(3)) {
      switch next(3) {
      case 0:
        let free = (0..<Self.indexesMax).filter { weights[$0] == nil }
        var endpoint = Endpoint(address: .loopback(port: UInt16(1_000 + next(50_000))))
        endpoint.endpointIndex = free[next(free.count)]
        endpoint.isBackup = next(5) == 0
        pool.endpoints.append(endpoint)
        picker.append(endpoint, pickBoard)
        setWeight(picker.candidates.count - 1)
      case 1 where !pool.endpoints.isEmpty:
        let position = next(pool.endpoints.count)
        weights[pool.endpoints[position].endpointIndex] = nil
        pool.endpoints.swapAt(position, pool.endpoints.count - 1)
        pool.endpoints.removeLast()
        picker.remove(at: position)
      case 2 where !pool.endpoints.isEmpty:
        let position = next(pool.endpoints.count)
        pool.endpoints[position].isBackup.toggle()
        pool.endpoints[position].baseWeight = Double(next(4))
        picker.update(position, pool.endpoints[position])
      default: break
      }
    }
    picker.finishMembers()
    for index in load.indices { load[index] = Int32(next(4)) }
  }

  /// A new picker of the present pool.
  func anew() -> Picker {
    var picker = Picker(pool: pool)
    for (position, endpoint) in pool.endpoints.enumerated() {
      picker.set(
        position, weight: weights[endpoint.endpointIndex] ?? 0, isEligible: true, now: .zero,
        isFirst: true)
    }
    picker.finishTable()
    return picker
  }

  func picks(_ picker: Picker, _ count: Int) -> [Int?] {
    var picker = picker
    var random = RandomSource(seed: 5)
    return load.withUnsafeBufferPointer { load in
      (0..<count).map { number in
        picker.pick(
          now: .seconds(9), load: load.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
          key: PickKey(hash: UInt64(number)), random: &random)
      }
    }
  }
}

@Suite struct PickerMembersTests {
  @Test(arguments: BalancePolicy.allCases, [3, 280])
  func changesComeToWhatAPickerBuiltAnewHas(_ policy: BalancePolicy, count: Int) {
    var bench = Bench(policy, count: count, seed: UInt64(count))
    for _ in 0..<60 {
      bench.change()
      // Smooth round robin keeps a state that a new picker does not have.
      for position in bench.picker.candidates.indices {
        bench.picker.candidates[position].current = 0
      }
      let anew = bench.anew()
      #expect(
        bench.picker.candidates.map(\.endpointIndex) == anew.candidates.map(\.endpointIndex))
      #expect(bench.picker.hasBackups == anew.hasBackups)
      #expect(bench.picker.ranks.map(\.inverse) == anew.ranks.map(\.inverse))
      #expect(bench.picker.cumulative.last == anew.cumulative.last)
      #expect(bench.picks(bench.picker, 20) == bench.picks(anew, 20))
    }
  }

  @Test func whatIsKnownOfTheOthersStaysWithThem() {
    let pickBoard = PickBoard(endpointLimit: 4)
    var picker = Picker.numbered([1, 1, 1])
    for _ in 0..<3 {
      _ = picker.failed(2, .status, pickBoard: pickBoard, now: .seconds(1))
    }
    #expect(picker.candidates[2].health.isHalfOpen && picker.hasHalfOpen)
    picker.remove(at: 0)
    picker.finishMembers()
    #expect(picker.candidates.map(\.endpointIndex) == [2, 1])
    #expect(picker.candidates[0].health.isHalfOpen && picker.hasHalfOpen)
    picker.remove(at: 0)
    picker.finishMembers()
    #expect(!picker.hasHalfOpen)
  }

  @Test func noticesOfTheIndexsLastOwnerAreNotTakenAgain() {
    let pickBoard = PickBoard(endpointLimit: 4)
    var random = RandomSource(seed: 1)
    var picker = Picker.numbered([1, 1, 1])
    pickBoard.notify(.stalled, 3)
    var endpoint = Endpoint(address: .loopback(port: 9))
    endpoint.endpointIndex = 3
    picker.append(endpoint, pickBoard)
    picker.set(3, weight: 1, isEligible: true, now: .zero, isFirst: true)
    picker.finishMembers()
    picker.takeNotices(pickBoard, now: .seconds(1), &random)
    #expect(!picker.hasHalfOpen)
    pickBoard.notify(.stalled, 3)
    picker.takeNotices(pickBoard, now: .seconds(2), &random)
    #expect(picker.hasHalfOpen)
  }
}
