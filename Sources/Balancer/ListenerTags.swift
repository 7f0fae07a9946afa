// Which tag the connections of a listener carry. A tag is used again only when no connection of
// its last listener is left and every worker runs a fleet without it.

/// The tags of one balancer. Touched by the control thread only.
struct ListenerTags {
  /// Listeners that exist at a time, with those whose connections have not ended.
  static let countMax = 1_024

  private enum State {
    case free, used
    /// Since that fleet revision.
    case retired(UInt64)
  }
  private var states = [State](repeating: .free, count: countMax)

  /// The lowest tag that nobody carries; nil where there is none. `adopted` is the fleet revision
  /// that all workers have reached.
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

  /// The listener is gone with that fleet revision.
  mutating func retire(_ tag: UInt32, revision: UInt64) { states[Int(tag)] = .retired(revision) }
}
