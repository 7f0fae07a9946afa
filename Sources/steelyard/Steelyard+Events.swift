// Transitions: the control thread notes once a tick what changed on the boards, and has the log and
// the hooks read the journal.
import Controller
import Discovery
import Events
import Fleet
import IO
import Primitives

extension Steelyard {
  /// Appends changes on the boards and of host names to the journal, then has the log and the hooks
  /// read it.
  func noteTransitions(now: Nanoseconds) {
    let mustLook = observer.mustLook(
      tableRevision: board.revision, ejectionRevision: evidence.ejectionRevision, now: now)
    if mustLook { noteChanges(now) }
    for change in discovery.names.changes.entries(after: namesNoted) {
      controller.journal.append(.hostName(change), at: now)
    }
    namesNoted = discovery.names.changes.count
    for change in discovery.takeChanges() + runtime.takeChanges() {
      controller.journal.append(.source(change), at: now)
    }
    let told = events.write(controller.journal, to: log, wall: Clock.wall) {
      nameOfEndpoint($1, inPool: $0)
    }
    for each in told {
      hooks.offer(each, now: now, log)
    }
    writeDigests(now)
  }

  private func nameOfEndpoint(_ address: String, inPool name: String) -> String? {
    guard let pool = controller.fleet.pools.first(where: { $0.name == name }),
      let address = SocketAddress(address)
    else { return nil }
    return pool.endpoints.first { $0.address == address }?.name
  }

  private func noteChanges(_ now: Nanoseconds) {
    for (index, pool) in controller.fleet.pools.enumerated() {
      let changes = observer.look(
        at: pool, freeze: controller.freeze(ofPool: index), evidence, now: now,
        eligibility: { controller.endpoints[$0]?.eligibility ?? .ready },
        cause: { causeLabel($0, $1) })
      for change in changes { controller.journal.append(change, at: now) }
    }
  }

  /// The label of the reason why the controller took the endpoint out of service; nil: there is
  /// none.
  private func causeLabel(_ endpointIndex: Int, _ eligibility: Eligibility) -> String? {
    switch eligibility {
    case .unhealthy:
      return controller.endpoints[endpointIndex]?.health?.statistics.failure?.kind.label
    case .stalled:
      guard case .stalled(let cause) = controller.endpoints[endpointIndex]?.watchdog.phase else {
        return nil
      }
      return cause.label
    default: return nil
    }
  }

  /// Logs, once a second, weights that moved by a factor of two within a minute (one line for each
  /// pool), and endpoints that reach or leave their floor.
  private func writeDigests(_ now: Nanoseconds) {
    guard digest.isDue(now) else { return }
    for (index, pool) in controller.fleet.pools.enumerated() {
      let endpoints = pool.endpoints
      let policy = controller.policy(ofPool: index)
      let found = digest.look(at: pool.name, count: endpoints.count, now: now) { position in
        let endpointIndex = endpoints[position].endpointIndex
        return WeightDigest.View(
          endpointIndex: endpointIndex, address: endpoints[position].address,
          weight: controller.endpoints[endpointIndex]?.row.effective ?? 0,
          isAtFloor: controller.isAtFloor(endpointIndex, policy))
      }
      func why(_ endpointIndex: Int) -> String {
        controller.explainedRow(endpointIndex, now: now)?.reasonText ?? ""
      }
      if let moved = found.moved {
        log.write(
          .info, "weights changed",
          [
            "pool": pool.name, "endpoints": moved.count, "most": "\(moved.address)",
            "from": NumberWords.fixed(moved.from, 3), "to": NumberWords.fixed(moved.to, 3),
            "why": why(moved.endpointIndex),
          ])
      }
      for floor in found.floors {
        log.write(
          .info, floor.isReached ? "weight at its floor" : "weight above its floor",
          [
            "pool": pool.name, "endpoint": "\(floor.address)",
            "weight": NumberWords.fixed(floor.weight, 3), "why": why(floor.endpointIndex),
          ])
      }
    }
  }
}
