// Whether the weights rest on anything yet: every page of every pool with a law was asked for once.
import Fleet
package import Primitives

extension Controller {
  /// No pool waits longer for its first pages than that.
  package static let firstRoundMax = Nanoseconds.seconds(30)

  /// The first pool whose pages have not all been asked for, with an answer or without, since the
  /// controller began at `start`; nil where there is none, or it had time enough.
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
