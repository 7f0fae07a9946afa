// The tag that the connections of a listener carry. A tag is reused only when no connection of its
// last listener is left and every worker runs a fleet without that listener.

/// The tags of one balancer. Used by the control thread only.
struct ListenerTags {
  /// The most listeners at a time, including removed ones with open connections.
  static let countMax = 1_024

  private enum State {
    case free, used
    /// The fleet revision that removed the listener.
    case retired(UInt64)
  }
  private var states = [State](repeating: .free, count: countMax)

  /// The lowest free tag; nil: there is none. `adopted` is the fleet revision that all workers have
  /// reached.
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

  /// Notes that the fleet revision removed the listener.
  mutating func retire(_ tag: UInt32, revision: UInt64) { states[Int(tag)] = .retired(revision) }
}
