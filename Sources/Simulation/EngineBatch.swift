// A language model engine, step by step: continuous batching with chunked prefill. Each step
// decodes one token of every request whose prompt is done and computes up to 2,048 tokens of
// prompts, first come, first served. A request is admitted when the KV cache has room for its
// prompt and its answer. The constants come from a published regression on an A100
// (docs/simulation.md).
// Invariant: `reserved` is the sum over the admitted requests, at most `cacheTokens` unless one
// request alone is larger; a step is running while any request is admitted.
import Primitives

struct EngineBatch {
  struct Sequence {
    let request: Int
    let arrivedAt: Nanoseconds
    /// Tokens of the prompt still to be computed.
    var promptLeft: Int
    /// Tokens of the answer still to come.
    var outputLeft: Int
    /// The tokens it has in the cache.
    var context = 0
    /// The tokens of the cache reserved for it.
    let reserved: Int
    /// Tokens of the prompt that the running step computes.
    var chunk = 0
  }

  /// Seconds of a step: without any request, for each request that decodes, for each cached token
  /// that is read, for each token of a prompt.
  static let stepSeconds = 0.014
  static let decodeSeconds = 103e-6
  static let cacheSeconds = 0.134e-6
  static let promptSeconds = 67.7e-6
  /// The most tokens of prompts that one step computes.
  static let chunkTokens = 2_048
  /// The cache of an engine with speed 1, tokens.
  static let cacheTokens = 180_000

  let cacheTokens: Int
  private(set) var decoding: [Sequence] = []
  private(set) var prefilling: [Sequence] = []
  private(set) var waiting: [Sequence] = []
  private(set) var reserved = 0
  /// Cached tokens of the requests that decode.
  private(set) var decodingTokens = 0
  /// Seconds at speed 1 until the step ends.
  private var stepLeft = 0.0
  private(set) var isStepping = false

  // The results of the last step.
  /// Requests that got a token.
  private(set) var tokens: [Int] = []
  private(set) var ended: [Sequence] = []

  // The numbers on the metrics page.
  private(set) var stepCount = 0
  private(set) var tokenCount = 0

  init(cacheTokens: Int = Self.cacheTokens) { self.cacheTokens = cacheTokens }

  var runningCount: Int { decoding.count + prefilling.count }
  var totalCount: Int { runningCount + waiting.count }

  /// The used share of the cache.
  var cacheRatio: Double {
    let held = prefilling.reduce(decodingTokens) { $0 + $1.context }
    return min(1, Double(held) / Double(cacheTokens))
  }

  /// Tokens of prompts still to be computed.
  var backlogTokens: Int {
    prefilling.reduce(0) { $0 + $1.promptLeft } + waiting.reduce(0) { $0 + $1.promptLeft }
  }

  /// The duration of a step at speed 1, seconds.
  static func seconds(decoding: Int, cacheTokens: Int, promptTokens: Int) -> Double {
    stepSeconds + decodeSeconds * Double(decoding) + cacheSeconds * Double(cacheTokens)
      + promptSeconds * Double(promptTokens)
  }

  mutating func arrive(_ request: Int, prompt: Int, output: Int, now: Nanoseconds) {
    waiting.append(
      Sequence(
        request: request, arrivedAt: now, promptLeft: max(1, prompt), outputLeft: max(1, output),
        reserved: max(1, prompt) + max(1, output)))
    if !isStepping { begin() }
  }

  /// Advances the running step.
  mutating func advance(_ seconds: Double) { stepLeft = max(0, stepLeft - seconds) }

  /// Seconds at speed 1 until the step ends; nil: none is running.
  var untilStepEnds: Double? { isStepping ? stepLeft : nil }

  private mutating func begin() {
    var admitted = 0
    for next in waiting {
      guard reserved + next.reserved <= cacheTokens || runningCount == 0 else { break }
      reserved += next.reserved
      prefilling.append(next)
      admitted += 1
    }
    waiting.removeFirst(admitted)
    isStepping = runningCount > 0
    guard isStepping else { return }
    var room = Self.chunkTokens
    for index in prefilling.indices {
      prefilling[index].chunk = min(room, prefilling[index].promptLeft)
      room -= prefilling[index].chunk
    }
    stepLeft = Self.seconds(
      decoding: decoding.count, cacheTokens: decodingTokens,
      promptTokens: Self.chunkTokens - room)
  }

  /// Ends the step: puts its results in `tokens` and `ended`, and begins the next one.
  mutating func endStep() {
    tokens.removeAll(keepingCapacity: true)
    ended.removeAll(keepingCapacity: true)
    stepCount += 1
    decode()
    prefill()
    tokenCount += tokens.count
    begin()
  }

  private mutating func decode() {
    var kept = 0
    for index in decoding.indices {
      var sequence = decoding[index]
      sequence.outputLeft -= 1
      sequence.context += 1
      tokens.append(sequence.request)
      if sequence.outputLeft == 0 {
        // The token of this step was not in the sum yet.
        end(sequence, held: sequence.context - 1)
      } else {
        decodingTokens += 1
        decoding[kept] = sequence
        kept += 1
      }
    }
    decoding.removeLast(decoding.count - kept)
  }

  private mutating func prefill() {
    var kept = 0
    for index in prefilling.indices {
      var sequence = prefilling[index]
      sequence.promptLeft -= sequence.chunk
      sequence.context += sequence.chunk
      sequence.chunk = 0
      if sequence.promptLeft > 0 {
        prefilling[kept] = sequence
        kept += 1
        continue
      }
      // The step that ends the prompt also gives the first token.
      tokens.append(sequence.request)
      sequence.outputLeft -= 1
      if sequence.outputLeft == 0 {
        end(sequence, held: 0)
      } else {
        decodingTokens += sequence.context
        decoding.append(sequence)
      }
    }
    prefilling.removeLast(prefilling.count - kept)
  }

  private mutating func end(_ sequence: Sequence, held: Int) {
    decodingTokens -= held
    reserved -= sequence.reserved
    ended.append(sequence)
  }

  /// Removes a request whose client has gone.
  mutating func cancel(_ request: Int) {
    if let index = waiting.firstIndex(where: { $0.request == request }) {
      waiting.remove(at: index)
    } else if let index = prefilling.firstIndex(where: { $0.request == request }) {
      reserved -= prefilling.remove(at: index).reserved
    } else if let index = decoding.firstIndex(where: { $0.request == request }) {
      decodingTokens -= decoding[index].context
      reserved -= decoding.remove(at: index).reserved
    }
  }

  /// Removes all requests and returns them.
  mutating func die() -> [Int] {
    let all = (decoding + prefilling + waiting).map(\.request)
    self = EngineBatch(cacheTokens: cacheTokens)
    return all
  }

  mutating func resetCounters() {
    stepCount = 0
    tokenCount = 0
  }
}
