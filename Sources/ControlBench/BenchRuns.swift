// All runs of the bench, on two threads, and the tables made of them.
import Dispatch
import Simulation
import Synchronization

struct BenchOptions {
  var seeds: [UInt64] = [101, 102, 103, 104, 105]
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
  private let records = Mutex<[Key: [Record]]>([:])

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
        $0[Key(scenario: job.scenario.name, policy: job.policy), default: []].append(record)
      }
    }
  }

  private func median(_ name: String, _ policy: PolicyName, _ figure: Figure) -> Double? {
    guard let scenario = Suite.scenarios.first(where: { $0.name == name }) else { return nil }
    let found = records.withLock { $0[Key(scenario: name, policy: policy)] ?? [] }
    let values = found.map { figure.value($0, scenario) }.sorted()
    return values.isEmpty ? nil : values[values.count / 2]
  }

  /// p50, p99, p99.9, failures, goodput of every scenario and policy.
  func table() -> String {
    var text = "| scenario | policy | p99 s | p99.9 s | failed | goodput /s | p99 ÷ ours |\n"
    text += "|---|---|---|---|---|---|---|\n"
    for name in options.scenarios {
      let ours = median(name, .steelyard, .p99)
      for policy in options.policies {
        guard let p99 = median(name, policy, .p99) else { continue }
        let p999 = median(name, policy, .p999) ?? 0
        let failed = median(name, policy, .failures) ?? 0
        let goodput = median(name, policy, .goodput) ?? 0
        let ratio = ours.map { Self.text(p99 / $0) } ?? "–"
        text += "| \(name) | \(policy.rawValue) | \(Self.text(p99)) | \(Self.text(p999)) "
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
      guard let theirs = median(goal.scenario, peer, goal.figure) else { return nil }
      let ratio = ours / theirs
      return ("≤ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio <= bound)
    case .ratioAtLeast(let peer, let bound):
      guard let theirs = median(goal.scenario, peer, goal.figure) else { return nil }
      let ratio = ours / theirs
      return ("≥ \(Self.text(bound)) of \(peer.rawValue)", ratio, ratio >= bound)
    case .atMost(let bound): return ("≤ \(Self.text(bound))", ours, ours <= bound)
    case .atLeast(let bound): return ("≥ \(Self.text(bound))", ours, ours >= bound)
    case .ratioToOwn(let other, let bound):
      guard let clean = median(other, .steelyard, goal.figure) else { return nil }
      return ("≤ \(Self.text(bound)) of \(other)", ours / clean, ours / clean <= bound)
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
