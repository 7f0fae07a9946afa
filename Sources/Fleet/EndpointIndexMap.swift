// Assigns every endpoint an index that it keeps as long as it exists, over reloads too. The number
// of indexes is fixed at start, because cells and tables are sized by it. An endpoint that returns
// before its index was assigned to another one gets it back, with its cells.

/// Endpoint identity (pool name, address) → index.
public struct EndpointIndexMap: Sendable {
  private struct Cell: Sendable {
    /// The endpoint that has the index now or had it last.
    var owner: String?
    var isTaken = false
    /// The number of the assignment at which the index became free; 0: it never had an owner.
    var freedAt: UInt64 = 0
  }
  /// The indexes of all owners, past ones included.
  private var indexes: [String: Int] = [:]
  private var cells: [Cell]
  private var assignments: UInt64 = 0

  /// Makes room for four times the endpoints of the first configuration, at least 64. A host name
  /// counts as 16 endpoints.
  public init(for fleet: Fleet) {
    cells = [Cell](
      repeating: Cell(), count: max(64, 4 * (fleet.endpointCount + 16 * fleet.nameCount)))
  }

  public var count: Int { cells.count }

  public struct Full: Error, Sendable {
    public let endpointLimit: Int
  }

  /// Sets `endpointIndex` of every endpoint. Returns the indexes whose cells hold the numbers of
  /// another endpoint or of none; the caller clears those before use. An index for which `isBusy`
  /// is true (a worker may still write its cells) goes to no other endpoint, and neither does one
  /// whose endpoint is removed by this very assignment. On an error the map is unchanged.
  @discardableResult
  public mutating func assign(
    _ fleet: inout Fleet, isBusy: (Int) -> Bool
  ) throws(Full) -> [Int] {
    var isNext = [Bool](repeating: false, count: cells.count)
    var missing: [(pool: Int, endpoint: Int, key: String)] = []
    for p in fleet.pools.indices {
      for e in fleet.pools[p].endpoints.indices {
        let key = fleet.pools[p].identity(of: fleet.pools[p].endpoints[e])
        if let endpointIndex = indexes[key] {
          fleet.pools[p].endpoints[e].endpointIndex = endpointIndex
          isNext[endpointIndex] = true
        } else {
          missing.append((p, e, key))
        }
      }
    }
    // Indexes that have been free longest are taken first, so that returning endpoints find their
    // own.
    let free = cells.indices.filter { !cells[$0].isTaken && !isNext[$0] && !isBusy($0) }
      .sorted { (cells[$0].freedAt, $0) < (cells[$1].freedAt, $1) }
    guard free.count >= missing.count else { throw Full(endpointLimit: cells.count) }
    assignments += 1
    for endpointIndex in cells.indices where cells[endpointIndex].isTaken && !isNext[endpointIndex]
    {
      cells[endpointIndex].freedAt = assignments
    }
    for (endpointIndex, (p, e, key)) in zip(free, missing) {
      fleet.pools[p].endpoints[e].endpointIndex = endpointIndex
      isNext[endpointIndex] = true
      if let before = cells[endpointIndex].owner { indexes[before] = nil }
      cells[endpointIndex].owner = key
      indexes[key] = endpointIndex
    }
    for endpointIndex in cells.indices { cells[endpointIndex].isTaken = isNext[endpointIndex] }
    return Array(free.prefix(missing.count))
  }
}
