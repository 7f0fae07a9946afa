// What a hot upgrade may take: another process of the program replaces the running one.
public import Primitives

/// Time limits of an upgrade.
public struct UpgradePolicy: Sendable, Equatable {
  /// From the start of the new process until it accepts connections. When it is over, the new
  /// process is ended, and the present one goes on.
  public var readyTimeout: Nanoseconds = .seconds(60)
  /// The longest time for which the process that was replaced waits for running exchanges, tunnels
  /// and clients that keep a connection.
  public var drainTimeout: Nanoseconds = .seconds(300)
  public init() {}
}
