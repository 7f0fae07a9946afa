// One line that describes the runs of a plan.
import Primitives

extension SimulationPlan {
  /// For example `unequal: 8 endpoints that can do 128 requests/s, 3 seeds, medians over 120 s`.
  package var heading: String {
    let count = scenario.groups.reduce(0) { $0 + $1.count }
    return "\(scenario.name): \(count) endpoint\(count == 1 ? "" : "s") that can do "
      + "\(NumberWords.significant(scenario.capacity)) requests/s, \(Self.traffic(scenario)); "
      + "\(seeds.count) seed\(seeds.count == 1 ? "" : "s") of "
      + "\(NumberWords.significant(scenario.measured)) s each"
  }

  private static func traffic(_ scenario: Scenario) -> String {
    let end = scenario.warmup + scenario.measured
    let starts = scenario.rates.isEmpty ? scenario.loads.map(\.at) : scenario.rates.map(\.at)
    let rates = starts.filter { $0 < end }.map { scenario.rate(at: $0) }
    let (low, high) = (rates.min() ?? 0, rates.max() ?? 0)
    return low == high
      ? "\(NumberWords.significant(low)) arrive"
      : "\(NumberWords.significant(low)) to \(NumberWords.significant(high)) arrive"
  }
}
