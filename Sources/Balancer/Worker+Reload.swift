// What a worker does when the fleet changes: it adopts the new table, and closes the idle
// connections and listeners that were removed. Invariant: running exchanges continue, and no idle
// connection of a removed listener or endpoint stays open.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Adopts the newest table and, if the fleet changed, its listeners.
  mutating func adoptTable() {
    let table = context.board.table
    guard table.fleetRevision != plan.fleetRevision else {
      revision = table.revision
      plan.adopt(table, now: io.now)
      takeVerdicts(table)
      noteRoomEverywhere()
      return
    }
    if let deltas = table.deltas(since: plan.fleetRevision) {
      adoptMembers(deltas, of: table)
      return
    }
    // The table is published before the listeners, and a wake-up follows the listeners. Until then
    // the worker keeps its plan.
    guard let bindings = context.control.bindings(of: table.fleetRevision) else { return }
    revision = table.revision
    let (before, pools) = (plan.endpoints, plan.pools)
    plan.rebuild(
      table, tags: bindings.map(\.tag), pickBoard: context.pickBoard, context.admission, now: io.now
    )
    plan.adoptCredentials(context.credentials, thread: workerIndex, table)
    beginBudgets()
    adoptQueues()
    carryExchanges(from: pools)
    takeVerdicts(table)
    noteRoomEverywhere()
    closeIdleConnections(before)
    if stopsAt == nil { adoptListeners(bindings) }
    context.control.noteAdoption(worker: workerIndex, table.fleetRevision)
  }

  /// Adopts endpoints that were added, removed or changed, when nothing else of the fleet changed.
  private mutating func adoptMembers(_ deltas: ArraySlice<MembershipDelta>, of table: WeightTable) {
    revision = table.revision
    let removed = deltas.flatMap(\.removed)
    let indexes = Dictionary(
      removed.map { ($0.pool, plan.pools[$0.pool].endpointIndexes) }, uniquingKeysWith: { $1 })
    let hasNewRows = table.rowsRevision != plan.rowsRevision
    plan.apply(deltas, table, context.pickBoard, now: io.now)
    carryPositions(from: indexes)
    if hasNewRows { takeVerdicts(table) }
    noteRoomEverywhere()
    for member in removed {
      let endpointIndex = member.endpoint.endpointIndex
      guard plan.endpoints[endpointIndex] == nil else { continue }
      while let id = idle.newest(endpointIndex) { closeIdle(id) }
      forgetStreams(endpointIndex)
    }
    context.control.noteAdoption(worker: workerIndex, table.fleetRevision)
  }

  /// Closes idle connections to removed endpoints, because their indexes will be reused.
  private mutating func closeIdleConnections(_ before: [WorkerPlan.PlannedEndpoint?]) {
    for endpointIndex in before.indices
    where before[endpointIndex] != nil && plan.endpoints[endpointIndex] == nil {
      while let id = idle.newest(endpointIndex) { closeIdle(id) }
      forgetStreams(endpointIndex)
    }
  }

  private mutating func adoptListeners(_ bindings: [ListenerBinding]) {
    let wanted = bindings.map(\.tag)
    if listeningTags.contains(where: { !wanted.contains($0) }) {
      io.keepListeners { wanted.contains($0) }
      endConnections { !wanted.contains($0) }
    }
    for binding in bindings where !listeningTags.contains(binding.tag) {
      while let socket = binding.group.take(workerIndex, of: context.evidence.workerCount) {
        do throws(IOError) {
          try io.listen(socket, tag: binding.tag)
        } catch {
          context.control.report("worker \(workerIndex): \(error)")
        }
      }
    }
    listeningTags = wanted
  }

  /// Closes the idle client connections whose tag is leaving. A connection with an exchange closes
  /// when that exchange ends. In a stop that spares idle clients, a connection closes only after an
  /// answer that says so.
  mutating func endConnections(where isLeaving: (UInt32) -> Bool) {
    for index in 0..<io.capacity {
      guard let id = client(at: index), isLeaving(io.tag(id.connection)) else { continue }
      let state = slab.downstream + index
      if state.pointee.phase == .multiplexed {
        io.drainSession(id.connection, .shutdown)
        continue
      }
      if sparesIdle { continue }
      let isIdle = state.pointee.phase == .head || state.pointee.phase == .preface
      if isIdle, state.pointee.input.isEmpty, io.unsentByteCount(id.connection) == 0 {
        closeDownstream(id)
      } else if state.pointee.exchange != .none {
        exchanges[state.pointee.exchange].pointee.isPersistent = false
      }
    }
  }
}
