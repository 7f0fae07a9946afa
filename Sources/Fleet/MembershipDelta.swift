// What changed when endpoints came, went, or got other settings: all that a table, a picker or the
// controller has to touch.

/// Endpoints that were added, removed or updated. Their order does not matter: an endpoint is in
/// one of the lists, once.
public struct MembershipDelta: Sendable, Equatable {
  /// An endpoint of a pool.
  public struct Member: Sendable, Equatable {
    /// Index into the fleet's pools.
    public let pool: Int
    public let endpoint: Endpoint

    public init(pool: Int, _ endpoint: Endpoint) {
      self.pool = pool
      self.endpoint = endpoint
    }
  }
  public var added: [Member] = []
  public var removed: [Member] = []
  /// Endpoints that keep their indexes, with their new settings.
  public var updated: [Member] = []
  /// The indexes of `added` whose cells hold the numbers of another endpoint or of none.
  public var fresh: [Int] = []

  public init() {}

  public var isEmpty: Bool { added.isEmpty && removed.isEmpty && updated.isEmpty }

  /// The pools that it touches.
  public var pools: Set<Int> {
    Set(added.map(\.pool)).union(removed.map(\.pool)).union(updated.map(\.pool))
  }

  /// What changes from one fleet to the next. Requires: all indexes are assigned, by one map.
  public init(from old: Fleet, to new: Fleet, fresh: [Int]) {
    self.fresh = fresh
    var before: [Int: Member] = [:]
    before.reserveCapacity(old.endpointCount)
    for (index, pool) in old.pools.enumerated() {
      for endpoint in pool.endpoints {
        before[endpoint.endpointIndex] = Member(pool: index, endpoint)
      }
    }
    for (index, pool) in new.pools.enumerated() {
      for endpoint in pool.endpoints {
        let member = Member(pool: index, endpoint)
        guard let known = before.removeValue(forKey: endpoint.endpointIndex) else {
          added.append(member)
          continue
        }
        if known != member { updated.append(member) }
      }
    }
    removed = before.values.sorted { $0.endpoint.endpointIndex < $1.endpoint.endpointIndex }
  }
}

extension Fleet {
  /// Whether the other fleet differs in more than its pools' endpoints and host names.
  public func differsBeyondMembers(from other: Fleet) -> Bool {
    withoutEndpoints != other.withoutEndpoints
  }

  private var withoutEndpoints: Fleet {
    var fleet = self
    fleet.pools = pools.map(\.withoutEndpoints)
    return fleet
  }
}
