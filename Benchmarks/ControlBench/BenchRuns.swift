// Performs all runs of a suite, on as many threads as there are processors, and makes the tables.
// Only the figures that some table needs are kept of a run.
import Dispatch
import Primitives
import Simulation
import Synchronization

/// Scenarios and their goals.
struct BenchSuite: Sendable {
  let scenarios: [Scenario]
  let goals: [Goal]
  let seeds: [UInt64]
  /// The policies that run in every scenario unless the command line names others. Policies that
  /// goals are relative to run in addition.
  let policies: [PolicyName]
  /// Whether all figures of all policies are printed too.
  let hasTable: Bool
}

final class BenchRuns: Sendable {
  private struct Key: Hashable {
    let scenario: String
    let policy: PolicyName
    let seed: UInt64
  }
  private struct Job {
    let scenario: Scenario
    let policy: PolicyName
    let seed: UInt64
  }
  private static let tableFigures: [Figure] = [.p50, .mean, .p99, .p999, .failures, .goodput]

  private let suite: BenchSuite
  private let options: BenchOptions
  private let seeds: [UInt64]
  private let scenarios: [Scenario]
  private let values = Mutex<[Key: [Figure: Double]]>([:])

  init(_ suite: BenchSuite, _ options: BenchOptions) {
    self.suite = suite
    self.options = options
    seeds = options.seeds ?? suite.seeds
    scenarios = suite.scenarios.filter { options.takes($0.name) }
  }

  var scenarioNames: [String] { scenarios.map(\.name) }
  private var goals: [Goal] { suite.goals.filter { options.takes($0.scenario) } }
  private var policies: [PolicyName] { options.policies ?? suite.policies }

  func run() {
    var jobs: [Job] = []
    for scenario in scenarios {
      for policy in policies(for: scenario) {
        for seed in seeds { jobs.append(Job(scenario: scenario, policy: policy, seed: seed)) }
      }
    }
    // Long runs first, so that no thread is left with one at the end.
    let all = jobs.sorted { Self.size($0.scenario) > Self.size($1.scenario) }
    DispatchQueue.concurrentPerform(iterations: all.count) { index in
      let job = all[index]
      let record = Simulation.run(job.scenario, job.policy, seed: job.seed)
      var found: [Figure: Double] = [:]
      for figure in figures(of: job.scenario) { found[figure] = figure.value(record, job.scenario) }
      let key = Key(scenario: job.scenario.name, policy: job.policy, seed: job.seed)
      values.withLock { [found] in $0[key] = found }
    }
  }

  private static func size(_ scenario: Scenario) -> Double {
    let seconds = scenario.warmup + scenario.measured
    return scenario.rate(at: seconds) * seconds * Double(scenario.endpoints.count)
  }

  private func policies(for scenario: Scenario) -> [PolicyName] {
    var all = policies
    let others = suite.goals.filter { $0.scenario == scenario.name }.compactMap(\.bound.peer)
    // Policies that goals are relative to need not be named.
    for policy in others + options.with where !all.contains(policy) && options.policies == nil {
      all.append(policy)
    }
    return all
  }

  private func figures(of scenario: Scenario) -> Set<Figure> {
    var all = Set(suite.hasTable ? Self.tableFigures : [])
    for goal in suite.goals {
      if goal.scenario == scenario.name { all.insert(goal.figure) }
      if case .ratioToOwn(scenario.name, _) = goal.bound { all.insert(goal.figure) }
    }
    return all
  }

  /// In the order of the seeds.
  private func values(_ name: String, _ policy: PolicyName, _ figure: Figure) -> [Double] {
    let found = values.withLock(\.self)
    return seeds.compactMap {
      found[Key(scenario: name, policy: policy, seed: $0)]?[figure]
    }
  }

  func median(_ name: String, _ policy: PolicyName, _ figure: Figure) -> Double? {
    Self.median(values(name, policy, figure))
  }

