// The figures that are kept of each run, and all runs of a plan with their medians over the seeds.

/// One run: a policy with a seed.
package struct RunResult: Sendable, Equatable {
  package let policy: PolicyName
  package let seed: UInt64
  /// Requests that arrived within the measured time.
  package var requests = 0
  package var completed = 0
  /// Requests that were answered with an error or cut.
  package var failed = 0
  package var timedOut = 0
  /// Latencies in seconds; nil: nothing was measured.
  package var p50: Double?
  package var p99: Double?
  package var p999: Double?
  package var mean: Double?
  /// Seconds to the first token, for engines; nil: there are none.
  package var firstTokenP50: Double?
  package var firstTokenP99: Double?
  /// Requests per second that ended well.
  package var goodput = 0.0
  /// Σ|Δ share| per minute: how much the weights moved.
  package var shareMovedPerMinute = 0.0
  /// Requests sent to each endpoint in each second; empty if not wanted.
  package var sends: [[Int]] = []

  package init(_ policy: PolicyName, seed: UInt64) {
    self.policy = policy
    self.seed = seed
  }

  init(_ record: Record, _ policy: PolicyName, seed: UInt64, keepsSends: Bool) {
    self.init(policy, seed: seed)
    requests = record.arrivals
    completed = record.completed
    failed = record.failed
    timedOut = record.timedOut
    p50 = record.latency(quantile: 0.5)
    p99 = record.latency(quantile: 0.99)
    p999 = record.latency(quantile: 0.999)
    mean = record.mean
    firstTokenP50 = record.firstToken(quantile: 0.5)
    firstTokenP99 = record.firstToken(quantile: 0.99)
    goodput = record.goodput
    shareMovedPerMinute = record.shareMovedPerMinute
    if keepsSends { sends = record.sends }
  }

  package var failures: Int { failed + timedOut }
}

/// All runs of a plan, by policy and then by seed, in the plan's order.
package struct SimulationResults: Sendable {
  package let plan: SimulationPlan
  package let runs: [RunResult]

  /// Requires: one run for each policy and seed, in the order of `jobs`.
  package init(_ plan: SimulationPlan, _ runs: [RunResult]) {
    precondition(runs.count == plan.policies.count * plan.seeds.count)
    self.plan = plan
    self.runs = runs
  }

  /// The policy's runs, by seed.
  package func runs(of policy: PolicyName) -> [RunResult] { runs.filter { $0.policy == policy } }

  /// The median over the seeds; nil: no run has the figure.
  package func median(_ policy: PolicyName, _ figure: (RunResult) -> Double?) -> Double? {
    Self.median(runs(of: policy).compactMap(figure))
  }

  /// The median over the seeds of p99 ÷ the first policy's p99 with the same seed.
  package func p99Ratio(_ policy: PolicyName) -> Double? {
    guard let first = plan.policies.first else { return nil }
    let pairs = zip(runs(of: policy), runs(of: first))
    return Self.median(
      pairs.compactMap { mine, theirs in
        guard let a = mine.p99, let b = theirs.p99, b > 0 else { return nil }
        return a / b
      })
  }

  /// The mean of the middle two values if the count is even.
  static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

extension SimulationPlan {
  /// One run of a plan.
  package struct Job: Sendable, Equatable {
    package let policy: PolicyName
    package let seed: UInt64
  }

  /// The runs, by policy and then by seed. They are independent of each other.
  package var jobs: [Job] {
    policies.flatMap { policy in seeds.map { Job(policy: policy, seed: $0) } }
  }

  /// Performs one run. Any thread. `keepsSends` keeps the sends of every policy instead of only the
  /// first one.
  package func run(_ job: Job, keepsSends: Bool = false) -> RunResult {
    let record = Simulation.run(scenario, job.policy, seed: job.seed)
    return RunResult(
      record, job.policy, seed: job.seed, keepsSends: keepsSends || job.policy == policies.first)
  }
}
