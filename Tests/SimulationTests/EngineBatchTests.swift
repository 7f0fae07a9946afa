// An engine's steps by hand, its sums against a count of what it has, and engines in whole runs.
import Fleet
import Primitives
import Testing

@testable import Simulation

@Suite struct EngineBatchTests {
  /// Seconds of the step under way; ends it.
  private static func step(_ engine: inout EngineBatch) -> Double {
    let seconds = engine.untilStepEnds ?? .nan
    engine.endStep()
    return seconds
  }

  @Test func aRequestAloneIsStepped() {
    var engine = EngineBatch()
    engine.arrive(7, prompt: 3_000, output: 3, now: .zero)
    // Two chunks of the prompt, then a token a step, which reads what there is.
    let expected: [(seconds: Double, tokens: [Int])] = [
      (0.014 + 2_048 * 67.7e-6, []),
      (0.014 + 952 * 67.7e-6, [7]),
      (0.014 + 103e-6 + 3_000 * 0.134e-6, [7]),
      (0.014 + 103e-6 + 3_001 * 0.134e-6, [7]),
    ]
    for (index, row) in expected.enumerated() {
      #expect(abs(Self.step(&engine) - row.seconds) < 1e-12, "step \(index)")
      #expect(engine.tokens == row.tokens, "step \(index)")
      #expect(engine.ended.count == (index == 3 ? 1 : 0), "step \(index)")
    }
    #expect(engine.untilStepEnds == nil)
    #expect(engine.stepCount == 4)
    #expect(engine.tokenCount == 3)
  }

