// When a resource begins to be short and when it is enough again, from a counter of how often that
// was felt. Pure: counts and times are arguments.
package import Primitives

/// One resource.
package struct ShortageWatch: Sendable {
  /// So long without another one, and the shortage is over.
  package static let endTime = Nanoseconds.seconds(30)

  package enum Change: Sendable, Equatable {
    /// How often it was felt since the last look.
    case began(UInt64)
    /// How often it was felt, and from the first to the last time.
    case ended(UInt64, lasted: Nanoseconds)
  }

  private var seen: UInt64 = 0
  private var beganAt: Nanoseconds?
  private var lastAt = Nanoseconds.zero
  private var seenAtBegin: UInt64 = 0

  package init() {}

  /// `count` never goes down.
  package mutating func look(_ count: UInt64, now: Nanoseconds) -> Change? {
    let before = seen
    seen = count
    if count > before {
      lastAt = now
      guard beganAt == nil else { return nil }
      beganAt = now
      seenAtBegin = before
      return .began(count - before)
    }
    guard let began = beganAt, now - lastAt >= Self.endTime else { return nil }
    beganAt = nil
    return .ended(count - seenAtBegin, lasted: lastAt - began)
  }
}
