import Controller
import Fleet
import Primitives
import Testing

@Suite struct LawTests {
  private static let steps: [(Double, Double)] = [
    (0, 4), (29.9, 4), (29.999999, 4), (30, 3), (59.9, 3), (60, 2), (79.9, 2), (80, 1), (100, 1),
  ]

  @Test(arguments: steps) func theStepsPresetIsTheTableThatPeopleHave(load: Double, weight: Double)
  {
    #expect(ControlLaw.stepWeight(loadPercent: load, .steps306080) == weight)
    // The same as two utilisations whose mean it is.
    let signals = [
      LawSignal(name: "cpu", value: load / 100, isRatio: true),
      LawSignal(name: "memory", value: load / 100, isRatio: true),
    ]
    #expect(ControlLaw.steps(signals, .steps306080)?.factor == weight)
  }

  @Test func everyWholePercentFallsIntoTheRowThatItsNumberNames() {
    for cpu in 0...100 {
      for memory in 0...100 {
        let signals = [cpu, memory].map {
          LawSignal(name: "x", value: Double($0) * 0.01, isRatio: true)
        }
        let twice = cpu + memory
        let weight = twice < 60 ? 4.0 : twice < 120 ? 3 : twice < 160 ? 2 : 1
        #expect(ControlLaw.steps(signals, .steps306080)?.factor == weight, "\(cpu) \(memory)")
      }
    }
  }

  @Test func stepsTakeUtilisationsOnlyAndSayWhatTheyTook() {
    let signals = [
      LawSignal(name: "waiting", value: 50, thresholds: .init(normal: 10, alarm: 50)),
      LawSignal(name: "cpu", value: 0.5, isRatio: true),
      LawSignal(name: "memory", value: 0.41, isStale: true, isRatio: true),
    ]
    #expect(ControlLaw.steps([signals[0]], .steps306080) == nil)
    let verdict = ControlLaw.steps(signals, .steps306080)
    #expect(verdict?.factor == 3)
    #expect(verdict?.isStale == true)
    guard case .load(let ratio, let signals)? = verdict?.evidence else {
      Issue.record("\(String(describing: verdict))")
      return
    }
    #expect(abs(ratio - 0.455) < 1e-9)
    #expect(signals == [.init(name: "cpu", value: 0.5), .init(name: "memory", value: 0.41)])
  }

  private static let headroom: [(Double, Double, Double)] = [
    (0, 0, 1), (0.8, 0, 1), (0.875, 0, 0.525), (0.95, 0, 0.05), (1, 0, 0.05), (7, 0, 0.05),
    (0, 10, 1), (0, 30, 0.525), (0.875, 50, 0.05), (-1, 0, 1), (0.8375, 20, 0.7625),
  ]

  @Test(arguments: headroom)
  func headroomFollowsTheSignalNearestToItsAlarm(kv: Double, queue: Double, factor: Double) throws {
    let signals = [
      LawSignal(name: "kv_cache", value: kv, thresholds: .init(normal: 0.8, alarm: 0.95)),
      LawSignal(name: "waiting", value: queue, thresholds: .init(normal: 10, alarm: 50)),
      LawSignal(name: "running", value: 1e9),
    ]
    let verdict = try #require(ControlLaw.headroom(signals, floorRatio: 0.05))
    #expect(near(verdict.factor, factor))
    #expect((0.05...1).contains(verdict.factor))
  }

  @Test func headroomNamesItsReason() {
    let signals = [
      LawSignal(name: "waiting", value: 12, thresholds: .init(normal: 10, alarm: 50)),
      LawSignal(name: "kv_cache", value: 0.91, thresholds: .init(normal: 0.8, alarm: 0.95)),
    ]
    let verdict = ControlLaw.headroom(signals, floorRatio: 0.05)
    #expect(verdict?.evidence.words == "kv_cache 0.91, between normal 0.8 and alarm 0.95")
    #expect(ControlLaw.headroom([LawSignal(name: "running", value: 4)], floorRatio: 0) == nil)
  }

  @Test func theMedianIsTheMiddleOne() {
    #expect(ControlLaw.median([]) == nil)
    #expect(ControlLaw.median([3]) == 3)
    #expect(ControlLaw.median([3, 1, 2]) == 2)
    #expect(ControlLaw.median([4, 1, 2, 3]) == 2.5)
  }
}

@Suite struct SignalStateTests {
  private static let interval = Nanoseconds.seconds(1)

  private static let ages: [(interval: Int, seconds: Double, Freshness)] = [
    (1, 0, .fresh), (1, 3, .fresh), (1, 3.001, .stale), (1, 30, .stale), (1, 30.001, .expired),
    (5, 15, .fresh), (5, 15.001, .stale), (5, 50, .stale), (5, 50.001, .expired),
  ]

  @Test(arguments: ages.indices) func aNumberAgesFromWhenItsScrapeWasSent(row: Int) {
    let (interval, seconds, freshness) = Self.ages[row]
    var state = SignalState()
    state.take(.value(1), sentAt: .seconds(100))
    let now = Nanoseconds.seconds(100) + .seconds(seconds)
    #expect(state.freshness(now: now, interval: .seconds(interval)) == freshness)
  }

  @Test func aMissingNumberLeavesTheLastOneToGrowOld() {
    var state = SignalState()
    #expect(state.freshness(now: .zero, interval: Self.interval) == .blackout)
    state.take(.absent(.missing), sentAt: .zero)
    #expect(state.freshness(now: .zero, interval: Self.interval) == .blackout)
    state.take(.value(7), sentAt: .seconds(1))
    state.take(.absent(.notFinite), sentAt: .seconds(5))
    #expect(state.value == 7)
    #expect(state.reading == .absent(.notFinite))
    #expect(state.freshness(now: .seconds(5), interval: Self.interval) == .stale)
  }

  @Test func aRestartForgetsTheNumber() {
    var state = SignalState()
    state.take(.value(7), sentAt: .zero)
    state.restart()
    #expect(state.freshness(now: .zero, interval: Self.interval) == .blackout)
    state.take(.value(0), sentAt: .zero)
    #expect(state.freshness(now: .zero, interval: Self.interval) == .fresh)
  }
}
