import Demo
import Primitives
import Testing

@Suite struct RaceStatisticsTests {
  private func record(_ due: Int, _ latency: Int, _ outcome: RequestOutcome = .ok) -> RequestRecord
  {
    let due = Nanoseconds.milliseconds(due)
    return RequestRecord(
      dueAt: due, sentAt: due, endedAt: due + .milliseconds(latency), outcome: outcome)
  }

  private func statistics(_ records: [RequestRecord]) -> RaceStatistics {
    RaceStatistics(records, from: .seconds(10), to: .seconds(20), requestTimeout: .seconds(30))
  }

  @Test(arguments: [
    (0.5, 50.0), (0.99, 99), (0.999, 100), (1, 100), (0, 1), (0.01, 1), (0.011, 2),
  ])
  func quantilesAreNearestRanks(q: Double, value: Double) {
    #expect(RaceStatistics.quantile(q, ofSorted: (1...100).map(Double.init)) == value)
  }

  @Test func nothingHasNoQuantile() {
    #expect(RaceStatistics.quantile(0.5, ofSorted: []) == nil)
    let none = statistics([])
    #expect(none.requests == 0 && none.p50Seconds == nil && none.goodputPerSecond == 0)
  }

  @Test func onlyWhatWasDueInTheWindowCounts() {
    let all = statistics([
      record(9_999, 1), record(10_000, 100), record(19_999, 25_000), record(20_000, 1),
    ])
    #expect(all.requests == 2 && all.ok == 2)
    #expect(all.p50Seconds == 0.1 && all.p99Seconds == 25 && all.meanSeconds == 12.55)
    #expect(all.goodputPerSecond == 0.2)
  }

  @Test func latencyCountsFromWhenTheRequestWasDue() {
    let late = RequestRecord(
      dueAt: .seconds(10), sentAt: .seconds(11), endedAt: .seconds(12), outcome: .ok)
    #expect(statistics([late]).p50Seconds == 2)
  }

  @Test func failuresAreCountedByKindAndDoNotMakeAQuantileLookBetter() {
    let outcomes: [RequestOutcome] = [.status, .status, .timeout, .cut, .refused, .unsent]
    let all = statistics(outcomes.map { record(12_000, 1, $0) } + [record(12_000, 300)])
    #expect(
      all.failed == [.status: 2, .timeout: 1, .cut: 1, .refused: 1, .unsent: 1])
    #expect(all.ok == 1 && all.p99Seconds == 0.3)
    #expect(all.p99WithFailuresSeconds == 30)
  }

  @Test func sharesAreOfTheServersAndTheStretchAskedFor() {
    let arrivals = [(8, 1), (8, 2), (9, 2), (8, 3), (7, 2), (10, 2)].map {
      EndpointArrival(server: $0.0, at: .seconds($0.1))
    }
    let shares = RaceStatistics.shares(
      arrivals, servers: 8..<10, from: .seconds(2), to: .seconds(4))
    #expect(shares == [2.0 / 3, 1.0 / 3])
    #expect(
      RaceStatistics.shares(arrivals, servers: 8..<10, from: .seconds(9), to: .seconds(10)) == nil)
  }

  @Test func aServerIsLeftWhenASecondHasItsTrialsOnly() {
    // Ten a second for two seconds, then one each second.
    let times = (0..<20).map { 0.1 * Double($0) } + [3, 4, 5]
    let arrivals = times.map { EndpointArrival(server: 1, at: .seconds($0 + 10)) }
    let others = times.map { EndpointArrival(server: 0, at: .seconds($0 / 10 + 10)) }
    func left(_ to: Double) -> Double? {
      RaceStatistics.secondsUntilLeft(
        arrivals + others, server: 1, from: .seconds(10), to: .seconds(to))
    }
    #expect(left(16).map { abs($0 - 1.7) < 1e-6 } == true)
    #expect(left(12) == nil)
  }

  @Test func aServerIsBackWithItsFirstRequest() {
    let arrivals = [1.0, 2, 5.5, 7].map { EndpointArrival(server: 2, at: .seconds($0)) }
    func back(_ server: Int, _ to: Double) -> Double? {
      RaceStatistics.secondsUntilTaken(
        arrivals, server: server, from: .seconds(5), to: .seconds(to))
    }
    #expect(back(2, 10).map { abs($0 - 0.5) < 1e-9 } == true)
    #expect(back(2, 5.5) == nil && back(1, 10) == nil)
  }
}
