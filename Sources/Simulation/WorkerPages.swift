// A metrics page that several processes of one server answer in turn, each with counters of its own
// and a past of its own, as servers with workers and without a shared registry do.
import Primitives

struct WorkerPages {
  private var completed: [Int]
  private var seconds: [Double]
  private var turn = 0

  /// `count`: processes; with one there is nothing to be told apart. They were there before, with
  /// requests of `mean` seconds: their counters differ from the beginning.
  init(count: Int, mean: Double) {
    completed = count > 1 ? (0..<count).map { 900 + 500 * $0 } : []
    seconds = completed.map { mean * Double($0) }
  }

  /// A request ended at one of them.
  mutating func count(_ duration: Nanoseconds, _ random: inout RandomSource) {
    guard !completed.isEmpty else { return }
    let worker = random.index(below: completed.count)
    completed[worker] += 1
    seconds[worker] += duration.seconds
  }

  /// What the next of them says; nil where there is but one.
  mutating func next() -> (completed: Int, seconds: Double)? {
    guard !completed.isEmpty else { return nil }
    turn = (turn + 1) % completed.count
    return (completed[turn], seconds[turn])
  }
}
