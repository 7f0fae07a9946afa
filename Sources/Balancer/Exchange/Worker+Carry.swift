// What exchanges in flight keep when the fleet changes: their pool, found by its name; the
// endpoints that they tried, found by index; their position in the queue; and their permits.
// Invariant: only an exchange whose pool was removed gets no further attempt.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Adopts the queues of a new fleet, in the admission board's order. Allocates.
  mutating func adoptQueues() {
    queues = context.admission.queues
    allowances = context.admission.allowances
    waiting.setLineCount(queues.count)
    while isDue.count < queues.count { isDue.append(false) }
    poolOfQueue = queues.map { queue in plan.pools.firstIndex { $0.name == queue.name } ?? -1 }
  }

  /// Moves the exchanges from the pools `before` to the pools of the present plan. An exchange that
  /// waits for a removed pool is answered. Called once for a new fleet, after `adoptQueues`.
  mutating func carryExchanges(from before: [WorkerPlan.PlannedPool]) {
    let poolNow = before.map { old in plan.pools.firstIndex { $0.name == old.name } }
    for index in 0..<io.capacity {
      guard let id = exchange(at: index), let old = exchanges[id].pointee.pool else { continue }
      let exchange = exchanges[id]
      exchange.pointee.pool = poolNow[old]
      guard let pool = poolNow[old] else {
        if exchange.pointee.machine.phase == .queued { answerWithoutPool(id, before[old].refusals) }
        continue
      }
      carryPositions(exchange, from: before[old].endpointIndexes, in: pool)
      // An exchange that waits for content was not admitted yet.
      if slab.downstream[index].phase == .exchange,
        exchange.pointee.machine.phase != .awaitingContent
      {
        carryAdmission(exchange, pool)
      }
    }
  }

  /// Updates the endpoint positions of exchanges after endpoints of their pools were removed.
  /// `before` has the former endpoint indexes of those pools, by position.
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

  /// An endpoint keeps its index while it is in its pool.
  private mutating func position(of endpointIndex: Int, in pool: Int) -> Int? {
    guard let endpoint = plan.endpoints[endpointIndex], endpoint.pool == pool else { return nil }
    return endpoint.position
  }

  /// Answers an exchange that waits for a removed pool.
  private mutating func answerWithoutPool(_ id: ExchangeID, _ refusals: RefusalCounts) {
    queues[exchanges[id].pointee.admission.queue].count(.canceled, worker: workerIndex)
    stopWaiting(id)
    refusals.count(.noEndpoint, worker: workerIndex)
    answerFailed(id, .noEndpoint)
  }

  /// Counts an exchange that began under other limits in the limits of the present plan. It already
  /// runs, so it is admitted even if there is no room.
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
