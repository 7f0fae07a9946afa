// What a source of endpoints says of one of its sets, such as the addresses of a host name.
import Primitives

/// One change of a set of members.
public struct MemberUpdate: Sendable, Equatable {
  public enum Change: Sendable, Equatable {
    /// The set has exactly these members.
    case reset([Member])
    /// The set has these members too, or they have other settings now.
    case add([Member])
    /// The set no longer has members at these addresses.
    case remove([Member])
  }
  public let set: MemberSet
  public let change: Change

  public init(set: MemberSet, _ change: Change) {
    self.set = set
    self.change = change
  }
}