  @Test func aPromptStallsThoseThatDecode() {
    var engine = EngineBatch()
    engine.arrive(1, prompt: 100, output: 10, now: .zero)
    _ = Self.step(&engine)
    // It comes in the middle of a step and waits for the next one.
    engine.arrive(2, prompt: 2_000, output: 1, now: .zero)
    engine.arrive(3, prompt: 2_000, output: 1, now: .zero)
    #expect(engine.waiting.count == 2)
    #expect(abs(Self.step(&engine) - (0.014 + 103e-6 + 100 * 0.134e-6)) < 1e-12)
    #expect(engine.waiting.isEmpty)
    // Both prompts share the 2,048 tokens of a step, first come, first served.
    #expect(
      abs(Self.step(&engine) - (0.014 + 103e-6 + 101 * 0.134e-6 + 2_048 * 67.7e-6)) < 1e-12)
    #expect(engine.tokens == [1, 2])
    #expect(
      abs(Self.step(&engine) - (0.014 + 103e-6 + 102 * 0.134e-6 + 1_952 * 67.7e-6)) < 1e-12)
    #expect(engine.tokens == [1, 3])
  }

  @Test func aFullCacheLetsRequestsWaitInTheirOrder() {
    var engine = EngineBatch(cacheTokens: 1_000)
    engine.arrive(1, prompt: 500, output: 2, now: .zero)
    engine.arrive(2, prompt: 600, output: 1, now: .zero)
    engine.arrive(3, prompt: 10, output: 1, now: .zero)
    _ = Self.step(&engine)
    // The small one does not overtake.
    #expect(engine.waiting.map(\.request) == [2, 3])
    _ = Self.step(&engine)
    #expect(engine.waiting.isEmpty)
    // One that is larger than the cache runs alone.
    engine.arrive(4, prompt: 5_000, output: 1, now: .zero)
    while engine.totalCount > 1 { _ = Self.step(&engine) }
    _ = Self.step(&engine)
    #expect(engine.runningCount == 1)
  }

  @Test func sumsAreThoseOfWhatThereIs() {
    for seed in UInt64(1)...20 {
      var random = RandomSource(seed: seed)
      var engine = EngineBatch(cacheTokens: 20_000)
      var left: Set<Int> = []
      for request in 0..<400 {
        engine.arrive(
          request, prompt: 1 + random.index(below: 3_000), output: 1 + random.index(below: 60),
          now: .zero)
        left.insert(request)
        for _ in 0..<random.index(below: 6) where engine.untilStepEnds != nil {
          engine.endStep()
          for sequence in engine.ended {
            let wasLeft = left.remove(sequence.request) != nil
            #expect(wasLeft)
          }
        }
        if random.index(below: 10) == 0, let gone = left.randomElement(using: &random) {
          engine.cancel(gone)
          left.remove(gone)
        }
        let context = engine.decoding.reduce(0) { $0 + $1.context }
        #expect(engine.decodingTokens == context)
        let kept = (engine.decoding + engine.prefilling).reduce(0) { $0 + $1.reserved }
        #expect(engine.reserved == kept)
        #expect(engine.reserved <= 20_000 || engine.runningCount == 1)
        #expect(engine.totalCount == left.count)
      }
      let died = engine.die()
      #expect(Set(died) == left)
      #expect(engine.totalCount == 0)
    }
  }

  @Test func lengthsHaveTheirMeans() {
    var random = RandomSource(seed: 3)
    let tokens = TokenDistribution()
    let drawn = (0..<50_000).map { _ in tokens.draw(&random) }
    let prompt = Double(drawn.reduce(0) { $0 + $1.prompt }) / 50_000
    let output = Double(drawn.reduce(0) { $0 + $1.output }) / 50_000
    #expect(abs(prompt / 1_155 - 1) < 0.03)
    #expect(abs(output / 211 - 1) < 0.03)
  }

  private static func scenario(speed: Double, rate: Double) -> Scenario {
    var engine = group(1, speed: speed, .engine)
    engine.cacheTokens = 180_000
    var scenario = Scenario(name: "engine", groups: [engine])
    scenario.rates = [RateStep(at: 0, rate: rate)]
    scenario.warmup = 0
    scenario.measured = 60
    scenario.timeout = 600
    return scenario
  }

  /// A constant request alone, and twice as fast: what is seen is what a step's arithmetic says.
  @Test(arguments: [1.0, 2.0])
  func anIdleEngineAnswersInItsTime(_ speed: Double) throws {
    var scenario = Self.scenario(speed: speed, rate: 0.05)
    scenario.tokens.promptMean = 1_000
    scenario.tokens.promptSigma = 0
    scenario.tokens.outputMean = 100
    scenario.tokens.outputSigma = 0
    let record = Simulation.run(scenario, .leastRequest, seed: 3)
    let first = (0.014 + 1_000 * 67.7e-6) / speed
    let rest = (1_000..<1_099).reduce(0.0) {
      $0 + (0.014 + 103e-6 + Double($1) * 0.134e-6) / speed
    }
    #expect(abs(try #require(record.firstTokens.first) - first) < 1e-4)
    #expect(abs(try #require(record.latencies.first) - first - rest) < 1e-4)
  }

  @Test func itsCapacityIsWhatItDoesUnderOverload() throws {
    var scenario = Self.scenario(speed: 1, rate: 1)
    scenario.measured = 600
    let capacity = scenario.capacity
    #expect((4.0...8.0).contains(capacity))
    scenario.rates = [RateStep(at: 0, rate: capacity * 1.3)]
    let overloaded = Simulation.run(scenario, .leastRequest, seed: 5)
    #expect(abs(overloaded.goodput / capacity - 1) < 0.06, "\(overloaded.goodput)")
  }

  /// Pieces and the answer's beginning reach the real balancer's books.
  @Test func everyTokenIsAPiece() {
    var policy: SteelyardPolicy?
    let scenario = Self.scenario(speed: 1, rate: 1)
    var simulator = Simulator(scenario, seed: 1) { _ in
      let made = SteelyardPolicy(scenario, weights: [1], seed: 1) { _ in }
      policy = made
      return made
    }
    let record = simulator.run()
    let tokens = simulator.endpoints[0].engine?.tokenCount ?? 0
    #expect(tokens > 1_000)
    #expect(policy?.sum(.pieces) == UInt64(tokens))
    #expect(record.firstTokens.count >= record.completed)
    // What was answered is no longer ahead of the endpoint; at the end nothing is.
    #expect(policy?.sum(.outstandingBytes) == 0)
    #expect((policy?.sum(.startedBytes) ?? 0) > 4 * 1_155)
  }
}
