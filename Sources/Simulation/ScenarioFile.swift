// A scenario as an operator writes it: YAML → Scenario, policies and seeds, with every error at
// once. Endpoints are numbered from 1, in the order of the file; times are durations, `90s` or
// `2m`.
package import Configuration
import Primitives

/// A scenario file that was read without an error.
package struct ScenarioFile: Sendable {
  package var plan: SimulationPlan
  /// Every value in force, as YAML; defaults are marked `# default`. It loads and gives an equal
  /// plan.
  package let effective: String

  /// Reads the text of a file. `path` is used in messages and as the scenario's name.
  package static func read(
    _ bytes: [UInt8], path: String
  ) throws(ConfigurationErrors) -> ScenarioFile {
    let (plan, effective) = try YAMLFile.read(bytes, path: path, needs: "`endpoints`") { scope in
      var decoder = ScenarioDecoder(name: Self.stem(of: path), report: scope.report)
      decoder.decode(&scope)
      return decoder.plan
    }
    return ScenarioFile(plan: plan, effective: effective)
  }

  /// `one-slow` for `config/scenarios/one-slow.yaml`.
  static func stem(of path: String) -> String {
    let file = path.split(separator: "/").last ?? ""
    let stem = file.split(separator: ".").first.map(String.init) ?? ""
    let isGood = stem.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    return isGood && (1...256).contains(stem.utf8.count) ? stem : "scenario"
  }
}

/// The runs: a scenario, with these policies, once for each of the seeds.
package struct SimulationPlan: Sendable, Equatable {
  package var scenario: Scenario
  /// The others are compared with the first.
  package var policies: [PolicyName] = [.steelyard, .leastRequest, .roundRobin]
  package var seeds: [UInt64] = [1, 2, 3]

  package init(_ scenario: Scenario) { self.scenario = scenario }
}

struct ScenarioDecoder {
  /// The limit for all groups together.
  static let endpointsMax = 10_000
  /// The most requests of one run.
  static let requestsMax = 20_000_000.0
  /// Endpoints × seconds of one run.
  static let cellsMax = 10_000_000.0

  let report: Report
  var plan: SimulationPlan
  var scenario: Scenario {
    get { plan.scenario }
    set { plan.scenario = newValue }
  }

  init(name: String, report: Report) {
    self.report = report
    plan = SimulationPlan(Scenario(name: name, groups: []))
  }

  mutating func decode(_ scope: inout Scope) {
    scope.read("name", &scenario.name, .text("a name: up to 256 characters"))
    decodeEndpoints(&scope)
    scope.section("work") { work in
      work.read("shape", &plan.scenario.work.shape, .choice)
      work.read("mean", &plan.scenario.work.mean, .seconds(0.000_1...3_600))
    }
    decodeRequests(&scope)
    scope.read("true_weights", &scenario.hasTrueWeights, .truth)
    decodeTraffic(&scope)
    scope.read("balancers", &scenario.balancers, .count(1...64))
    scope.read("warmup", &scenario.warmup, .seconds(0...86_400))
    scope.read("measured", &scenario.measured, .seconds(1...86_400))
    scope.read("timeout", &scenario.timeout, .seconds(0.001...86_400))
    scope.read("patience", &scenario.patience, Form<Double>.seconds(0.001...86_400).or("never"))
    scope.read("replayable", &scenario.isReplayable, .truth)
    scope.section("scrape") { scrape in
      scrape.read("interval", &plan.scenario.scrapeInterval, .seconds(0.05...600))
      scrape.read("loss", &plan.scenario.scrapeLoss, .number(0...1))
      scrape.read("gauges", &plan.scenario.hasGauges, .truth)
    }
    decodeFaults(&scope)
    decodeRuns(&scope)
    checkSize(scope)
  }

