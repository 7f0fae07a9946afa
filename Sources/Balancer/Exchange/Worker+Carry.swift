// What exchanges in flight keep when the fleet changes: their pool, found again by its name, the
// endpoints that they tried, found again by their indexes, their place in the queue, and what they
// count for in the limits. Only an exchange whose pool is gone gets no further attempt.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Takes the queues of a new fleet, by index as the board has them. Allocates.
  mutating func adoptQueues() {
    queues = context.admission.queues
    allowances = context.admission.allowances
    waiting.setLineCount(queues.count)
    while isDue.count < queues.count { isDue.append(false) }
    poolOfQueue = queues.map { queue in plan.pools.firstIndex { $0.name == queue.name } ?? -1 }
  }

  /// Makes the exchanges of the plan that had the pools `before` those of the present plan. One
  /// that waits for a pool that is gone is answered. Once a new fleet, after `adoptQueues`.
  mutating func carryExchanges(from before: [WorkerPlan.PlannedPool]) {
    let poolNow = before.map { old in plan.pools.firstIndex { $0.name == old.name } }
    for index in 0..<io.capacity {
      guard let id = exchange(at: index), let old = exchanges[id].pointee.pool else { continue }
      let exchange = exchanges[id]
      exchange.pointee.pool = poolNow[old]
      guard let pool = poolNow[old] else {
        if exchange.pointee.machine.phase == .queued { answerStranded(id, before[old].refusals) }
        continue
      }
      carryPositions(exchange, from: before[old].endpointIndexes, in: pool)
      // One whose content is waited for was not let in yet.
      if slab.downstream[index].phase == .exchange,
        exchange.pointee.machine.phase != .awaitingContent
      {
        carryAdmission(exchange, pool)
      }
    }
  }

  /// Finds the endpoints of exchanges again after endpoints of their pools went. `before` has the
  /// endpoint indexes of those pools as they were, by position.
  mutating func carryPositions(from before: [Int: [Int]]) {
    if before.isEmpty { return }
    for index in 0..<io.capacity {
      guard let id = exchange(at: index), let pool = exchanges[id].pointee.pool,
        let indexes = before[pool]
      else { continue }
      carryPositions(exchanges[id], from: indexes, in: pool)
    }
  }

  private mutating func carryPositions(
    _ exchange: UnsafeMutablePointer<Exchange>, from indexes: [Int], in pool: Int
  ) {
    exchange.pointee.tried = exchange.pointee.tried.moved { position(of: indexes[$0], in: pool) }
    if let session = exchange.pointee.pickKey.session {
      exchange.pointee.pickKey.session = position(of: indexes[session], in: pool)
    }
  }

  /// An endpoint keeps its index as long as it is in its pool.
  private mutating func position(of endpointIndex: Int, in pool: Int) -> Int? {
    guard let endpoint = plan.endpoints[endpointIndex], endpoint.pool == pool else { return nil }
    return endpoint.position
  }

  /// The pool that the exchange waits for is gone.
  private mutating func answerStranded(_ id: ExchangeID, _ refusals: RefusalCounts) {
    queues[exchanges[id].pointee.admission.queue].count(.canceled, worker: workerIndex)
    stopWaiting(id)
    refusals.count(.noEndpoint, worker: workerIndex)
    answerFailed(id, .noEndpoint)
  }

  /// Lets an exchange that began under other limits count for those of the present plan. It runs
  /// already, so it is let in whether or not there is room.
  private mutating func carryAdmission(_ exchange: UnsafeMutablePointer<Exchange>, _ pool: Int) {
    if exchange.pointee.admission.queue < 0 {
      guard plan.pools[pool].queue.index >= 0 else { return }
      exchange.pointee.admission.queue = plan.pools[pool].queue.index
      exchange.pointee.admission.isAdmitted = true
    }
    guard exchange.pointee.machine.phase != .queued else { return }
    switch plan.pools[pool].queue.concurrency {
    case .unlimited: break
    case .total:
      if !exchange.pointee.admission.holdsPermit {
        let queue = exchange.pointee.admission.queue
        exchange.pointee.admission.holdsPermit = queues[queue].tryEnter(.max)
      }
    case .slots:
      guard exchange.pointee.admission.occupied < 0,
        let endpointIndex = exchange.pointee.lease?.endpointIndex,
        plan.endpoints[endpointIndex] != nil, context.admission.slots.tryEnter(endpointIndex, .max)
      else { return }
      exchange.pointee.admission.occupied = endpointIndex
    }
  }
}
