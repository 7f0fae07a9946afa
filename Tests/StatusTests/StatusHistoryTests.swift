import Exposition
import Fleet
import Primitives
import Testing

@testable import Status

@Suite struct StatusHistoryTests {
  @Test func nothingIsKnownBeforeTheSecondReading() throws {
    var world = World()
    world.endpoints[0].serve(5, lasting: 0.01)
    world.step()
    let endpoint = try #require(world.snapshot.pools.first?.endpoints.first)
    #expect(endpoint.traffic == TrafficNumbers())
    #expect(endpoint.trafficShare == nil)
    #expect(StatusHistory().snapshot(decisions: []) == nil)
  }

  @Test func ratesAndRatiosAreThoseOfTheLastTenSeconds() throws {
    var world = World(endpointCount: 2)
    world.run(3)
    // 30 s at 10 a second, then 5 s at 40, one of four of them an error.
    world.run(30) { $0.endpoints[0].serve(10, lasting: 0.1) }
    var pool = try #require(world.snapshot.pools.first)
    #expect(pool.traffic.requestsPerSecond == 10)
    #expect(pool.traffic.errorRatio == 0)
    #expect(pool.endpoints[1].traffic.errorRatio == nil)
    #expect(pool.endpoints[0].trafficShare == 1)
    world.run(5) { $0.endpoints[0].serve(40, lasting: 0.1, errors: 10) }
    pool = try #require(world.snapshot.pools.first)
    #expect(pool.traffic.requestsPerSecond == 25)
    #expect(pool.traffic.errorRatio == 0.2)
    world.run(11)
    pool = try #require(world.snapshot.pools.first)
    #expect(pool.traffic.requestsPerSecond == 0)
    #expect(pool.traffic.errorRatio == nil)
    #expect(pool.traffic.p99 == nil)
  }

  @Test func quantilesForgetWhatIsOlderThanTenSeconds() throws {
    var world = World()
    world.step()
    world.run(20) { $0.endpoints[0].serve(10, lasting: 5, firstByte: 1) }
    var traffic = try #require(world.snapshot.pools.first?.endpoints.first?.traffic)
    #expect(abs((traffic.p50 ?? 0) - 5) < 5 / 15)
    #expect(abs((traffic.firstByteP99 ?? 0) - 1) < 1 / 15)
    world.run(11) { $0.endpoints[0].serve(10, lasting: 0.02, firstByte: 0.01) }
    traffic = try #require(world.snapshot.pools.first?.endpoints.first?.traffic)
    #expect(abs((traffic.p99 ?? 0) - 0.02) < 0.02 / 15)
    #expect(abs((traffic.firstByteP50 ?? 0) - 0.01) < 0.01 / 15)
    #expect(world.snapshot.pools.first?.traffic.p99 == traffic.p99)
  }

  @Test func withoutMeasuredFirstBytesNothingIsSaidOfThem() throws {
    var world = World()
    world.step()
    world.run(5) { $0.endpoints[0].serve(10, lasting: 1) }
    let traffic = try #require(world.snapshot.pools.first?.traffic)
    #expect(traffic.firstByteP50 == nil && traffic.p50 != nil)
  }

