// When requests come and how large they are: Poisson arrivals, exponential work of mean
// 1. Pure and seeded: the same seed gives the same traffic.
import Glibc
package import Primitives

/// One request that is due.
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
  /// The first that was not taken yet.
  package private(set) var next: Arrival

  /// Requires: rate > 0 requests a second. `isConstant`: each is one unit of work.
  package init(rate: Double, seed: UInt64, start: Nanoseconds, isConstant: Bool = false) {
    self.rate = rate
    self.isConstant = isConstant
    random = RandomSource(seed: seed)
    next = Arrival(at: start, work: 1, isStream: false)
    step()
  }

  /// The arrival whose time has come, nil when there is none yet.
  package mutating func take(until now: Nanoseconds) -> Arrival? {
    guard next.at <= now else { return nil }
    defer { step() }
    return next
  }

  private mutating func step() {
    let gap = -log(1 - random.unit()) / rate
    // A tail without an end would make single requests decide the p99.
    let drawn = min(6, max(0.05, -log(1 - random.unit())))
    let work = isConstant ? 1 : drawn
    next = Arrival(at: next.at + .seconds(gap), work: work, isStream: random.index(below: 4) == 0)
  }
}
