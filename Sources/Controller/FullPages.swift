// How many requests an endpoint serves at once, by its own page: what it runs while others wait in
// it. A server with slots shows the same number each time; one that batches continuously does not,
// and then nothing is known.
// A pure value; docs/control.md tells what it is worth.
import Primitives

struct FullPages: Sendable, Equatable {
  /// Pages are forgotten over so many seconds.
  static let tau = 60.0
  static let countMin = 5.0
  /// The standard deviation, relative to the mean, up to which it is the same number.
  static let spreadMax = 0.02
  /// For so long it is believed once it was seen, seconds: slots do not change by themselves.
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

  /// Takes the load that a page told that was asked for at `now`.
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

  /// nil: it was not seen full lately, or not with the same number each time.
  func slots(now: Nanoseconds) -> Double? {
    guard let found, (now - found.at).seconds < Self.memory else { return nil }
    return found.slots
  }
}
