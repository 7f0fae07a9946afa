// How evidence reaches a pool's forecast and demand ratio, at every tick.
import Fleet
import Primitives

extension Controller {
  /// Takes what the pool's endpoints did since the last tick. Allocates nothing.
  mutating func takeDemand(_ index: Int, passed: Nanoseconds, now: Nanoseconds) {
    var started = 0.0
    var sum = PoolDemand.Sum()
    let interval = fleet.pools[index].weights.interval.seconds
    for endpoint in fleet.pools[index].endpoints {
      guard let state = endpoints[endpoint.slot], let cells = state.capacity.last else { continue }
      let slots = endpoint.concurrency ?? state.service.learnedSlots
      let foreign = state.capacity.fadedForeignMean(now: now, interval: interval)
      started +=
        endpoints[endpoint.slot]?.service.take(
          cells, foreign: foreign, slots: slots, passed: passed.seconds) ?? 0
      guard state.eligibility.takesNewExchanges, !evidence.isEjected(endpoint.slot, now: now)
      else { continue }
      sum.add(
        endpoints[endpoint.slot]?.service.capacity, hasSlots: slots != nil,
        worth: endpoint.baseWeight * (state.verdict?.factor ?? 1))
    }
    demand[index].forecast.take(started, now: now)
    demand[index].set(sum)
  }

  /// What is known of the pool's demand; nil where there is no such pool.
  package func demand(ofPool name: String) -> PoolDemand? {
    fleet.pools.firstIndex { $0.name == name }.map { demand[$0] }
  }
}
