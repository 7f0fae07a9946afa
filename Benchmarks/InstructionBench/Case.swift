// One thing that is counted, and how the count is cut out: between two marks a case runs as often
// as it is told and does nothing else. The mark is a call of getppid(2), which nothing else makes,
// so that callgrind can be told to dump its counts there (`--dump-before=getppid`).
import CSystem

/// What a case leaves behind, so that no work can be left out by the compiler.
struct Sink {
  private var sum: UInt64 = 0

  @inline(__always)
  mutating func take(_ value: Int) { sum = sum &* 31 &+ UInt64(truncatingIfNeeded: value) }

  /// Of everything that was taken.
  var value: UInt64 { sum }
}

struct Case {
  let name: String
  /// How often it runs between the first two marks; twice as often between the next two.
  let count: Int
  let body: (Int, inout Sink) -> Void

  /// Warms up, then runs between marks. The difference of the two counts is `count` operations;
  /// what entering and leaving costs is in both.
  func run(_ sink: inout Sink) {
    body(count, &sink)
    _ = getppid()
    body(count, &sink)
    _ = getppid()
    body(2 * count, &sink)
    _ = getppid()
  }
}
