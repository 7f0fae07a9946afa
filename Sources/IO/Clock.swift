// The clocks. Everything outside IO is given its time as an argument.
import CSystem
public import Primitives

public enum Clock {
  /// The monotonic clock.
  public static var now: Nanoseconds { Nanoseconds(sy_monotonic()) }
  /// Wall-clock time since 1970, for people and time stamps only.
  public static var wall: Nanoseconds { Nanoseconds(sy_wall()) }
}
