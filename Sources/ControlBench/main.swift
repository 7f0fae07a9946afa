// `control-bench [--seeds 1,2,3,4,5] [--only SCENARIO,…] [--policies NAME,…]`: runs every scenario
// with every policy and seed, prints the figures (medians over the seeds) and the goals.
import Simulation

let options = BenchOptions(Array(CommandLine.arguments.dropFirst()))
let runs = BenchRuns(options)
runs.run()
print(runs.table())
print(runs.verdicts())
