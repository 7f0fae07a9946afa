// Changes a plan in place when endpoints are added, removed or changed. Invariant: only the pickers
// of the pools concerned change, and nothing is rebuilt.
import Fleet
import Primitives

extension WorkerPlan {
  /// Applies the changes between the plan's fleet and the table's fleet. An endpoint's position
  /// changes only when another endpoint of its pool is removed. Requires: the deltas lead from the
  /// one fleet to the other.
  mutating func apply(
    _ deltas: ArraySlice<MembershipDelta>, _ table: WeightTable, _ pickBoard: PickBoard,
    now: Nanoseconds
  ) {
    fleetRevision = table.fleetRevision
    var touched: Set<Int> = []
    for delta in deltas {
      for member in delta.removed { remove(member) }
      for member in delta.added { add(member, table, pickBoard) }
      for member in delta.updated {
        guard let position = endpoints[member.endpoint.endpointIndex]?.position else { continue }
        pools[member.pool].picker.update(position, member.endpoint)
        pools[member.pool].queue.setCapacity(member.endpoint, at: position)
        setPeer(member.endpoint, pools[member.pool].tls)
      }
      touched.formUnion(delta.pools)
    }
    for delta in deltas {
      for member in delta.added { setWeight(member, table, now: now) }
    }
    if table.rowsRevision != rowsRevision { adopt(table, now: now) }
    for pool in touched { pools[pool].picker.finishMembers() }
  }

  private mutating func add(
    _ member: MembershipDelta.Member, _ table: WeightTable, _ pickBoard: PickBoard
  ) {
    let (endpoint, pool) = (member.endpoint, member.pool)
    let position = pools[pool].endpointIndexes.count
    pools[pool].endpointIndexes.append(endpoint.endpointIndex)
    pools[pool].picker.append(endpoint, pickBoard)
    pools[pool].queue.appendCapacity(endpoint)
    pools[pool].affinity?.append(table.fleet.pools[pool].identity(of: endpoint))
    endpoints[endpoint.endpointIndex] = PlannedEndpoint(endpoint, pool: pool, position: position)
    setPeer(endpoint, pools[pool].tls)
    endpointTexts[endpoint.endpointIndex] = Array(endpoint.address.description.utf8)
  }

  private mutating func remove(_ member: MembershipDelta.Member) {
    let (endpointIndex, pool) = (member.endpoint.endpointIndex, member.pool)
    guard let position = endpoints[endpointIndex]?.position else { return }
    let moved = pools[pool].endpointIndexes.removeLast()
    if moved != endpointIndex {
      pools[pool].endpointIndexes[position] = moved
      endpoints[moved]?.position = position
    }
    pools[pool].picker.remove(at: position)
    pools[pool].queue.removeCapacity(at: position)
    pools[pool].affinity?.remove(at: position)
    endpoints[endpointIndex] = nil
    endpointTexts[endpointIndex] = []
  }

  /// Gives an added endpoint the weight that the table has for it.
  private mutating func setWeight(
    _ member: MembershipDelta.Member, _ table: WeightTable, now: Nanoseconds
  ) {
    let endpointIndex = member.endpoint.endpointIndex
    // A later delta may have removed the endpoint again.
    guard let row = table.rows[endpointIndex], let position = endpoints[endpointIndex]?.position
    else { return }
    pools[member.pool].picker.set(
      position, weight: row.effective, isEligible: row.takesNewExchanges,
      takesSessions: row.eligibility.takesSessions, now: now, isFirst: true)
  }
}
