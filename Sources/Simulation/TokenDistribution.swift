// The lengths of prompts and answers, and the number of such requests that an engine can serve.
import Glibc
import Primitives
import Synchronization

/// Lognormal lengths of prompts and answers, in tokens.
package struct TokenDistribution: Sendable, Hashable {
  package var promptMean = 1_155.0
  /// σ of the logarithm.
  package var promptSigma = 1.0
  package var outputMean = 211.0
  package var outputSigma = 0.9
  package init() {}

  static let promptMax = 32_768
  static let outputMax = 8_192
  /// Bytes of a request's content per token of its prompt.
  static let bytesPerToken = 4.5

  func draw(_ random: inout RandomSource) -> (prompt: Int, output: Int) {
    let prompt = Self.draw(promptMean, promptSigma, &random)
    let output = Self.draw(outputMean, outputSigma, &random)
    return (min(prompt, Self.promptMax), min(output, Self.outputMax))
  }

  private static func draw(_ mean: Double, _ sigma: Double, _ random: inout RandomSource) -> Int {
    let value = mean * exp(sigma * random.normal() - sigma * sigma / 2)
    return max(1, Int(min(value, 1e9).rounded()))
  }

  private struct Key: Hashable {
    let tokens: TokenDistribution
    let cacheTokens: Int
  }
  private static let capacities = Mutex<[Key: Double]>([:])

  /// Requests per second that an engine of speed 1 serves while more are always waiting, measured
  /// over 50 minutes and cached.
  func engineCapacity(cacheTokens: Int) -> Double {
    let key = Key(tokens: self, cacheTokens: cacheTokens)
    if let known = Self.capacities.withLock({ $0[key] }) { return known }
    let measured = measureCapacity(cacheTokens: cacheTokens)
    Self.capacities.withLock { $0[key] = measured }
    return measured
  }

  private func measureCapacity(cacheTokens: Int) -> Double {
    var engine = EngineBatch(cacheTokens: cacheTokens)
    var random = RandomSource(seed: 1)
    var (seconds, ended, from) = (0.0, 0, 0.0)
    while seconds < 3_000 {
      while engine.waiting.count < 20 {
        let (prompt, output) = draw(&random)
        engine.arrive(0, prompt: prompt, output: output, now: .zero)
      }
      seconds += engine.untilStepEnds ?? 0
      engine.endStep()
      // At the beginning the cache is empty.
      if seconds < 300 { from = seconds } else { ended += engine.ended.count }
    }
    return Double(ended) / (seconds - from)
  }
}

extension RandomSource {
  /// A normal variate with mean 0 and σ 1 (Box and Muller).
  mutating func normal() -> Double {
    let radius = (-2 * log(1 - unit())).squareRoot()
    return radius * cos(2 * .pi * unit())
  }
}
