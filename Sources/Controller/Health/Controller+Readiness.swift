// Whether weights are based on evidence yet: every page of every pool with a law was scraped once.
import Fleet
package import Primitives

extension Controller {
  /// The longest time that a pool waits for its first pages.
  package static let firstRoundMax = Nanoseconds.seconds(30)

  /// The first pool with pages that have not been scraped yet, successfully or not, since the
  /// controller began at `start`; nil: there is none, or the time is over.
  package func poolWithoutFirstRound(since start: Nanoseconds, now: Nanoseconds) -> String? {
    for (index, pool) in fleet.pools.enumerated() where pool.weights.law != .static {
      let wait = pool.weights.interval + pool.weights.scrapeTimeout + .seconds(1)
      if now - start >= min(wait, Self.firstRoundMax) { continue }
      let isWaiting = pool.endpoints.contains { endpoint in
        guard let state = endpoints[endpoint.endpointIndex], state.pool == index else {
          return false
        }
        return state.scrapes.contains { $0.statistics.lastDuration == nil }
      }
      if isWaiting { return pool.name }
    }
    return nil
  }
}
