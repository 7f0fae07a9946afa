// Results as text: the table for people, CSV for other programs. Independent of the locale.

package enum ResultText {
  private static let titles = [
    "policy", "requests", "failed", "p50", "p99", "p99.9", "mean", "goodput", "p99 ÷ first",
  ]

  /// The description of the run, the titles, one line for each policy.
  package static func table(_ results: SimulationResults) -> [String] {
    let hasTokens = results.runs.contains { $0.firstTokenP50 != nil }
    let titles = titles + (hasTokens ? ["ttft p50", "ttft p99"] : [])
    let rows = [titles] + results.plan.policies.map { row(results, $0, hasTokens: hasTokens) }
    let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let lines = rows.map { row in
      row.indices.map { column in
        column == 0
          ? row[0].padded(to: widths[0])
          : String(repeating: " ", count: widths[column] - row[column].count) + row[column]
      }.joined(separator: "  ")
    }
    return [heading(results.plan), ""] + lines
  }

  /// For example `unequal: 8 endpoints that can do 128 requests/s, 3 seeds, medians over 120 s`.
  package static func heading(_ plan: SimulationPlan) -> String {
    let scenario = plan.scenario
    let count = scenario.groups.reduce(0) { $0 + $1.count }
    return "\(scenario.name): \(count) endpoint\(count == 1 ? "" : "s") that can do "
      + "\(number(scenario.capacity)) requests/s, \(traffic(scenario)); "
      + "\(plan.seeds.count) seed\(plan.seeds.count == 1 ? "" : "s") of "
      + "\(number(scenario.measured)) s each"
  }

  private static func traffic(_ scenario: Scenario) -> String {
    let end = scenario.warmup + scenario.measured
    let starts = scenario.rates.isEmpty ? scenario.loads.map(\.at) : scenario.rates.map(\.at)
    let rates = starts.filter { $0 < end }.map { scenario.rate(at: $0) }
    let (low, high) = (rates.min() ?? 0, rates.max() ?? 0)
    return low == high ? "\(number(low)) arrive" : "\(number(low)) to \(number(high)) arrive"
  }

  private static func row(
    _ results: SimulationResults, _ policy: PolicyName, hasTokens: Bool
  ) -> [String] {
    func latency(_ figure: (RunResult) -> Double?) -> String {
      results.median(policy, figure).map(seconds) ?? "–"
    }
    func count(_ figure: (RunResult) -> Int) -> String {
      let median = results.median(policy) { Double(figure($0)) } ?? 0
      return fixed(median, median == median.rounded() ? 0 : 1)
    }
    return [
      policy.rawValue, count(\.requests), count(\.failures), latency(\.p50), latency(\.p99),
      latency(\.p999), latency(\.mean),
      number(results.median(policy, \.goodput) ?? 0) + "/s",
      results.p99Ratio(policy).map { fixed($0, 2) } ?? "–",
    ] + (hasTokens ? [latency(\.firstTokenP50), latency(\.firstTokenP99)] : [])
  }

  // MARK: CSV

  /// A row for each policy and seed; the titles first, LF after each line.
  package static func csv(_ results: SimulationResults) -> String {
    var text =
      "policy,seed,requests,completed,failed,timed_out,p50_seconds,p99_seconds,p999_seconds,"
      + "mean_seconds,goodput_per_second,share_moved_per_minute,ttft_p50_seconds,"
      + "ttft_p99_seconds\n"
    for run in results.runs {
      let latencies = [run.p50, run.p99, run.p999, run.mean].map { $0.map { "\($0)" } ?? "" }
      var cells =
        [
          run.policy.rawValue, "\(run.seed)", "\(run.requests)", "\(run.completed)",
          "\(run.failed)", "\(run.timedOut)",
        ] + latencies + ["\(run.goodput)", "\(run.shareMovedPerMinute)"]
      let firstTokens = [run.firstTokenP50, run.firstTokenP99]
      cells += firstTokens.map { $0.map { "\($0)" } ?? "" }
      text += cells.joined(separator: ",") + "\n"
    }
    return text
  }

  /// A row for each run, second and endpoint: the requests sent, and their share of that second's.
  package static func sharesCSV(_ results: SimulationResults) -> String {
    var text = "policy,seed,second,endpoint,requests,share\n"
    for run in results.runs {
      for (second, sends) in run.sends.enumerated() {
        let all = sends.reduce(0, +)
        for (index, count) in sends.enumerated() {
          let share = all == 0 ? 0 : Double(count) / Double(all)
          text += "\(run.policy.rawValue),\(run.seed),\(second),\(index + 1),\(count),"
          text += fixed(share, 4) + "\n"
        }
      }
    }
    return text
  }

  // MARK: Numbers

  /// Seconds with three significant digits: `1.23 s`, `45.6 ms`, `789 µs`.
  package static func seconds(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    if value >= 0.9995 { return significant(value) + " s" }
    if value >= 0.000_999_5 { return significant(value * 1e3) + " ms" }
    return significant(value * 1e6) + " µs"
  }

  /// Three significant digits, or all digits before the point.
  static func significant(_ value: Double) -> String {
    fixed(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)
  }

  /// Without decimals if it is large or whole.
  static func number(_ value: Double) -> String {
    value >= 99.95 || value == value.rounded() ? fixed(value, 0) : significant(value)
  }

  /// With that many decimals, at most four.
  static func fixed(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value.magnitude < 1e14 else { return "\(value)" }
    let scale = [1.0, 10, 100, 1_000, 10_000][places]
    let units = Int64((value * scale).rounded(.toNearestOrAwayFromZero))
    let digits = String(units.magnitude)
    let sign = units < 0 ? "-" : ""
    guard places > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    return sign + padded.dropLast(places) + "." + padded.suffix(places)
  }
}

extension String {
  /// Padded with spaces at the end.
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, width - count))
  }
}
