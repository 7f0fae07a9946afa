// The requests of a scenario file besides `work`: kinds, tokens, clients that read late.
import Configuration
import Primitives

extension ScenarioDecoder {
  static var fullStatus: Form<Int> {
    Form(
      read: { scalar throws(Misfit) in
        guard let status = Int(scalar.text), [429, 503].contains(status) else {
          throw .expected("`503` or `429`", hint: nil)
        }
        return status
      }, write: { "\($0)" })
  }

  mutating func decodeRequests(_ scope: inout Scope) {
    decodeKinds(&scope)
    scope.section("tokens") { tokens in
      tokens.read("prompt", &plan.scenario.tokens.promptMean, .number(1...32_768))
      tokens.read("prompt_sigma", &plan.scenario.tokens.promptSigma, .number(0...3))
      tokens.read("output", &plan.scenario.tokens.outputMean, .number(1...8_192))
      tokens.read("output_sigma", &plan.scenario.tokens.outputSigma, .number(0...3))
    }
    scope.read("content_length", &scenario.hasContentLength, .truth)
    scope.section("late_readers") { late in
      late.read("share", &plan.scenario.lateReaders.share, .number(0...1))
      late.read("factor", &plan.scenario.lateReaders.factor, .number(0.001...1_000_000))
    }
  }

  /// `[{share: 0.9, mean: 2ms, slots: false}, {share: 0.1, mean: 4s}]`; instead of `work`.
  private mutating func decodeKinds(_ scope: inout Scope) {
    guard let node = scope.node("kinds") else {
      scope.put("kinds", .value("[]", isDefault: true))
      return
    }
    var outputs: [Output] = []
    for node in scope.items("kinds") ?? [] {
      var kind = RequestKind()
      kind.work = scenario.work
      var item = Scope(node, "this kind", report)
      item.read("share", &kind.share, .number(0.000_1...1))
      item.read("mean", &kind.work.mean, .seconds(0.000_1...3_600))
      item.read("shape", &kind.work.shape, .choice)
      item.read("slots", &kind.takesSlot, .truth)
      outputs.append(item.finish())
      scenario.kinds.append(kind)
    }
    scope.put(
      "kinds", outputs.isEmpty ? .value("[]", isDefault: false) : .sequence(outputs))
    guard !scenario.kinds.isEmpty else { return }
    let sum = scenario.kinds.reduce(0) { $0 + $1.share }
    if abs(sum - 1) > 0.001 {
      report.error(
        at: node.offset, "the shares of `kinds` are \(Decimal.text(sum)) in sum, not 1")
    } else if !scenario.kinds.contains(where: \.takesSlot) {
      report.error(at: node.offset, "one of `kinds` at least must need `slots`")
    }
  }
}
