// Assigns the tag that the connections of a listener carry. Invariant: a tag is reused only when
// every worker runs a fleet without its last listener and no connection of that listener is left.

/// The listener tags of one balancer. Only the control thread uses them.
struct ListenerTags {
  /// The most listeners at a time, counting removed ones with open connections.
  static let countMax = 1_024

  private enum State {
    case free, used
    /// The fleet revision that removed the listener.
    case retired(UInt64)
  }
  private var states = [State](repeating: .free, count: countMax)

  /// Takes the lowest free tag; nil: no tag is free. `adopted` is the fleet revision that every
  /// worker has adopted; `connectionCount` returns the number of open connections that carry a tag.
  mutating func take(adopted: UInt64, connectionCount: (Int) -> UInt64) -> UInt32? {
    for tag in states.indices {
      switch states[tag] {
      case .used: continue
      case .retired(let revision):
        guard adopted >= revision, connectionCount(tag) == 0 else { continue }
      case .free: break
      }
      states[tag] = .used
      return UInt32(tag)
    }
    return nil
  }

  /// Notes that the fleet of `revision` has removed the listener.
  mutating func retire(_ tag: UInt32, revision: UInt64) { states[Int(tag)] = .retired(revision) }
}
