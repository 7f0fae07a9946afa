// When something that repeats itself is said: at once for the first time, then once at the end of
// each window in which it came again, with how often. Pure: time is an argument.
package import Primitives

/// Counts by key. Bounded: at most `keysMax` keys are remembered.
package struct RepeatLimiter<Key: Hashable> {
  /// Between two lines with one key.
  package static var window: Nanoseconds { .seconds(10) }
  package static var keysMax: Int { 4_096 }

  private struct State {
    var saidAt: Nanoseconds
    var count = 0
  }

  private var states: [Key: State] = [:]

  package init() {}

  /// Whether it is said now; if not, it is counted until `due`.
  package mutating func admits(_ key: Key, now: Nanoseconds) -> Bool {
    if states[key] != nil {
      states[key]?.count += 1
      return false
    }
    if states.count < Self.keysMax { states[key] = State(saidAt: now) }
    return true
  }

  /// What came again in the windows that are over, and how often. Keys of which nothing came are
  /// forgotten.
  package mutating func due(now: Nanoseconds) -> [(key: Key, count: Int)] {
    var due: [(Key, Int)] = []
    for (key, state) in states where now - state.saidAt >= Self.window {
      if state.count > 0 {
        due.append((key, state.count))
        states[key] = State(saidAt: now)
      } else {
        states[key] = nil
      }
    }
    return due
  }
}