  private mutating func decodeEndpoints(_ scope: inout Scope) {
    var outputs: [Output] = []
    for node in scope.items("endpoints", required: true) ?? [] {
      var group = EndpointGroup()
      var item = Scope(node, "this endpoint", report)
      item.read("count", &group.count, .count(1...Self.endpointsMax))
      item.read("speed", &group.speed, .number(0.001...1_000))
      item.read("service", &group.service, .choice)
      item.read("slots", &group.slots, .count(1...100_000))
      item.read("queue", &group.queueMax, .count(0...10_000_000))
      item.read("full_status", &group.fullStatus, Self.fullStatus)
      item.read("retry_after", &group.retryAfter, Form<Double>.seconds(1...86_400).or("none"))
      item.read("cache", &group.cacheTokens, Form<Int>.count(1_000...1_000_000_000).or("auto"))
      item.read("page_workers", &group.pageWorkers, .count(1...64))
      item.read("page_counts", &group.pageCounts, .count(1...100))
      item.read("weight", &group.weight, Form<Double>.number(0.001...1_000_000).or("auto"))
      outputs.append(item.finish())
      scenario.groups.append(group)
    }
    scope.put("endpoints", .sequence(outputs))
    let count = scenario.groups.reduce(0) { $0 + $1.count }
    if count > Self.endpointsMax {
      report.error(
        at: scope.offset(of: "endpoints"),
        "\(count) endpoints; at most \(Self.endpointsMax) can be simulated")
    }
  }

  // MARK: Traffic

  private mutating func decodeTraffic(_ scope: inout Scope) {
    let hasRate = scope.has("rate")
    if hasRate, scope.has("load") {
      report.error(
        at: scope.offset(of: "rate"), "`rate` and `load` both say how much traffic there is",
        hint: "keep one: requests a second, or the share of what the endpoints can do")
    }
    let loads = steps(
      "load", &scope, .number(0...100), of: scenario.loads.map { ($0.at, $0.load) },
      isUsed: !hasRate)
    let rates = steps("rate", &scope, .number(0...10_000_000), of: [], isUsed: hasRate)
    if hasRate {
      scenario.rates = rates.map { RateStep(at: $0.at, rate: $0.value) }
    } else {
      scenario.loads = loads.map { LoadStep(at: $0.at, load: $0.value) }
    }
  }

  /// One number, or a list of `{at: 60s, load: 0.9}`, ascending, the first at 0.
  private func steps(
    _ key: String, _ scope: inout Scope, _ form: Form<Double>,
    of defaults: [(at: Double, value: Double)], isUsed: Bool
  ) -> [(at: Double, value: Double)] {
    var steps = defaults
    if let node = scope.node(key), case .sequence = node.content {
      steps = []
      for node in scope.items(key, required: true) ?? [] {
        var item = Scope(node, "this step of `\(key)`", report)
        let at = item.require("at", Form<Double>.seconds(0...86_400))
        let value = item.require(key, form)
        if let at {
          check(at, after: steps.last?.at, item.offset(of: "at"), key)
          steps.append((at, value ?? 1))
        }
        _ = item.finish()
      }
    } else if let node = scope.claim(key), let value = scope.decode(node, "`\(key)`", form) {
      steps = [(0, value)]
    }
    guard isUsed else { return steps }
    if steps.count == 1, let only = steps.first {
      scope.put(key, .value(form.write(only.value), isDefault: !scope.has(key)))
    } else {
      let rows = steps.map { step in
        Output.mapping([
          .init("at", .value(Form<Double>.duration(step.at), isDefault: false)),
          .init(key, .value(form.write(step.value), isDefault: false)),
        ]).inline
      }
      scope.put(key, .sequence(rows))
    }
    return steps
  }

  private func check(_ at: Double, after last: Double?, _ offset: Int, _ key: String) {
    if let last, at <= last {
      report.error(
        at: offset,
        "steps must ascend: \(Form<Double>.duration(at)) comes after \(Form<Double>.duration(last))"
      )
    } else if last == nil, at != 0 {
      report.error(at: offset, "the first step of `\(key)` must be at 0s")
    }
  }

  // MARK: Faults, policies, seeds

