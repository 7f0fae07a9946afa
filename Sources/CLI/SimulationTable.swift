// The results of `steelyard simulate` as a table: medians over the seeds, one line for each policy.
import Primitives
import Simulation
import Terminal

enum SimulationTable {
  private static let titles = [
    "policy", "requests", "failed", "p50", "p99", "p99.9", "mean", "goodput", "p99 ÷ first",
  ]

  /// The description of the runs, the titles, one line for each policy.
  static func lines(_ results: SimulationResults) -> [String] {
    let hasTokens = results.runs.contains { $0.firstTokenP50 != nil }
    let titles = titles + (hasTokens ? ["ttft p50", "ttft p99"] : [])
    let rows = [titles] + results.plan.policies.map { row(results, $0, hasTokens: hasTokens) }
    return [results.plan.heading, ""]
      + TableLayout.plain(rows, right: Set(titles.indices.dropFirst()))
  }

  private static func row(
    _ results: SimulationResults, _ policy: PolicyName, hasTokens: Bool
  ) -> [String] {
    func latency(_ figure: (RunResult) -> Double?) -> String {
      results.median(policy, figure).map(NumberWords.comparedDuration) ?? "–"
    }
    func count(_ figure: (RunResult) -> Int) -> String {
      let median = results.median(policy) { Double(figure($0)) } ?? 0
      return NumberWords.fixed(median, median == median.rounded() ? 0 : 1)
    }
    return [
      policy.rawValue, count(\.requests), count(\.failures), latency(\.p50), latency(\.p99),
      latency(\.p999), latency(\.mean),
      NumberWords.significant(results.median(policy, \.goodput) ?? 0) + "/s",
      results.p99Ratio(policy).map { NumberWords.fixed($0, 2) } ?? "–",
    ] + (hasTokens ? [latency(\.firstTokenP50), latency(\.firstTokenP99)] : [])
  }
}
