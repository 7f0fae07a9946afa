// All runs of the bench, on two threads, and the tables made of them.
import Dispatch
import Simulation
import Synchronization

struct BenchOptions {
  var seeds: [UInt64] = Array(101...115)
  var scenarios = Suite.scenarios.map(\.name)
  var policies = PolicyName.allCases

  init(_ arguments: [String]) {
    var rest = arguments[...]
    while let option = rest.popFirst() {
      let list = (rest.popFirst() ?? "").split(separator: ",").map(String.init)
      switch option {
      case "--seeds": seeds = list.compactMap { UInt64($0) }
      case "--only": scenarios = list
      case "--policies": policies = list.compactMap { PolicyName(rawValue: $0) }
      default: fatalError("unknown option \(option); there are --seeds, --only and --policies")
      }
    }
  }
}

final class BenchRuns: Sendable {
  private struct Key: Hashable {
    let scenario: String
    let policy: PolicyName
  }
  private let options: BenchOptions
  private let records = Mutex<[Key: [UInt64: Record]]>([:])

  init(_ options: BenchOptions) { self.options = options }

  func run() {
    let scenarios = Suite.scenarios.filter { options.scenarios.contains($0.name) }
    var jobs: [(scenario: Scenario, policy: PolicyName, seed: UInt64)] = []
    for scenario in scenarios {
      for policy in options.policies {
        for seed in options.seeds { jobs.append((scenario, policy, seed)) }
      }
    }
    let all = jobs
    DispatchQueue.concurrentPerform(iterations: all.count) { index in
      let job = all[index]
      let record = Simulation.run(job.scenario, job.policy, seed: job.seed)
      records.withLock {
        $0[Key(scenario: job.scenario.name, policy: job.policy), default: [:]][job.seed] = record
      }
    }
  }

  private func median(_ name: String, _ policy: PolicyName, _ figure: Figure) -> Double? {
    guard let scenario = Suite.scenarios.first(where: { $0.name == name }) else { return nil }
    return Self.median(values(scenario, policy, figure))
  }

  /// In the order of the seeds.
  private func values(
    _ scenario: Scenario, _ policy: PolicyName, _ figure: Figure
  ) -> [Double] {
    let found = records.withLock { $0[Key(scenario: scenario.name, policy: policy)] ?? [:] }
    return options.seeds.compactMap { found[$0].map { figure.value($0, scenario) } }
  }

  private static func median(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.sorted()[values.count / 2]
  }

  /// The median over the seeds of one figure ÷ another of the same seed.
  private func ratio(
    _ figure: Figure, _ mine: (String, PolicyName), _ theirs: (String, PolicyName)
  ) -> Double? {
    guard let a = Suite.scenarios.first(where: { $0.name == mine.0 }),
      let b = Suite.scenarios.first(where: { $0.name == theirs.0 })
    else { return nil }
    let pairs = zip(values(a, mine.1, figure), values(b, theirs.1, figure))
    return Self.median(pairs.map { $0 / $1 })
  }

  /// p50, p99, p99.9, failures, goodput of every scenario and policy.
  func table() -> String {
    var text = "| scenario | policy | p50 s | mean s | p99 s | p99.9 s | failed | goodput /s "
    text += "| p99 ÷ ours |\n|---|---|---|---|---|---|---|---|---|\n"
    for name in options.scenarios {
      let ours = median(name, .steelyard, .p99)
      for policy in options.policies {
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
    return text
  }

  func verdicts() -> String {
    var text = "| scenario | figure | goal | reached | |\n|---|---|---|---|---|\n"
    for goal in Suite.goals where options.scenarios.contains(goal.scenario) {
      guard let (words, reached, passes) = judge(goal) else { continue }
      text += "| \(goal.scenario) | \(goal.figure.title) | \(words) | \(Self.text(reached)) "
      text += "| \(passes ? "pass" : "FAIL") |\n"
    }
    return text
  }

  private func judge(_ goal: Goal) -> (String, Double, Bool)? {
    guard let ours = median(goal.scenario, .steelyard, goal.figure) else { return nil }
    switch goal.bound {
    case .ratio(let peer, let bound):
      let both = ((goal.scenario, PolicyName.steelyard), (goal.scenario, peer))
      guard let ratio = ratio(goal.figure, both.0, both.1) else { return nil }
      return ("≤ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio <= bound)
    case .ratioAtLeast(let peer, let bound):
      let both = ((goal.scenario, PolicyName.steelyard), (goal.scenario, peer))
      guard let ratio = ratio(goal.figure, both.0, both.1) else { return nil }
      return ("≥ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio >= bound)
    case .atMost(let bound): return ("≤ \(Self.text(bound))", ours, ours <= bound)
    case .atLeast(let bound): return ("≥ \(Self.text(bound))", ours, ours >= bound)
    case .ratioToOwn(let other, let bound):
      let both = ((goal.scenario, PolicyName.steelyard), (other, PolicyName.steelyard))
      guard let ratio = ratio(goal.figure, both.0, both.1) else { return nil }
      return ("≤ \(Self.text(bound)) of \(other)", ratio, ratio <= bound)
    case .shareOfCapacity(let bound):
      let capacity = Suite.scenarios.first { $0.name == goal.scenario }?.capacity ?? 1
      return ("≥ \(Self.text(bound)) of capacity", ours / capacity, ours / capacity >= bound)
    }
  }

  static func text(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e9 else { return "\(value)" }
    let thousandths = Int((abs(value) * 1000).rounded())
    let digits = String(thousandths % 1000 + 1000).dropFirst()
    return "\(value < 0 ? "-" : "")\(thousandths / 1000).\(digits)"
  }
}