  /// The model keeps every reading of the last minute and computes anew.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func randomTrafficGivesWhatTheModelGives(seed: UInt64) throws {
    var random = RandomSource(seed: seed)
    var world = World()
    var readings: [(ended: Double, errors: Double)] = []
    for _ in 0..<60 {
      let count = Int.random(in: 0...20, using: &random)
      let errors = Int.random(in: 0...count, using: &random)
      world.endpoints[0].serve(count, lasting: 0.1, errors: errors)
      world.step()
      readings.append((Double(world.endpoints[0].ended), Double(world.endpoints[0].errors)))
      let first = readings[max(0, readings.count - 11)]
      let last = readings[readings.count - 1]
      let traffic = try #require(world.snapshot.pools.first?.traffic)
      guard readings.count > 1 else { continue }
      let span = Double(min(10, readings.count - 1))
      #expect(traffic.requestsPerSecond == (last.ended - first.ended) / span)
      let ended = last.ended - first.ended
      #expect(traffic.errorRatio == (ended > 0 ? (last.errors - first.errors) / ended : nil))
    }
  }

  @Test func aCounterThatFallsBeginsAnew() throws {
    var world = World()
    world.run(20) { $0.endpoints[0].serve(10, lasting: 0.1) }
    world.endpoints[0].clear()
    world.run(3) { $0.endpoints[0].serve(1, lasting: 0.1) }
    let traffic = try #require(world.snapshot.pools.first?.traffic)
    #expect(traffic.requestsPerSecond == 1)
    #expect(traffic.errorRatio == 0)
  }

  @Test func endpointsAndPoolsThatGoAreForgotten() {
    var world = World(endpointCount: 3)
    world.run(3)
    world.endpoints.removeLast(2)
    world.run(1)
    #expect(world.history.pools["text"]?.endpoints.count == 1)
    var empty = StatusReading(now: world.now + .seconds(1), wall: .seconds(99))
    empty.pools = []
    world.history.take(empty)
    #expect(world.history.pools.isEmpty)
    #expect(world.snapshot.pools.isEmpty)
  }

  @Test func aPauseOfTheProcessIsAMeanAndNoPeak() throws {
    var world = World()
    world.run(20) { $0.endpoints[0].serve(10, lasting: 0.1) }
    world.endpoints[0].serve(600, lasting: 0.1)
    world.step(.seconds(60))
    let rate = try #require(world.snapshot.pools.first?.traffic.requestsPerSecond)
    #expect(rate == 10)
  }

  @Test func chartsKeepTwoMinutes() {
    var ring = ChartRing()
    #expect(ring.values.isEmpty)
    for value in 0..<3 { ring.append(value == 1 ? nil : Double(value)) }
    #expect(ring.values == [0, nil, 2])
    for value in 3..<200 { ring.append(Double(value)) }
    #expect(ring.values == (80..<200).map { Double($0) })
  }

  @Test func sharesCountWhatMayBeUsedNow() throws {
    var world = World(endpointCount: 3)
    world.endpoints[0].row.effective = 3
    world.endpoints[2].isBackup = true
    world.run(2)
    var shares = try #require(world.snapshot.pools.first).endpoints.map(\.weightShare)
    #expect(shares == [0.75, 0.25, 0])
    world.endpoints[0].eligibility = .ejected
    world.endpoints[1].eligibility = .draining
    world.run(1)
    shares = try #require(world.snapshot.pools.first).endpoints.map(\.weightShare)
    #expect(shares == [0, 0, 1])
  }

  @Test func decisionsComeNewestFirstAndBounded() {
    var world = World()
    world.run(1)
    let decisions = (0..<80).map {
      Decision(
        wall: .seconds($0 * 7 % 80), kind: .weight, pool: "text", endpoint: nil, text: "\($0)")
    }
    let told = world.history.snapshot(decisions: decisions)?.decisions ?? []
    #expect(told.map(\.wall) == (30..<80).reversed().map { .seconds($0) })
  }

  @Test func changesOfWeightsDoNotBuryDecisions() {
    var world = World(endpointCount: 1)
    world.run(2)
    func decision(_ kind: Decision.Kind, _ second: Int) -> Decision {
      Decision(
        wall: .seconds(Double(second)), kind: kind, pool: "text", endpoint: nil, text: "\(second)")
    }
    let snapshot = world.history.snapshot(
      decisions: [decision(.ejection, 1)], weightChanges: (0..<80).map { decision(.weight, $0) })
    #expect(snapshot?.decisions.map(\.text) == ["1"])
    #expect(snapshot?.weightChanges.map(\.text) == (60..<80).reversed().map { "\($0)" })
  }
}
