// The limit for events that repeat: the first one is logged at once, further ones as one line with
// their number at the end of each window. Pure: time is an argument.
package import Primitives

/// The counts by key. At most `keysMax` keys are remembered.
package struct RepeatLimiter<Key: Hashable> {
  /// The time between two lines with the same key.
  package static var window: Nanoseconds { .seconds(10) }
  package static var keysMax: Int { 4_096 }

  private struct State {
    var saidAt: Nanoseconds
    var count = 0
  }

  private var states: [Key: State] = [:]

  package init() {}

  /// Whether the event is logged now; if not, it is counted until `due`.
  package mutating func admits(_ key: Key, now: Nanoseconds) -> Bool {
    if states[key] != nil {
      states[key]?.count += 1
      return false
    }
    if states.count < Self.keysMax { states[key] = State(saidAt: now) }
    return true
  }

  /// The keys whose window is over and their numbers of events. Keys without a further event are
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
