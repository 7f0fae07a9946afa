import Primitives
import Testing

@testable import IO

/// The plain way: a dictionary of deadlines.
private struct Model {
  var deadlines: [Int: Nanoseconds] = [:]

  mutating func expired(_ now: Nanoseconds) -> Set<Int> {
    // The wheel looks once a tick of 2^24 ns: due is what lies before the tick of `now`.
    let tick = Nanoseconds((now.rawValue >> 24) << 24)
    let due = Set(deadlines.filter { $0.value < tick }.keys)
    for index in due { deadlines[index] = nil }
    return due
  }
}

@Suite struct TimerWheelTests {
  @Test(arguments: 0..<10 as Range<UInt64>)
  func expiresWhatTheModelExpires(seed: UInt64) {
    var random = RandomSource(seed: seed)
    var now = Nanoseconds.seconds(5)
    var wheel = TimerWheel(capacity: 50, now: now)
    var model = Model()
    for _ in 0..<4_000 {
      let index = random.index(below: 50)
      switch random.index(below: 4) {
      case 0:
        wheel.cancel(index)
        model.deadlines[index] = nil
      case 1, 2:
        // From the past to far beyond one turn of the wheel.
        let span = [100_000_000, 2_000_000_000, 60_000_000_000][random.index(below: 3)]
        let deadline = Nanoseconds(now.rawValue + Int64(random.index(below: span)) - 20_000_000)
        wheel.set(index, at: deadline)
        // One in the past is due with the next tick.
        model.deadlines[index] = max(deadline, Nanoseconds((now.rawValue >> 24) << 24))
      default:
        now = now + Nanoseconds(Int64(random.index(below: 3_000_000_000)))
        var expired: Set<Int> = []
        while case let next = wheel.expired(now: now), next >= 0 {
          #expect(expired.insert(next).inserted)
        }
        let wanted = model.expired(now)
        let early = expired.subtracting(wanted)
        let late = wanted.subtracting(expired)
        #expect(early.isEmpty, "seed \(seed)")
        #expect(late.isEmpty, "seed \(seed)")
      }
    }
  }

  @Test func saysWhenToLookAgain() {
    var wheel = TimerWheel(capacity: 4, now: .zero)
    #expect(wheel.nextTick() == .distantFuture)
    wheel.set(1, at: .milliseconds(100))
    let next = wheel.nextTick()
    #expect(next > .milliseconds(100) && next < .milliseconds(140))
    #expect(wheel.expired(now: .milliseconds(90)) == -1)
    #expect(wheel.expired(now: next) == 1)
    #expect(wheel.expired(now: .seconds(100)) == -1)
    #expect(wheel.nextTick() == .distantFuture)
  }
}
