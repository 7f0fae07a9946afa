// What a worker does about ejected endpoints to which no request goes. It reads the notices of
// other workers, so that the published health stays true, and it tests whether the endpoint accepts
// a connection before an old ejection without news is dropped. Invariant: no request waits for such
// a connection.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  private static var ejectionsInterval: Nanoseconds { .milliseconds(500) }
  /// The timeout of a connection that no request waits for.
  private static var trialTimeout: Nanoseconds { .seconds(2) }

  /// Adopts the ejections of the process that this one has replaced.
  mutating func adoptInheritedEjections() {
    for pool in plan.pools.indices {
      for (position, endpointIndex) in plan.pools[pool].endpointIndexes.enumerated()
      where context.evidence.hasInheritedEjection(endpointIndex) {
        leases.adoptEjection(&plan.pools[pool].picker, position, now: io.now)
      }
    }
  }

  /// Checks pools with ejected endpoints, twice a second.
  mutating func checkEjected() {
    leases.hasEjections = false
    for pool in plan.pools.indices where plan.pools[pool].picker.hasHalfOpen {
      refresh(pool)
      testForgotten(pool)
      if plan.pools[pool].picker.hasHalfOpen { leases.hasEjections = true }
    }
    ejectionsDueAt =
      leases.hasEjections ? io.now + Self.ejectionsInterval : .distantFuture
  }

  private mutating func testForgotten(_ pool: Int) {
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

  /// Ends the trial connection to an ejected endpoint, whether or not it was established.
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
