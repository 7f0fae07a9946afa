// The speed of a server that has just come back: it rises linearly from a share of its speed to
// full speed. Pure. Example: from 0.1 over 10 s it does 1 + 4.5 = 5.5 s worth of work in that time.
package import Primitives

/// A ramp of speed. 1 is the full speed.
package struct WarmUp: Sendable, Equatable {
  private let start: Nanoseconds
  private let firstRatio: Double
  private let seconds: Double

  /// Requires: 0 < firstRatio <= 1, span > 0.
  package init(start: Nanoseconds, span: Nanoseconds, firstRatio: Double) {
    self.start = start
    self.firstRatio = firstRatio
    seconds = span.seconds
  }

  /// The work between two times, in seconds at full speed. Requires: start <= from <= to.
  package func work(from: Nanoseconds, to: Nanoseconds) -> Double {
    work(until: to) - work(until: from)
  }

  /// When this much work that begins at `from` is done. Requires: start <= from, work >= 0.
  package func instant(after work: Double, from: Nanoseconds) -> Nanoseconds {
    let total = self.work(until: from) + work
    let rampWork = self.work(until: start + .seconds(seconds))
    guard total < rampWork else { return start + .seconds(seconds + total - rampWork) }
    // firstRatio·s + slope·s²/2 = total, solved without cancellation for small slopes.
    let slope = (1 - firstRatio) / seconds
    let root = (firstRatio * firstRatio + 2 * slope * total).squareRoot()
    return start + .seconds(2 * total / (firstRatio + root))
  }

  private func work(until: Nanoseconds) -> Double {
    let elapsed = max(0, (until - start).seconds)
    let ramp = min(elapsed, seconds)
    return firstRatio * ramp + (1 - firstRatio) * ramp * ramp / (2 * seconds) + elapsed - ramp
  }
}
