// How evidence reaches a pool's forecast and demand ratio at every tick.
import Fleet
import Primitives

extension Controller {
  /// Takes what the pool's endpoints did since the last tick. Allocates nothing.
  mutating func takeDemand(_ index: Int, _ pool: Pool, passed: Nanoseconds, now: Nanoseconds) {
    var started = 0.0
    var sum = PoolDemand.Sum()
    let interval = pool.weights.interval.seconds
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      let concurrency = pool.endpoints[position].concurrency
      guard
        let work = endpoints[endpointIndex]?.takeService(
          concurrency: concurrency, interval: interval, passed: passed.seconds, now: now)
      else { continue }
      started += work.started
      // Backups are a reserve and do not count towards the pool's capacity.
      guard work.isEligible, !pool.endpoints[position].isBackup,
        !evidence.isEjected(endpointIndex)
      else { continue }
      sum.add(
        work.capacity, hasSlots: work.hasSlots,
        worth: pool.endpoints[position].baseWeight * work.factor)
    }
    demand[index].forecast.take(started, now: now)
    demand[index].set(sum)
  }

  /// The demand of the pool; nil: there is no such pool.
  package func demand(ofPool name: String) -> PoolDemand? {
    fleet.pools.firstIndex { $0.name == name }.map { demand[$0] }
  }
}

/// What an endpoint did in one tick, as input to the pool's demand.
struct ServiceTick {
  let started: Double
  let capacity: Double?
  let hasSlots: Bool
  let isEligible: Bool
  /// The law's factor.
  let factor: Double
}

extension EndpointState {
  /// Takes the last tick's cells; nil before the first tick.
  fileprivate func takeService(
    concurrency: Double?, interval: Double, passed: Double, now: Nanoseconds
  ) -> ServiceTick? {
    guard let cells = capacity.last else { return nil }
    let slots = concurrency ?? service.learnedSlots
    let others = capacity.fadedOthersMean(now: now, interval: interval)
    let started = service.take(cells, others: others, slots: slots, passed: passed)
    return ServiceTick(
      started: started, capacity: service.capacity, hasSlots: slots != nil,
      isEligible: eligibility.takesNewExchanges, factor: verdict?.factor ?? 1)
  }
}
