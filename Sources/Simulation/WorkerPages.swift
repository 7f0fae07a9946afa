// A metrics page that several processes of one server answer in turn, each with its own counters
// and its own past, as servers with workers and without a shared registry do.
import Primitives

struct WorkerPages {
  private var completed: [Int]
  private var seconds: [Double]
  private var turn = 0

  /// `count`: the number of processes; with one there is no difference to hide. They have served
  /// requests of `mean` seconds before, so that their counters differ from the beginning.
  init(count: Int, mean: Double) {
    completed = count > 1 ? (0..<count).map { 900 + 500 * $0 } : []
    seconds = completed.map { mean * Double($0) }
  }

  /// A request ended at one of the processes.
  mutating func count(_ duration: Nanoseconds, _ random: inout RandomSource) {
    guard !completed.isEmpty else { return }
    let worker = random.index(below: completed.count)
    completed[worker] += 1
    seconds[worker] += duration.seconds
  }

  /// The counters of the next process; nil: there is only one.
  mutating func next() -> (completed: Int, seconds: Double)? {
    guard !completed.isEmpty else { return nil }
    turn = (turn + 1) % completed.count
    return (completed[turn], seconds[turn])
  }
}