  private mutating func decodeFaults(_ scope: inout Scope) {
    let count = scenario.groups.reduce(0) { $0 + $1.count }
    let end = scenario.warmup + scenario.measured
    var outputs: [Output] = []
    for node in scope.items("faults") ?? [] {
      let decoder = FaultDecoder(
        report: report, endpointCount: min(max(count, 1), Self.endpointsMax), end: end)
      let (fault, output) = decoder.decode(node)
      outputs.append(output)
      if let fault { scenario.faults.append(fault) }
    }
    let none = Output.value("[]", isDefault: !scope.has("faults"))
    scope.put("faults", outputs.isEmpty ? none : .sequence(outputs))
  }

  private static var policy: Form<PolicyName> {
    let choice = Form<PolicyName>.choice
    return Form(
      read: { scalar throws(Misfit) in
        if let policy = PolicyName(named: scalar.text) { return policy }
        return try choice.read(scalar)
      }, write: choice.write)
  }

  private mutating func decodeRuns(_ scope: inout Scope) {
    list("policies", "a policy", &plan.policies, Self.policy, &scope)
    let seed = Form<Int>.count(0...Int(Int64.max))
    let seeds = Form<UInt64>(
      read: { scalar throws(Misfit) in UInt64(try seed.read(scalar)) }, write: { "\($0)" })
    list("seeds", "a seed", &plan.seeds, seeds, &scope)
  }

  /// A list of distinct scalars, at least one and at most a thousand.
  private func list<Value: Hashable>(
    _ key: String, _ name: String, _ values: inout [Value], _ form: Form<Value>,
    _ scope: inout Scope
  ) {
    if !scope.has(key) {
      scope.claim(key)
    } else if let nodes = scope.items(key, required: true) {
      values = []
      for node in nodes.prefix(1_000) {
        guard let value = scope.decode(node, name, form) else { continue }
        if values.contains(value) {
          report.error(at: node.offset, "`\(form.write(value))` is given twice")
        }
        values.append(value)
      }
      if nodes.count > 1_000 {
        report.error(at: nodes[1_000].offset, "`\(key)` has more than 1000 items")
      }
    }
    let items = values.map { Output.value(form.write($0), isDefault: !scope.has(key)) }
    scope.put(key, Output.sequence(items).inline)
  }

  // A mistyped digit must not take a day and all memory.
  private func checkSize(_ scope: Scope) {
    guard report.count == 0 else { return }
    let end = scenario.warmup + scenario.measured
    let starts = (scenario.rates.isEmpty ? scenario.loads.map(\.at) : scenario.rates.map(\.at))
      .filter { $0 < end }
    var requests = 0.0
    for (index, start) in starts.enumerated() {
      let until = index + 1 < starts.count ? starts[index + 1] : end
      requests += scenario.rate(at: start) * (until - start)
    }
    if requests > Self.requestsMax {
      report.error(
        at: scope.offset(of: scope.has("rate") ? "rate" : "load"),
        "one run has \(Int(requests)) requests; at most \(Int(Self.requestsMax)) can be simulated",
        hint: "a shorter `measured`, fewer endpoints or a larger `mean` of `work`")
    }
    if end * Double(scenario.endpoints.count) > Self.cellsMax {
      report.error(
        at: scope.offset(of: "measured"),
        "endpoints × seconds is over \(Int(Self.cellsMax)): more than can be kept")
    }
  }
}

extension Form<Double> {
  /// A duration, as seconds.
  static func seconds(_ range: ClosedRange<Double>) -> Form {
    let span = Form<Nanoseconds>.duration(
      nanoseconds(range.lowerBound)...nanoseconds(range.upperBound))
    return Form(
      read: { scalar throws(Misfit) in try span.read(scalar).seconds }, write: duration)
  }

  /// Seconds in the form of the file.
  static func duration(_ seconds: Double) -> String { Decimal.duration(nanoseconds(seconds)) }

  // Rounded: 0.29 s is 290 ms, though 0.29 × 1e9 is a little less.
  private static func nanoseconds(_ seconds: Double) -> Nanoseconds {
    Nanoseconds(Int64((seconds * 1e9).rounded()))
  }
}
