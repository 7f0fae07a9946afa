// A duration, or a time of the monotonic clock, in nanoseconds. IO reads the clock.

/// A duration, or an instant of the monotonic clock, in nanoseconds (signed, about ±292 years).
@frozen public struct Nanoseconds: Hashable, Comparable, Sendable {
  public var rawValue: Int64

  @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }

  @inlinable public static var zero: Nanoseconds { Nanoseconds(0) }
  /// Later than every time that occurs.
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
  /// The duration in seconds.
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
