import Balancer
import Fleet
import Primitives
import Testing

/// Two pickers with the same history. One has a limit that is never reached, and therefore checks
/// every condition of every endpoint.
private struct Twins {
  var quick: Picker
  var thorough: Picker
  var randoms: (RandomSource, RandomSource)
  var load: [Int32]
  let pickBoard: PickBoard

  init(count: Int, backups: Int, seed: UInt64) {
    var pool = Pool.numbered(count) { endpoint, index in
      endpoint.isBackup = index >= count - backups
    }
    pool.balance = .leastRequest
    quick = Picker(pool: pool)
    thorough = Picker(pool: pool)
    randoms = (RandomSource(seed: seed), RandomSource(seed: seed))
    load = [Int32](repeating: 0, count: count)
    pickBoard = PickBoard(endpointLimit: count)
  }

  mutating func both(_ change: (inout Picker) -> Void) {
    change(&quick)
    change(&thorough)
  }

  mutating func pick(now: Nanoseconds) -> (Int?, Int?) {
    var limited = EndpointRoom()
    limited.requestsMax = .max - 1
    return load.withUnsafeBufferPointer { load in
      (
        quick.pick(
          now: now, load: load.baseAddress!, pickBoard: pickBoard, tried: TriedSet(),
          random: &randoms.0),
        thorough.pick(
          now: now, load: load.baseAddress!, pickBoard: pickBoard, tried: TriedSet(), room: limited,
          random: &randoms.1)
      )
    }
  }
}

@Suite struct QuickScanTests {
  /// Weights change, endpoints are removed and added, fail, recover and are full. The quick scan
  /// always chooses like the scan that checks everything.
  @Test(arguments: [1, 2, 3, 5, 8, 13])
  func theQuickScanChoosesAsTheThoroughOne(seed: UInt64) {
    var life = RandomSource(seed: seed)
    let count = 2 + life.index(below: 40)
    var twins = Twins(count: count, backups: life.index(below: 3), seed: seed)
    var now = Nanoseconds.seconds(100)
    twins.both { picker in
      for position in 0..<count {
        picker.set(position, weight: 1, isEligible: true, now: now, isFirst: true)
      }
      picker.finishTable()
    }
    for _ in 0..<3_000 {
      now = now + .milliseconds(life.index(below: 200))
      let position = life.index(below: count)
      let weight = Double(life.index(below: 4))
      let isEligible = life.index(below: 8) != 0
      let hasRoom = life.index(below: 4) != 0
      if life.index(below: 40) == 0 {
        let slots = Double(1 + life.index(below: 8))
        twins.pickBoard.setShape(
          position, ServiceShape(knee: slots, slope: 2 * slots, marginal: 1.5))
        let pickBoard = twins.pickBoard
        twins.both { $0.takeNotices(pickBoard, now: now, &life) }
      }
      switch life.index(below: 60) {
      case 0:
        twins.both { picker in
          picker.set(position, weight: weight, isEligible: isEligible, now: now)
          picker.finishTable()
        }
      case 1:
        let pickBoard = twins.pickBoard
        twins.both { _ = $0.failed(position, .unreachable, pickBoard: pickBoard, now: now) }
      case 2: twins.both { $0.setRoom(position, hasRoom) }
      case 3..<20: twins.both { _ = $0.succeeded(position, now: now) }
      default: break
      }
      let (quick, thorough) = twins.pick(now: now)
      #expect(quick == thorough)
      guard let quick, quick == thorough else { continue }
      twins.load[quick] += 1
      if life.index(below: 3) != 0 {
        let leaving = life.index(below: count)
        twins.load[leaving] = max(0, twins.load[leaving] - 2)
      }
    }
  }
}
