// Gives every endpoint an index that it keeps as long as it exists, over reloads too. The number
// of slots is fixed at start: cells and tables are sized by it.

/// Endpoint identity (pool name, address) → slot.
public struct SlotMap: Sendable {
  private var slots: [String: Int] = [:]
  private var owners: [String?]

  /// Room for four times the endpoints of the first configuration, at least 64.
  public init(for fleet: Fleet) {
    owners = [String?](repeating: nil, count: max(64, 4 * fleet.endpointCount))
  }

  public var count: Int { owners.count }

  public struct Full: Error, Sendable {
    public let slotCount: Int
  }

  /// Sets `slot` of every endpoint. Endpoints that are gone give theirs back, but a slot for which
  /// `isBusy` (it still has exchanges in flight) is not given to another endpoint. On an error the
  /// map is unchanged.
  public mutating func assign(_ fleet: inout Fleet, isBusy: (Int) -> Bool) throws(Full) {
    var next = [String: Int]()
    var taken = [String?](repeating: nil, count: owners.count)
    var missing: [(pool: Int, endpoint: Int, key: String)] = []
    for p in fleet.pools.indices {
      for e in fleet.pools[p].endpoints.indices {
        let key = fleet.pools[p].identity(of: fleet.pools[p].endpoints[e])
        if let slot = slots[key] {
          fleet.pools[p].endpoints[e].slot = slot
          next[key] = slot
          taken[slot] = key
        } else {
          missing.append((p, e, key))
        }
      }
    }
    var free = owners.indices.filter { taken[$0] == nil && !isBusy($0) }.makeIterator()
    for (p, e, key) in missing {
      guard let slot = free.next() else { throw Full(slotCount: owners.count) }
      fleet.pools[p].endpoints[e].slot = slot
      next[key] = slot
    }
    for (key, slot) in next { taken[slot] = key }
    slots = next
    owners = taken
  }
}
