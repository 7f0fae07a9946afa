// `control-bench [--seeds 1,2,3,4,5] [--only SCENARIO,…] [--policies NAME,…]`: runs every scenario
// with every policy and seed, prints the figures (medians over the seeds) and the goals.
// `control-bench --tick [ENDPOINTS]`: what a turn of the control loop costs.
import Fleet
import Simulation

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "--tick" {
  let count = arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000
  print("| ms a turn, \(count) endpoints | least | median | most |\n|---|---|---|---|")
  for law in Law.allCases.reversed() {
    var bench = TickBench(law, endpointCount: count)
    print(bench.run(ticks: 50), terminator: "")
  }
} else {
  let runs = BenchRuns(BenchOptions(arguments))
  runs.run()
  print(runs.table())
  print(runs.verdicts())
}
