import Exposition
import Fleet
import Primitives
import Testing

@testable import Status

@Suite struct RequestNumbersTests {
  private func numbers(
    _ seconds: Int = 12, _ act: (inout World) -> Void
  ) throws -> (pool: PoolSnapshot, all: RequestNumbers) {
    var world = World(endpointCount: 2)
    world.run(seconds, act)
    return (try #require(world.snapshot.pools.first), world.snapshot.requests)
  }

  @Test func everyRequestIsAnsweredRefusedOrGivenUp() throws {
    let (pool, all) = try numbers {
      $0.endpoints[0].serve(20, lasting: 0.02, errors: 4)
      $0.endpoints[1].refuse(6, tooMany: 2)
      $0.endpoints[1].lose(3, after: 0.01)
      $0.leftQueue += 2
      $0.pool.refusals += 5
      $0.pool.limited += 1
    }
    #expect(pool.requests.arrivals == 37)
    #expect(pool.requests.answered == 26)
    #expect(pool.requests.refused == 6)
    #expect(pool.requests.givenUp == 5)
    #expect(pool.requests.clientErrors == 6)
    #expect(pool.requests.serverErrors == 4)
    #expect(all == pool.requests)
    // 4 errors and 5 refusals of 26 answers, 5 refusals and 5 that left.
    #expect(pool.failureRatio == 0.25)
    #expect(pool.traffic.errorRatio == 4.0 / 26)
  }

  @Test func clientsThatAllLeaveLookLikeNoPeace() throws {
    let (pool, _) = try numbers {
      $0.endpoints[0].lose(47, after: 5)
      $0.pool.overdue += 47
    }
    #expect(pool.requests.arrivals == 47 && pool.requests.givenUp == 47)
    #expect(pool.requests.answered == 0)
    #expect(pool.failureRatio == 1)
    // Nobody was answered: there is no share of the answers.
    #expect(pool.traffic.errorRatio == nil && pool.endpoints[0].traffic.errorRatio == nil)
  }

  @Test func aPoolThatRefusesAllLooksLikeNoPeace() throws {
    let (pool, _) = try numbers { $0.pool.refusals += 60 }
    #expect(pool.requests.arrivals == 60 && pool.requests.refused == 60)
    #expect(pool.requests.answered == 0 && pool.failureRatio == 1)
  }

  @Test func theStatusTellsThem() throws {
    var world = World()
    world.run(12) { $0.endpoints[0].serve(8, lasting: 0.02, errors: 2) }
    let text = String(decoding: world.snapshot.json, as: UTF8.self)
    let part =
      #""arrivals_per_second":8,"answered_per_second":8,"refused_per_second":0,"#
      + #""given_up_per_second":0,"client_errors_per_second":0,"server_errors_per_second":2"#
    #expect(text.split(separator: part, omittingEmptySubsequences: false).count == 3)
    #expect(text.contains(#""failure_ratio":0.25"#))
  }

  // MARK: Patience

  private func patience(_ world: World) -> Nanoseconds? { world.history.patience.first?.wait }

  @Test func patienceIsWhatAnswersUsuallyTake() throws {
    var world = World()
    #expect(patience(world) == nil)
    world.run(5) { $0.endpoints[0].lose(5, after: 1) }
    // Nobody was answered yet: every wait is in vain.
    #expect(patience(world) == .zero)
    world.run(60) { $0.endpoints[0].serve(20, lasting: 2, firstByte: 0.5) }
    let usual = try #require(patience(world)).seconds
    #expect(usual > 0.46 && usual < 0.54)
    // An hour without any answer: what was usual is forgotten after ten minutes.
    world.run(400) { $0.endpoints[0].lose(5, after: 5) }
    #expect(try #require(patience(world)).seconds == usual)
    world.run(300)
    #expect(patience(world) == .zero)
  }

  @Test func aWaitThatNobodyFeelsIsNotHeldAgainstThePool() {
    var world = World()
    world.run(30) { $0.endpoints[0].serve(20, lasting: 0.004, firstByte: 0.004) }
    #expect(patience(world) == .milliseconds(100))
  }

  @Test func theConfigurationMayName() {
    var world = World()
    world.pool.thresholds.patience = .seconds(3)
    world.run(5)
    #expect(patience(world) == .seconds(3))
  }
}
