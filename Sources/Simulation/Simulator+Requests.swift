// Draws the properties of requests in the order of their arrival, so that they are the same for
// every policy.
import Glibc
import Primitives

extension Simulator {
  mutating func drawRequest(_ now: Nanoseconds) -> SimulatedRequest {
    let kind = drawKind()
    let shape = kind.map { scenario.kinds[$0].work } ?? scenario.work
    let work = shape.draw(&traffic)
    let balancer = scenario.balancers == 1 ? 0 : traffic.index(below: scenario.balancers)
    let request = SimulatedRequest(
      arrivedAt: now, work: work, balancer: balancer, isRepeatable: scenario.isReplayable)
    if let kind {
      request.kind = kind
      request.takesSlot = scenario.kinds[kind].takesSlot
    }
    if hasEngines {
      (request.promptTokens, request.outputTokens) = scenario.tokens.draw(&traffic)
      if scenario.hasContentLength {
        let bytes = TokenDistribution.bytesPerToken * Double(request.promptTokens)
        request.contentLength = Int(bytes.rounded())
      }
    }
    let late = scenario.lateReaders
    if late.share > 0, traffic.unit() < late.share {
      request.readingSeconds = -log(1 - traffic.unit()) * late.factor * scenario.meanWork
    }
    return request
  }

  private mutating func drawKind() -> Int? {
    guard scenario.kinds.count > 1 else { return scenario.kinds.isEmpty ? nil : 0 }
    var left = traffic.unit() * scenario.kinds.reduce(0) { $0 + $1.share }
    for (index, kind) in scenario.kinds.enumerated() {
      left -= kind.share
      if left < 0 { return index }
    }
    return scenario.kinds.count - 1
  }
}

extension WorkDistribution {
  /// Seconds.
  func draw(_ random: inout RandomSource) -> Double {
    switch shape {
    case .constant: mean
    case .exponential: -log(1 - random.unit()) * mean
    case .lognormal: mean * exp(random.normal() - 0.5)
    case .bimodal: mean / 1.9 * (random.unit() < 0.1 ? 10 : 1)
    }
  }
}

extension Scenario {
  /// Requests per second from each time on.
  var rateSteps: [RateStep] {
    guard rates.isEmpty else { return rates }
    let capacity = capacity
    return loads.map { RateStep(at: $0.at, rate: capacity * $0.load) }
  }
}

extension Fault {
  /// How much later than configured it begins each time, seconds.
  func shifts(until end: Double) -> [Double] {
    guard let every else { return [0] }
    return Array(stride(from: 0, through: max(0, end - at), by: every))
  }
}
