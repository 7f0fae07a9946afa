// `control-bench [--suite law|thresholds|sharing|harm] [--seeds 1,2,3] [--only PREFIX,…]
// [--policies NAME,…] [--with NAME,…]`: runs the suite's scenarios with each policy and seed and
// prints the values reached beside the goals (medians over the seeds).
// `control-bench --tick [ENDPOINTS]`: the cost of a turn of the control loop.
import Fleet
import Glibc
import Simulation

/// Prints what is wrong and exits.
func fail(_ message: String) -> Never {
  let line = "control-bench: \(message)\n"
  _ = line.withCString { write(STDERR_FILENO, $0, line.utf8.count) }
  exit(64)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "--tick" {
  let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000
  print("| ms a turn, \(count) endpoints | least | median | most |\n|---|---|---|---|")
  for law in Law.allCases.reversed() {
    var bench = TickBench(law, endpointCount: count)
    print(bench.run(ticks: 50), terminator: "")
  }
} else {
  let options = BenchOptions(arguments)
  let suite =
    switch options.suite {
    case .law: LawSuite.suite
    case .thresholds: ThresholdSuite.suite
    case .sharing: SharingSuite.suite
    case .harm: HarmSuite.suite
    }
  let runs = BenchRuns(suite, options)
  runs.run()
  let text =
    options.suite == .harm ? runs.comparison(with: HarmSuite.peers) : runs.table() + runs.verdicts()
  print(text, terminator: "")
}
