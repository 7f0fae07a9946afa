// The parts of a request that a pick depends on: the key and the session that bind it to an
// endpoint, and the endpoints that were already tried. Invariant: at most eight tried positions are
// remembered.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// The key and the session that determine a pick besides chance and load.
package struct PickKey: Sendable, Equatable {
  /// The hash of the pool's key; nil: the request has none.
  package var hash: UInt64?
  /// The position of the endpoint that has the client's session.
  package var session: Int?

  /// Makes a key; nil: the request has no such binding.
  package init(hash: UInt64? = nil, session: Int? = nil) {
    self.hash = hash
    self.session = session
  }
}

/// The positions tried for one exchange, at most eight.
package struct TriedSet: Sendable, Equatable {
  private var newer = SIMD4<Int16>(repeating: -1)
  private var older = SIMD4<Int16>(repeating: -1)

  /// Makes an empty set.
  package init() {}

  /// Whether no position was tried.
  @inline(__always)
  package var isEmpty: Bool { newer[0] < 0 }

  /// Whether the position was tried.
  @inline(__always)
  package func contains(_ position: Int) -> Bool {
    if isEmpty { return false }
    let wanted = Int16(truncatingIfNeeded: position)
    for index in 0..<4 where newer[index] == wanted || older[index] == wanted { return true }
    return false
  }

  /// The same endpoints at their present positions; `position` returns nil for a removed endpoint.
  package func moved(_ position: (Int) -> Int?) -> TriedSet {
    var moved = TriedSet()
    for old in [older, newer] {
      for index in stride(from: 3, through: 0, by: -1) where old[index] >= 0 {
        if let new = position(Int(old[index])) { moved.insert(new) }
      }
    }
    return moved
  }

  /// Adds a position, in place of the oldest if there are eight.
  package mutating func insert(_ position: Int) {
    older = SIMD4(newer[3], older[0], older[1], older[2])
    newer = SIMD4(Int16(truncatingIfNeeded: position), newer[0], newer[1], newer[2])
  }
}
