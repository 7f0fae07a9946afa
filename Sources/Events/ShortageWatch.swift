// The begin and the end of a shortage of one resource, from a counter of its refusals. Pure: counts
// and times are arguments.
package import Primitives

/// The watch of one resource.
package struct ShortageWatch: Sendable {
  /// The time without a refusal after which the shortage is over.
  package static let endTime = Nanoseconds.seconds(30)

  package enum Change: Sendable, Equatable {
    /// The shortage began: the number of refusals since the last look.
    case began(UInt64)
    /// The shortage is over: its number of refusals, and the time from the first to the last one.
    case ended(UInt64, lasted: Nanoseconds)
  }

  private var seen: UInt64 = 0
  private var beganAt: Nanoseconds?
  private var lastAt = Nanoseconds.zero
  private var seenAtBegin: UInt64 = 0

  package init() {}

  /// Takes the counter, which never decreases.
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
