import Demo
import Primitives
import Testing

@Suite struct WarmUpTests {
  private let ramp = WarmUp(start: .seconds(100), span: .seconds(10), firstRatio: 0.1)

  @Test(arguments: [
    (100.0, 100.0, 0.0), (100, 110, 5.5), (100, 105, 1.625), (105, 110, 3.875), (105, 115, 8.875),
    (110, 113, 3), (120, 121, 1),
  ])
  func worksAlongTheRamp(from: Double, to: Double, work: Double) {
    #expect(abs(ramp.work(from: .seconds(from), to: .seconds(to)) - work) < 1e-9)
  }

  @Test func theInstantOfSomeWorkIsWhenThatWorkIsDone() {
    for from in stride(from: 100.0, through: 112, by: 0.7) {
      for work in [0, 0.01, 0.5, 3, 5.5, 20] {
        let instant = ramp.instant(after: work, from: .seconds(from))
        #expect(instant >= .seconds(from) - Nanoseconds(10))
        #expect(abs(ramp.work(from: .seconds(from), to: instant) - work) < 1e-6)
      }
    }
  }

  @Test func aRampThatBeginsAtFullSpeedIsNone() {
    let flat = WarmUp(start: .zero, span: .seconds(4), firstRatio: 1)
    #expect(flat.work(from: .seconds(1), to: .seconds(3)) == 2)
    #expect(flat.instant(after: 2, from: .seconds(1)) == .seconds(3))
  }

  @Test func aServerThatComesBackColdIsSlowFirstAndThenAsBefore() {
    var server = VirtualServer(speed: 2, slots: 1, queueMax: 10, now: .zero)
    server.set(.dead)
    var finished = server.advance(to: .seconds(5))
    server.set(.warming(.seconds(10)))
    #expect(server.mode.label == "warming")
    // 11 units in the first 10 s (5.5 s × 2), then 2 a second.
    let taken = [
      server.arrive(1, work: 11, now: .seconds(5)), server.arrive(2, work: 2, now: .seconds(5)),
    ]
    #expect(taken == [true, true])
    #expect(server.nextEvent.map { abs($0.seconds - 15) < 1e-6 } == true)
    finished = server.advance(to: .milliseconds(14_990))
    #expect(finished == [])
    finished = server.advance(to: .milliseconds(15_010))
    #expect(finished == [1])
    finished = server.advance(to: .milliseconds(16_010))
    #expect(finished == [2])
  }

  @Test func theRampGivesTheSameInSmallStepsAndInOne() {
    var small = VirtualServer(speed: 3, slots: 4, queueMax: 50, now: .zero)
    var large = VirtualServer(speed: 3, slots: 4, queueMax: 50, now: .zero)
    small.set(.warming(.seconds(10)))
    large.set(.warming(.seconds(10)))
    var random = RandomSource(seed: 7)
    for id in 1...40 {
      let work = 0.1 + random.unit()
      _ = small.arrive(UInt64(id), work: work, now: .zero)
      _ = large.arrive(UInt64(id), work: work, now: .zero)
    }
    var inSteps: [UInt64] = []
    for step in 1...1_000 { inSteps += small.advance(to: .milliseconds(step * 10)) }
    let atOnce = large.advance(to: .seconds(10))
    #expect(inSteps == atOnce)
    #expect(!inSteps.isEmpty)
  }
}
