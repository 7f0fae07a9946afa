// Endpoints and pools are compared once a tick with their last state; the changes become
// transitions, with the evidence of the workers.
package import Fleet
package import Primitives

/// The last state of each endpoint and pool. Bounded by the number of endpoints.
package struct FleetObserver {
  private var watch = FleetWatch()
  private var ejections = EjectionWatch()
  /// What the last look saw.
  private var tableRevision: UInt64 = 0
  private var ejectionRevision: UInt64 = 0
  private var lookedAt: Nanoseconds?

  package init() {}

  /// Forgets endpoints and pools that no longer exist. To be called after a reload.
  package mutating func keep(_ fleet: Fleet) {
    watch.keep(pools: Set(fleet.pools.map(\.name)))
    ejections.keep(endpointIndexes: Set(fleet.pools.flatMap { $0.endpoints.map(\.endpointIndex) }))
  }

  /// The endpoints with these indexes are gone.
  package mutating func forget(endpointIndexes: some Sequence<Int>) {
    for endpointIndex in endpointIndexes { ejections.forget(endpointIndex) }
  }

  /// Whether a look may find a change: the weight table or an ejection is another than at the last
  /// look, or that is a second ago.
  package mutating func mustLook(
    tableRevision: UInt64, ejectionRevision: UInt64, now: Nanoseconds
  ) -> Bool {
    if tableRevision == self.tableRevision, ejectionRevision == self.ejectionRevision,
      let lookedAt, now - lookedAt < .seconds(1)
    {
      return false
    }
    (self.tableRevision, self.ejectionRevision) = (tableRevision, ejectionRevision)
    lookedAt = now
    return true
  }

  /// The changes since the last call. `eligibility` is that of the controller; `cause` is the label
  /// of its reason, nil: there is none.
  package mutating func look(
    at pool: Pool, freeze: FreezeCause?, _ evidence: EvidenceBoard, now: Nanoseconds,
    eligibility: (_ endpointIndex: Int) -> Eligibility,
    cause: (_ endpointIndex: Int, Eligibility) -> String?
  ) -> [Transition] {
    let endpoints = pool.endpoints
    var changes: [(change: FleetWatch.Change, readyCount: Int)] = []
    watch.look(at: pool.name, freeze: freeze, count: endpoints.count) { position in
      let endpointIndex = endpoints[position].endpointIndex
      return FleetWatch.View(
        endpointIndex: endpointIndex, address: endpoints[position].address,
        eligibility: eligibility(endpointIndex),
        isEjected: evidence.isEjected(endpointIndex),
        ejectionCount: evidence.sum(.ejections, endpointIndex))
    } _: {
      changes.append(($0, $1))
    }
    return changes.map { change, readyCount in
      switch change {
      case .pool(let state): return .pool(PoolChange(pool: pool.name, state: state))
      case .endpoint(let address, let endpointIndex, let old, let new):
        var change = EndpointChange(
          pool: pool.name, endpoint: address, old: old, new: new, readyCount: readyCount,
          count: endpoints.count)
        if new == .ejected {
          change.ejection = ejections.begin(endpointIndex, evidence, now: now)
        } else if new.takesNewExchanges {
          change.readmission = ejections.end(endpointIndex, evidence, now: now)
        }
        change.cause = cause(endpointIndex, new)
        return .endpoint(change)
      }
    }
  }
}
