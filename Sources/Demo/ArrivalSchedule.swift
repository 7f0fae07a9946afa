// The times and sizes of requests: Poisson arrivals, exponential work with mean 1. Pure and seeded:
// the same seed gives the same traffic.
import Glibc
package import Primitives

/// A request that is due.
package struct Arrival: Sendable, Equatable {
  package let at: Nanoseconds
  /// In units; one unit takes a second on an endpoint of speed 1.
  package let work: Double
  package let isStream: Bool
}

/// An endless stream of requests.
package struct ArrivalSchedule: Sendable {
  private let rate: Double
  private let isConstant: Bool
  private var random: RandomSource
  /// The first arrival that was not taken yet.
  package private(set) var next: Arrival

  /// Requires: rate > 0 requests per second. `isConstant`: every request has one unit of work.
  package init(rate: Double, seed: UInt64, start: Nanoseconds, isConstant: Bool = false) {
    self.rate = rate
    self.isConstant = isConstant
    random = RandomSource(seed: seed)
    next = Arrival(at: start, work: 1, isStream: false)
    step()
  }

  /// The next arrival that is due; nil: there is none yet.
  package mutating func take(until now: Nanoseconds) -> Arrival? {
    guard next.at <= now else { return nil }
    defer { step() }
    return next
  }

  private mutating func step() {
    let gap = -log(1 - random.unit()) / rate
    // With an unbounded tail, single requests would decide the p99.
    let drawn = min(6, max(0.05, -log(1 - random.unit())))
    let work = isConstant ? 1 : drawn
    next = Arrival(at: next.at + .seconds(gap), work: work, isStream: random.index(below: 4) == 0)
  }
}
