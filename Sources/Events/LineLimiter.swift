// The limit for lines of one kind: a burst is written, then none until the window is over, when one
// line gives the number of suppressed ones. Time is an argument.

package import Primitives

/// The counts of lines by message. Bounded: messages are constants of the program.
package struct LineLimiter {
  /// The most lines of one kind in a window.
  package static let burstMax = 32
  /// The length of a window, which begins with its first line.
  package static let window = Nanoseconds.seconds(5)
  private static let kindsMax = 256

  /// The number of suppressed lines of a message.
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

  /// Counts lines that were lost earlier as suppressed ones.
  package mutating func addLost(_ message: String, _ count: Int, now: Nanoseconds) {
    guard count > 0, kinds[message] != nil || kinds.count < Self.kindsMax else { return }
    kinds[message, default: Kind(since: now)].suppressed += count
  }

  /// The suppressed lines of the windows that are over, by message.
  package mutating func ended(now: Nanoseconds) -> [Suppressed] {
    if kinds.isEmpty { return [] }
    let over = kinds.filter { now - $0.value.since >= Self.window }
    for message in over.keys { kinds[message] = nil }
    return over.filter { $0.value.suppressed > 0 }
      .map { Suppressed(message: $0.key, count: $0.value.suppressed) }
      .sorted { $0.message < $1.message }
  }
}