  /// The mean of the middle two values if the count is even.
  private static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// The median over the seeds of one figure ÷ another of the same seed.
  func ratio(
    _ figure: Figure, _ mine: (String, PolicyName), _ theirs: (String, PolicyName)
  ) -> Double? {
    let pairs = zip(values(mine.0, mine.1, figure), values(theirs.0, theirs.1, figure))
    return Self.median(pairs.map { $0 == $1 ? 1 : $0 / $1 })
  }

  // MARK: Tables

  /// p50, p99, p99.9, failures and goodput of every scenario and policy.
  func table() -> String {
    guard suite.hasTable else { return "" }
    var text = "| scenario | policy | p50 s | mean s | p99 s | p99.9 s | failed | goodput /s "
    text += "| p99 ÷ ours |\n|---|---|---|---|---|---|---|---|---|\n"
    for name in scenarios.map(\.name) {
      let ours = median(name, .steelyard, .p99)
      for policy in policies {
        guard let p99 = median(name, policy, .p99) else { continue }
        let p999 = median(name, policy, .p999) ?? 0
        let failed = median(name, policy, .failures) ?? 0
        let goodput = median(name, policy, .goodput) ?? 0
        let ratio = ours.map { Self.text(p99 / $0) } ?? "–"
        let p50 = median(name, policy, .p50) ?? 0
        let mean = median(name, policy, .mean) ?? 0
        text += "| \(name) | \(policy.rawValue) | \(Self.text(p50)) | \(Self.text(mean)) "
        text += "| \(Self.text(p99)) | \(Self.text(p999)) "
        text += "| \(Int(failed)) | \(Self.text(goodput)) | \(ratio) |\n"
      }
    }
    return text + "\n"
  }

  /// Each goal with the value reached; the policies of `--with` have columns of their own.
  func verdicts() -> String {
    let others = options.with
    var text = "| scenario | figure | goal | reached | |"
    text += others.map { " \($0.rawValue) |" }.joined()
    text += "\n|---|---|---|---|---|" + others.map { _ in "---|" }.joined() + "\n"
    for goal in goals {
      guard let (words, reached, passes) = judge(goal, .steelyard) else { continue }
      text += "| \(goal.scenario) | \(goal.figure.title) | \(words) | \(Self.text(reached)) "
      text += "| \(passes ? "pass" : "FAIL") |"
      for other in others {
        text += " \(judge(goal, other).map { Self.text($0.1) } ?? "–") |"
      }
      text += "\n"
    }
    let judged = goals.compactMap { judge($0, .steelyard)?.2 }
    return text + "\n\(judged.count { $0 }) of \(judged.count) pass.\n"
  }

  private func judge(_ goal: Goal, _ policy: PolicyName) -> (String, Double, Bool)? {
    guard let ours = median(goal.scenario, policy, goal.figure) else { return nil }
    func ratio(to scenario: String, _ peer: PolicyName) -> Double? {
      self.ratio(goal.figure, (goal.scenario, policy), (scenario, peer))
    }
    switch goal.bound {
    case .ratio(let peer, let bound):
      guard let ratio = ratio(to: goal.scenario, peer) else { return nil }
      return ("≤ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio <= bound)
    case .ratioAtLeast(let peer, let bound):
      guard let ratio = ratio(to: goal.scenario, peer) else { return nil }
      return ("≥ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio >= bound)
    case .atMost(let bound): return ("≤ \(Self.text(bound))", ours, ours <= bound)
    case .atLeast(let bound): return ("≥ \(Self.text(bound))", ours, ours >= bound)
    case .ratioToOwn(let other, let bound):
      guard let ratio = ratio(to: other, policy) else { return nil }
      return ("≤ \(Self.text(bound)) of \(other)", ratio, ratio <= bound)
    case .shareOfCapacity(let bound):
      let capacity = suite.scenarios.first { $0.name == goal.scenario }?.capacity ?? 1
      return ("≥ \(Self.text(bound)) of capacity", ours / capacity, ours / capacity >= bound)
    }
  }

  static func text(_ value: Double) -> String { NumberWords.fixed(value, 3) }
}
