// Endpoints that come and go: changes from the sources of endpoints, the room for them, and their
// way to workers and controller.
import Balancer
import Controller
import Discovery
import Events
import Fleet
import IO
import Primitives

extension Steelyard {
  /// How long endpoints that were left out wait before they are tried again.
  private static let retryPause = Nanoseconds.seconds(1)

  /// The configuration in force, with host names in place of their addresses.
  var configured: Fleet { membership.configured }

  /// Takes changes from the sources of endpoints, and endpoints that now have room. Requires: not
  /// called while the admin server answers.
  func discover() {
    guard stopsAt == nil else { return }
    let now = Clock.now
    take(discovery.turn(now: now, wall: Clock.wall) + runtime.turn(now: now), now: now)
    guard membership.isShort, now >= retryAt else { return }
    retryAt = now + Self.retryPause
    publish(membership.retry { quarantine.holds($0) }, now: now)
  }

  /// Takes changes of sets.
  func take(_ updates: [MemberUpdate], now: Nanoseconds) {
    if updates.isEmpty { return }
    publish(membership.take(updates) { quarantine.holds($0) }, now: now)
  }

  /// Puts another configuration in place of the present one. On an error nothing has changed.
  func replace(
    _ next: Fleet, _ sets: [MemberSet: [Member]], now: Nanoseconds
  ) throws(Balancer.ListenError) {
    let isSame = !next.differsBeyondMembers(from: configured)
    let kept = membership
    let delta = membership.replace(next, sets) { quarantine.holds($0) }
    if isSame { return publish(delta, now: now) }
    clearCells(delta)
    do throws(Balancer.ListenError) {
      try balancer.apply(membership.fleet)
    } catch {
      membership = kept
      throw error
    }
    quarantine.note(delta, revision: board.table.fleetRevision)
    controller.apply(fleet: membership.fleet, now: now)
    restoreOrders(of: delta, now: now)
    mustClosePolls = true
    noteLeftOut()
  }

  /// Tells workers and controller which endpoints have changed.
  private func publish(_ delta: MembershipDelta, now: Nanoseconds) {
    defer { noteLeftOut() }
    if delta.isEmpty { return }
    clearCells(delta)
    balancer.apply(membership.fleet, delta)
    quarantine.note(delta, revision: board.table.fleetRevision)
    controller.apply(fleet: membership.fleet, delta, now: now)
    restoreOrders(of: delta, now: now)
    let gone = delta.removed.map(\.endpoint.endpointIndex)
    observer.forget(endpointIndexes: gone)
    goneEndpoints.formUnion(gone)
  }

  /// Resets the cells of fresh indexes, which no worker writes to yet.
  private func clearCells(_ delta: MembershipDelta) {
    for endpointIndex in delta.fresh {
      evidence.clear(endpointIndex)
      pickBoard.clear(endpointIndex)
      balancer.metrics.clear(endpointIndex: endpointIndex)
    }
  }

  /// Logs which pools lack room for endpoints, and when they have room again.
  func noteLeftOut() {
    for (index, pool) in membership.fleet.pools.enumerated() {
      let count = membership.leftOutCount(ofPool: index)
      let told = toldLeftOut[pool.name] ?? 0
      guard count != told else { continue }
      toldLeftOut[pool.name] = count == 0 ? nil : count
      if count == 0 {
        log.write(.info, "all endpoints are in use", ["pool": pool.name])
      } else if told == 0 {
        log.write(
          .warning, "endpoints are left out",
          [
            "pool": pool.name, "left_out": count, "in_use": pool.endpoints.count,
            "limit": membership.endpointLimit,
          ])
      }
    }
  }

  /// Releases indexes that no worker can write to any more.
  func observeIndexes(now: Nanoseconds) {
    if quarantine.isEmpty { return }
    quarantine.observe(now: now, adopted: balancer.adoptedRevision) {
      evidence.sum(.inFlight, $0) == 0 && evidence.sum(.connections, $0) == 0
    }
  }
}
