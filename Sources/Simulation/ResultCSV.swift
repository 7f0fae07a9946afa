// Results as CSV for other programs. Independent of the locale.
import Primitives

package enum ResultCSV {
  /// A row for each policy and seed; the titles first, LF after each line.
  package static func runs(_ results: SimulationResults) -> String {
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
  package static func shares(_ results: SimulationResults) -> String {
    var text = "policy,seed,second,endpoint,requests,share\n"
    for run in results.runs {
      for (second, sends) in run.sends.enumerated() {
        let all = sends.reduce(0, +)
        for (index, count) in sends.enumerated() {
          let share = all == 0 ? 0 : Double(count) / Double(all)
          text += "\(run.policy.rawValue),\(run.seed),\(second),\(index + 1),\(count),"
          text += NumberWords.fixed(share, 4) + "\n"
        }
      }
    }
    return text
  }
}
