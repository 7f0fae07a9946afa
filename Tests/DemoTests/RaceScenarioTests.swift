import Demo
import Primitives
import Testing

@Suite struct RaceScenarioTests {
  private let field = RaceField(speeds: [1, 1, 1, 2, 2, 2, 4, 4], slots: 8, unitSeconds: 0.8)

  @Test func theCapacityIsWhatAllSlotsDo() {
    #expect(abs(field.capacity - 170) < 1e-9)
    #expect(abs(field.fairShare(7) - 4.0 / 17) < 1e-12)
    #expect(abs(field.fairShare(7, ratio: 0.25) - 1.0 / 14) < 1e-12)
  }

  @Test(arguments: zip(RaceScenario.allCases, [nil, 0, 7, 3, 3, 3, 3, 3, 3, 3]))
  func troubleComesToOneEndpoint(scenario: RaceScenario, endpoint: Int?) {
    #expect(scenario.endpoint(of: field) == endpoint)
  }

  @Test func faultsComeAtFixedFractions() {
    #expect(RaceScenario.steady.steps(seconds: 60) == [])
    #expect(RaceScenario.drop4.steps(seconds: 60) == [.init(at: .seconds(20), mode: .slow(4))])
    #expect(RaceScenario.hang.steps(seconds: 30) == [.init(at: .seconds(10), mode: .hanging)])
    #expect(RaceScenario.fail.steps(seconds: 90) == [.init(at: .seconds(30), mode: .failing)])
    #expect(
      RaceScenario.cold.steps(seconds: 60) == [
        .init(at: .seconds(10), mode: .dead), .init(at: .seconds(20), mode: .warming(.seconds(10))),
      ])
  }

  @Test func healingFaultsLastFromAnEighthToTheMiddle() {
    #expect(RaceScenario.fail.outage(seconds: 40) == nil)
    #expect(RaceScenario.deadHeal.outage(seconds: 40) == .seconds(5)..<Nanoseconds.seconds(20))
    #expect(
      RaceScenario.slowHeal.steps(seconds: 40) == [
        .init(at: .seconds(5), mode: .slow(20)), .init(at: .seconds(20), mode: .healthy),
      ])
  }

  @Test(arguments: RaceScenario.allCases, [6.0, 12, 30, 60, 600])
  func windowsFollowTheEventAndEndWithTheRace(scenario: RaceScenario, seconds: Double) {
    let windows = scenario.windows(seconds: seconds, field: field)
    guard let event = scenario.steps(seconds: seconds).last else {
      #expect(windows.isEmpty)
      return
    }
    #expect(windows.first?.from == event.at)
    for (window, next) in zip(windows, windows.dropFirst()) { #expect(window.to == next.from) }
    for window in windows {
      #expect(window.to - window.from >= .seconds(2) && window.to <= .seconds(seconds))
    }
  }

  @Test func theLastWindowOfColdIsFifteenSecondsAfterItIsGoodAgain() {
    let windows = RaceScenario.cold.windows(seconds: 60, field: field)
    #expect(windows.map(\.label) == ["0-5 s", "5-10 s", "10-20 s", "20-30 s"])
    let good = Nanoseconds.seconds(20) + RaceScenario.warmUp
    #expect(windows.last?.from == good + .seconds(10) && windows.last?.to == good + .seconds(20))
    #expect(windows.last?.fairShare == 2.0 / 17)
  }

  @Test func whatIsLeftCanCarryTheLoad() {
    let total = field.speeds.reduce(0, +)
    for scenario in RaceScenario.allCases {
      guard let endpoint = scenario.endpoint(of: field) else { continue }
      let lost = field.speeds[endpoint] * (scenario == .drop4 ? 0.75 : 1)
      #expect(scenario.loadRatio * total / (total - lost) < 0.92)
    }
  }
}
