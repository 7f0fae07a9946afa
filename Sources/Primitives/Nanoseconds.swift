// A span of time or a reading of the monotonic clock, in nanoseconds. The clock itself is IO's.

/// A duration, or an instant of the monotonic clock, in nanoseconds (signed, about ±292 years).
@frozen public struct Nanoseconds: Hashable, Comparable, Sendable {
  public var rawValue: Int64

  @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }

  @inlinable public static var zero: Nanoseconds { Nanoseconds(0) }
  /// Later than every instant that occurs.
  @inlinable public static var distantFuture: Nanoseconds { Nanoseconds(.max) }

  @inlinable public static func milliseconds(_ count: Int) -> Nanoseconds {
    Nanoseconds(Int64(count) &* 1_000_000)
  }
  @inlinable public static func seconds(_ count: Int) -> Nanoseconds {
    Nanoseconds(Int64(count) &* 1_000_000_000)
  }
  /// Requires: finite, and less than 292 years.
  @inlinable public static func seconds(_ count: Double) -> Nanoseconds {
    Nanoseconds(Int64(count * 1e9))
  }
  /// This span in seconds.
  @inlinable public var seconds: Double { Double(rawValue) / 1e9 }

  @inlinable public static func + (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
    Nanoseconds(a.rawValue &+ b.rawValue)
  }
  @inlinable public static func - (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds {
    Nanoseconds(a.rawValue &- b.rawValue)
  }
  @inlinable public static func < (a: Nanoseconds, b: Nanoseconds) -> Bool {
    a.rawValue < b.rawValue
  }
}
