// What a source of endpoints says of one of its sets, such as the addresses of a host name.

/// One change of a named set of addresses.
public struct MemberUpdate: Sendable, Equatable {
  public enum Change: Sendable, Equatable {
    /// The set has exactly these addresses.
    case reset([HostAddress])
    /// The set has these addresses too.
    case add([HostAddress])
    /// The set no longer has these addresses.
    case remove([HostAddress])
  }
  /// The set, as the configuration names it: a host name.
  public let set: String
  public let change: Change

  public init(set: String, _ change: Change) {
    self.set = set
    self.change = change
  }
}
