// The clocks. Everything outside IO gets the time as an argument.
import CSystem
public import Primitives

public enum Clock {
  /// The monotonic clock.
  public static var now: Nanoseconds { Nanoseconds(sy_monotonic()) }
  /// Sleeps. For start-up and the terminal, never on a loop's thread.
  public static func pause(_ span: Nanoseconds) {
    var time = timespec(
      tv_sec: Int(span.rawValue / 1_000_000_000), tv_nsec: Int(span.rawValue % 1_000_000_000))
    nanosleep(&time, nil)
  }
  /// Wall-clock time since 1970, for people and timestamps only.
  public static var wall: Nanoseconds { Nanoseconds(sy_wall()) }
}
