// One item of `faults`: a fault, its endpoints, its beginning and its end. Each kind has its own
// parameters; those of other kinds are unknown keys.
import Configuration

/// The words for kinds of faults.
enum FaultWord: String, CaseIterable {
  case slow, antagonist, hang, fail, reject, dead
  case metricsReset = "metrics_reset"
  case metricsNaN = "metrics_nan"
  case metricsMissing = "metrics_missing"
  case metricsLie = "metrics_lie"
  case metricsQueue = "metrics_queue"
}

struct FaultDecoder {
  let report: Report
  let endpointCount: Int
  /// The end of the run, seconds.
  let end: Double

  /// nil: an error was reported.
  func decode(_ node: Node) -> (Fault?, Output) {
    let before = report.count
    var scope = Scope(node, "this fault", report)
    let at = scope.require("at", Form<Double>.seconds(0...86_400))
    if let at, at >= end {
      report.error(
        at: scope.offset(of: "at"),
        "the fault begins at \(Form<Double>.duration(at)), but the run ends at "
          + "\(Form<Double>.duration(end))")
    }
    let word = scope.require("kind", Form<FaultWord>.choice)
    let until = word == .metricsReset ? nil : readUntil(&scope, at: at)
    let every = readEvery(&scope, at: at, until: until, isOfNoLength: word == .metricsReset)
    let endpoints = readEndpoints(&scope)
    let kind = word.map { Self.kind($0, &scope) }
    // The parameters of an unknown kind are unknown too.
    if word == nil { for key in Self.parameters { scope.claim(key) } }
    let output = scope.finish()
    guard report.count == before, let at, let kind else { return (nil, output) }
    let fault = Fault(at: at, until: until, every: every, endpoints: endpoints, kind: kind)
    return (fault, output)
  }

  private func readUntil(_ scope: inout Scope, at: Double?) -> Double? {
    var until: Double?
    scope.read("until", &until, Form<Double>.seconds(0...172_800).or("end"))
    if let until, let at, until <= at {
      report.error(
        at: scope.offset(of: "until"),
        "`until` (\(Form<Double>.duration(until))) must be after `at` (\(Form<Double>.duration(at)))"
      )
    }
    return until
  }

  private func readEvery(
    _ scope: inout Scope, at: Double?, until: Double?, isOfNoLength: Bool
  ) -> Double? {
    var every: Double?
    scope.read("every", &every, Form<Double>.seconds(0.001...86_400).or("once"))
    if every != nil, until == nil, !isOfNoLength {
      report.error(at: scope.offset(of: "every"), "`every` needs `until`")
    } else if let every, let at, every <= (until ?? at) - at {
      report.error(
        at: scope.offset(of: "every"),
        "`every` (\(Form<Double>.duration(every))) must be longer than the fault lasts")
    }
    return every
  }

  /// `4`, `[1, 2]` or `all`; indices from 0.
  private func readEndpoints(_ scope: inout Scope) -> [Int] {
    let number = Form<Int>.count(1...endpointCount)
    guard let node = scope.node("endpoints"), case .sequence = node.content else {
      guard let one = scope.require("endpoints", number.or("all")) else { return [] }
      return one.map { [$0 - 1] } ?? Array(0..<endpointCount)
    }
    var numbers: [Int] = []
    for item in scope.items("endpoints", required: true) ?? [] {
      guard let one = scope.decode(item, "an endpoint's number", number) else { continue }
      if numbers.contains(one) { report.error(at: item.offset, "endpoint \(one) is given twice") }
      numbers.append(one)
    }
    scope.put(
      "endpoints",
      Output.sequence(numbers.map { .value("\($0)", isDefault: false) }).inline)
    return numbers.map { $0 - 1 }
  }

  private static let parameters = [
    "factor", "speed_min", "speed_max", "ratio", "cold", "status", "after", "waiting",
  ]

  private static func kind(_ word: FaultWord, _ scope: inout Scope) -> FaultKind {
    switch word {
    case .slow:
      var factor = 4.0
      scope.read("factor", &factor, .number(0.01...1_000_000))
      return .slow(factor)
    case .antagonist:
      var (low, high) = (0.2, 0.6)
      scope.read("speed_min", &low, .number(0.001...1))
      scope.read("speed_max", &high, .number(0.001...1))
      guard low <= high else {
        scope.report.error(
          at: scope.offset(of: scope.has("speed_min") ? "speed_min" : "speed_max"),
          "`speed_min` (\(Decimal.text(low))) must not be more than `speed_max` "
            + "(\(Decimal.text(high)))")
        return .antagonist(low...low)
      }
      return .antagonist(low...high)
    case .hang: return .hang
    case .fail:
      var ratio = 1.0
      scope.read("ratio", &ratio, .number(0.001...1))
      return .fail(ratio)
    case .reject:
      var (ratio, status, after) = (1.0, 404, 0.002)
      scope.read("ratio", &ratio, .number(0.001...1))
      scope.read("status", &status, .count(400...499))
      scope.read("after", &after, .seconds(0...3_600))
      return .reject(ratio, status: status, after: after)
    case .dead:
      var cold = 10.0
      scope.read("cold", &cold, .seconds(0...3_600))
      return .dead(coldSeconds: cold)
    case .metricsReset: return .metricsReset
    case .metricsNaN: return .metricsNaN
    case .metricsMissing: return .metricsMissing
    case .metricsLie:
      var factor = 1_000.0
      scope.read("factor", &factor, .number(0...1_000_000_000))
      return .metricsLie(factor)
    case .metricsQueue:
      var waiting = 10_000
      scope.read("waiting", &waiting, .count(1...1_000_000_000))
      return .metricsQueue(waiting)
    }
  }
}
