// What a worker does about ejected endpoints that no request tries: takes notices of them, so that
// what is published stays true, and sees whether the endpoint takes connections before an ejection
// of which nothing was heard for long is forgotten.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  private static var ejectionsInterval: Nanoseconds { .milliseconds(500) }
  /// For a connection that no request waits for.
  private static var trialTimeout: Nanoseconds { .seconds(2) }

  /// Where endpoints are ejected, twice a second.
  mutating func lookAfterEjected() {
    leases.hasEjections = false
    for pool in plan.pools.indices where plan.pools[pool].picker.hasHalfOpen {
      refresh(pool)
      tryForgotten(pool)
      if plan.pools[pool].picker.hasHalfOpen { leases.hasEjections = true }
    }
    ejectionsDueAt =
      leases.hasEjections ? io.now + Self.ejectionsInterval : .distantFuture
  }

  private mutating func tryForgotten(_ pool: Int) {
    guard stopsAt == nil else { return }
    var last = -1
    while io.freeConnectionCount > 0, let position = nextForgotten(pool, after: last) {
      last = position
      plan.pools[pool].picker.beginConnectionTrial(
        position, timeout: Self.trialTimeout, now: io.now)
      do throws(IOError) {
        let upstream = try connect(to: plan.pools[pool].endpointIndexes[position])
        slab.upstream[upstream.index].phase = .trial
        io.setDeadline(upstream.connection, io.now + Self.trialTimeout)
      } catch {
        guard !error.isLocalShortage else { return }
        leases.noteUnconnected(&plan.pools[pool].picker, position, now: io.now)
      }
    }
  }

  private mutating func nextForgotten(_ pool: Int, after last: Int) -> Int? {
    for position in plan.pools[pool].endpointIndexes.indices where position > last {
      let load = leases.busy(plan.pools[pool].endpointIndexes[position])
      if plan.pools[pool].picker.isForgotten(position, now: io.now, load: load) { return position }
    }
    return nil
  }

  /// The connection to an ejected endpoint came about or did not.
  mutating func endConnectionTrial(_ id: EndpointConnectionID, isConnected: Bool) {
    let endpointIndex = slab.upstream[id.index].endpointIndex
    closeUpstream(id)
    guard let endpoint = plan.endpoints[endpointIndex] else { return }
    if isConnected {
      leases.forget(&plan.pools[endpoint.pool].picker, endpoint.position, now: io.now)
    } else {
      leases.noteUnconnected(&plan.pools[endpoint.pool].picker, endpoint.position, now: io.now)
    }
  }
}
