// How many requests an endpoint serves at once, from its own page: the number it runs while others
// wait in it. A server with slots shows the same number each time; one with continuous batching
// does not, and then the number is unknown.
// A pure value; docs/control.md evaluates it.
import Primitives

struct FullPages: Sendable, Equatable {
  /// The decay time of pages, seconds.
  static let tau = 60.0
  static let countMin = 5.0
  /// The largest standard deviation, relative to the mean, at which numbers count as the same.
  static let spreadMax = 0.02
  /// How long a number of slots is used after it was last seen, seconds: slots do not change by
  /// themselves.
  static let memory = 3_600.0

  private var count = 0.0
  private var sum = 0.0
  private var squares = 0.0
  private var takenAt: Nanoseconds?
  private var found: (slots: Double, at: Nanoseconds)?

  static func == (a: FullPages, b: FullPages) -> Bool {
    a.count == b.count && a.sum == b.sum && a.squares == b.squares && a.takenAt == b.takenAt
      && a.found?.slots == b.found?.slots && a.found?.at == b.found?.at
  }

  /// Takes the load on a page whose scrape was sent at `now`.
  mutating func take(running: Double?, waiting: Double?, at now: Nanoseconds) {
    guard let running, let waiting, waiting >= 1, running >= 1, running <= 1e6 else { return }
    let keep = takenAt.map { exponential(-max(0, (now - $0).seconds) / Self.tau) } ?? 0
    takenAt = now
    count = count * keep + 1
    sum = sum * keep + running
    squares = squares * keep + running * running
    guard count >= Self.countMin else { return }
    let mean = sum / count
    let variance = max(0, squares / count - mean * mean)
    if variance.squareRoot() <= Self.spreadMax * mean {
      found = (mean.rounded(), now)
    } else {
      found = nil
    }
  }

  /// nil: the endpoint was not seen full lately, or the number varied.
  func slots(now: Nanoseconds) -> Double? {
    guard let found, (now - found.at).seconds < Self.memory else { return nil }
    return found.slots
  }
}
