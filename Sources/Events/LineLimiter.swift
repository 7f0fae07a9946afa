// How many lines of one kind the log takes: a burst, then none until the window is over, when one
// line says how many there were. Time is an argument.

package import Primitives

/// Counts lines by their message. Bounded: messages are constants of the program.
package struct LineLimiter {
  /// Lines of one kind in one window.
  package static let burstMax = 32
  /// A window begins with its first line.
  package static let window = Nanoseconds.seconds(5)
  private static let kindsMax = 256

  /// Lines that were not written.
  package struct Suppressed: Equatable {
    package let message: String
    package let count: Int
  }

  private struct Kind {
    var since: Nanoseconds
    var count = 0
    var suppressed = 0
  }

  private var kinds: [String: Kind] = [:]

  package init() {}

  /// Whether the line is written; if not, it is counted.
  package mutating func admits(_ message: String, now: Nanoseconds) -> Bool {
    var kind = kinds[message] ?? Kind(since: now)
    if kinds[message] == nil, kinds.count >= Self.kindsMax { return true }
    defer { kinds[message] = kind }
    if now - kind.since >= Self.window, kind.suppressed == 0 { kind = Kind(since: now) }
    kind.count += 1
    if kind.count <= Self.burstMax { return true }
    kind.suppressed += 1
    return false
  }

  /// Counts lines that were lost before they came here, as if they had come.
  package mutating func addLost(_ message: String, _ count: Int, now: Nanoseconds) {
    guard count > 0, kinds[message] != nil || kinds.count < Self.kindsMax else { return }
    kinds[message, default: Kind(since: now)].suppressed += count
  }

  /// What was left out in the windows that are over now, by message.
  package mutating func ended(now: Nanoseconds) -> [Suppressed] {
    if kinds.isEmpty { return [] }
    let over = kinds.filter { now - $0.value.since >= Self.window }
    for message in over.keys { kinds[message] = nil }
    return over.filter { $0.value.suppressed > 0 }
      .map { Suppressed(message: $0.key, count: $0.value.suppressed) }
      .sorted { $0.message < $1.message }
  }
}
