// Yardsticks: policies that know what no balancer can: every queue, every speed and every fault at
// any time.
import Glibc
import Primitives

/// Knows everything and picks the endpoint with the lowest cost, never one that is dead, hangs or
/// answers errors while there is another one. Costs are in units of a request's work on an endpoint
/// of speed 1.
final class OraclePolicy: CountingPolicy {
  enum Rule {
    /// Joins the shortest expected delay: only the request's own delay counts.
    case shortestDelay
    /// Adds μ times the delay that the request causes to the requests already there: with m
    /// requests that take S(m) each, it is (m − 1)(S(m) − S(m − 1)).
    case marginal
  }
  private let rule: Rule
  private let tokens: TokenDistribution
  private var world: [EndpointTruth] = []
  private var weight = 1.0
  private var request: SimulatedRequest?

  init(_ rule: Rule, _ tokens: TokenDistribution, count: Int, seed: UInt64) {
    self.rule = rule
    self.tokens = tokens
    super.init(count: count, seed: seed)
  }

  override var isOracle: Bool { true }

  override func reveal(_ world: [EndpointTruth]) {
    self.world = world
    weight = Self.weight(world)
  }

  /// μ: 1, rising to 2 while slots fill from 80 to 100 %, where only waiting time matters.
  static func weight(_ world: [EndpointTruth]) -> Double {
    var (requests, slots) = (0, 0)
    for truth in world where truth.group.service == .batch && !truth.isFaulty {
      requests += truth.requests
      slots += truth.group.slots
    }
    guard slots > 0 else { return 1 }
    return 1 + min(max((Double(requests) / Double(slots) - 0.8) / 0.2, 0), 1)
  }

  override func pick(_ request: SimulatedRequest, now: Nanoseconds) -> Int? {
    self.request = request
    return super.pick(request, now: now)
  }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    let good = usable.filter { !world[$0].isFaulty }
    let known = good.isEmpty ? usable : good
    return least(known) { cost(world[$0]) }
  }

  private func cost(_ truth: EndpointTruth) -> Double {
    if let engine = truth.engine, let request { return engineCost(truth, engine, request) }
    let mates = truth.requests
    let own = Self.delay(truth, requests: mates + 1)
    guard rule == .marginal, mates > 0 else { return own }
    return own + weight * Double(mates) * (own - Self.delay(truth, requests: mates))
  }

  /// The duration of a request with that many requests at the endpoint, itself included.
  static func delay(_ truth: EndpointTruth, requests: Int) -> Double {
    let speed = max(truth.speed, 1e-9)
    switch truth.group.service {
    case .batch: return max(1, Double(requests) / Double(truth.group.slots)) / speed
    case .sharing, .engine: return Double(requests) / speed
    }
  }

  /// The cost in seconds: the request's own time and, with `marginal`, the time it adds to the
  /// others, which on average are half done.
  private func engineCost(
    _ truth: EndpointTruth, _ engine: EngineTruth, _ request: SimulatedRequest
  ) -> Double {
    let (prompt, output) = (Double(request.promptTokens), Double(request.outputTokens))
    let mates = Double(truth.requests)
    let context = prompt + output / 2
    let cacheTokens = Double(engine.decodingTokens)
    func step(_ decoding: Double, _ tokens: Double) -> Double {
      EngineBatch.stepSeconds + EngineBatch.decodeSeconds * decoding
        + EngineBatch.cacheSeconds * tokens
    }
    // Its prompt is computed after the prompts already there; later, other prompts are computed
    // between its tokens.
    let backlog = Double(engine.backlogTokens) + prompt
    let prefill =
      EngineBatch.promptSeconds * backlog
      + (backlog / Double(EngineBatch.chunkTokens)).rounded(.up)
      * step(Double(engine.decoding), cacheTokens)
    let others = EngineBatch.promptSeconds * tokens.promptMean * mates / tokens.outputMean
    let decode = output * (step(mates + 1, cacheTokens + context) + others)
    var own = prefill + decode
    let need = Int(prompt + output)
    if engine.waiting > 0 || need > engine.freeTokens {
      // A request that ends frees its share of the cache.
      let perSecond =
        mates / (tokens.outputMean * (step(mates, cacheTokens) + others))
        * (tokens.promptMean + tokens.outputMean)
      let ahead = Double(engine.waiting) * (tokens.promptMean + tokens.outputMean)
      own += max(0, ahead + Double(need - engine.freeTokens)) / max(perSecond, 1e-9)
    }
    guard rule == .marginal else { return own / max(truth.speed, 1e-9) }
    let rest = tokens.outputMean * exp(tokens.outputSigma * tokens.outputSigma) / 2
    let caused =
      Double(engine.decoding) * EngineBatch.promptSeconds * prompt
      + mates * min(output, rest)
      * (EngineBatch.decodeSeconds + EngineBatch.cacheSeconds * context)
    return (own + weight * caused) / max(truth.speed, 1e-9)
  }
}

extension EngineTruth {
  init(_ engine: EngineBatch) {
    self.init(
      decoding: engine.decoding.count, decodingTokens: engine.decodingTokens,
      waiting: engine.waiting.count, backlogTokens: engine.backlogTokens,
      freeTokens: max(0, engine.cacheTokens - engine.reserved))
  }
}
