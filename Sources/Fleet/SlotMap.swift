// Gives every endpoint an index that it keeps as long as it exists, over reloads too. The number
// of slots is fixed at start: cells and tables are sized by it. An endpoint that comes back before
// its slot went to another gets it back, with its cells.

/// Endpoint identity (pool name, address) → slot.
public struct SlotMap: Sendable {
  private struct Slot: Sendable {
    /// Who has it, or had it last.
    var owner: String?
    var isTaken = false
    /// The assignment at which it became free; 0 where it never had an owner.
    var freedAt: UInt64 = 0
  }
  /// Of every owner, past ones too.
  private var places: [String: Int] = [:]
  private var slots: [Slot]
  private var assignments: UInt64 = 0

  /// Room for four times the endpoints of the first configuration, at least 64; a host name counts
  /// as 16 endpoints.
  public init(for fleet: Fleet) {
    slots = [Slot](
      repeating: Slot(), count: max(64, 4 * (fleet.endpointCount + 16 * fleet.nameCount)))
  }

  public var count: Int { slots.count }

  public struct Full: Error, Sendable {
    public let slotCount: Int
  }

  /// Sets `slot` of every endpoint; gives the slots whose cells tell of another endpoint, or
  /// nothing, and have to be cleared before they are used. A slot for which `isBusy` (somebody may
  /// still write its cells) is given to no other endpoint, nor is one whose endpoint goes with
  /// this very assignment. On an error the map is unchanged.
  @discardableResult
  public mutating func assign(
    _ fleet: inout Fleet, isBusy: (Int) -> Bool
  ) throws(Full) -> [Int] {
    var isNext = [Bool](repeating: false, count: slots.count)
    var missing: [(pool: Int, endpoint: Int, key: String)] = []
    for p in fleet.pools.indices {
      for e in fleet.pools[p].endpoints.indices {
        let key = fleet.pools[p].identity(of: fleet.pools[p].endpoints[e])
        if let slot = places[key] {
          fleet.pools[p].endpoints[e].slot = slot
          isNext[slot] = true
        } else {
          missing.append((p, e, key))
        }
      }
    }
    // Those that were free for the longest time come first: an endpoint that returns finds its own.
    let free = slots.indices.filter { !slots[$0].isTaken && !isNext[$0] && !isBusy($0) }
      .sorted { (slots[$0].freedAt, $0) < (slots[$1].freedAt, $1) }
    guard free.count >= missing.count else { throw Full(slotCount: slots.count) }
    assignments += 1
    for slot in slots.indices where slots[slot].isTaken && !isNext[slot] {
      slots[slot].freedAt = assignments
    }
    for (slot, (p, e, key)) in zip(free, missing) {
      fleet.pools[p].endpoints[e].slot = slot
      isNext[slot] = true
      if let before = slots[slot].owner { places[before] = nil }
      slots[slot].owner = key
      places[key] = slot
    }
    for slot in slots.indices { slots[slot].isTaken = isNext[slot] }
    return Array(free.prefix(missing.count))
  }
}
