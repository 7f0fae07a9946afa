// A pool's queue as one worker serves it: which exchanges begin at once, which wait, and which are
// admitted when there is room. The endpoint is picked when an exchange leaves the queue, not when
// it enters. Invariant: waiting exchanges are admitted by priority and then by arrival, over all
// workers: a worker leaves room to the worker of the first waiting exchange, and wakes it.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  // MARK: Entering the queue

  /// The priority level that the request's own field names.
  mutating func priorityLevel(_ pool: Int, _ fields: FieldTable) -> Int {
    guard !plan.pools[pool].queue.header.isEmpty,
      case .one(let value) = fields.find(plan.pools[pool].queue.header)
    else { return QueuePriority.normal.level }
    return plan.pools[pool].queue.level(value)
  }

  /// Begins an attempt, queues the exchange, or refuses it. Requires: the request bytes to send are
  /// in the replay block.
  mutating func admit(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool, plan.pools[pool].queue.index >= 0 else {
      attempt(id)
      return
    }
    let queue = plan.pools[pool].queue.index
    state.pointee.admission.queue = queue
    switch plan.pools[pool].queue.concurrency {
    case .unlimited: attempt(id)
    case .total(let limit):
      if queues[queue].waitingCount == 0, queues[queue].tryEnter(limit) {
        state.pointee.admission.holdsPermit = true
        noteAdmission(id)
        attempt(id)
      } else {
        wait(id, pool)
      }
    case .slots: if queues[queue].waitingCount == 0 { attempt(id) } else { wait(id, pool) }
    }
  }

  /// Queues the exchange if no endpoint has a free slot. Returns false if no endpoint was picked
  /// for another reason.
  mutating func waitsForSlot(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    guard state.pointee.admission.queue >= 0, let pool = state.pointee.pool, hasRoom(pool),
      plan.pools[pool].picker.isFull
    else { return false }
    wait(id, pool)
    return true
  }

  private mutating func wait(_ id: ExchangeID, _ pool: Int) {
    let state = exchanges[id]
    let queue = state.pointee.admission.queue
    guard queues[queue].tryWait(plan.pools[pool].queue.lengthMax) else {
      queues[queue].count(.full, worker: workerIndex)
      answerFailed(id, .queueFull)
      return
    }
    _ = state.pointee.machine.take(.queued)
    waiting.insert(
      id.index, line: queue, level: state.pointee.admission.level,
      arrivedAt: state.pointee.arrivedAt)
    publishHead(queue)
    setWaitTimer(id, io.now + plan.pools[pool].queue.timeout)
    // No endpoint takes the remainder of the request yet.
    if !state.pointee.request.isComplete { setPaused(clientStream(id), true) }
    noteRoom(queue)
  }

  private mutating func publishHead(_ queue: Int) {
    queues[queue].publish(waiting.key(queue), oldest: waiting.oldest(queue), worker: workerIndex)
  }

  /// Counts an exchange that is admitted, once.
  private mutating func noteAdmission(_ id: ExchangeID) {
    let state = exchanges[id]
    guard !state.pointee.admission.isAdmitted else { return }
    state.pointee.admission.isAdmitted = true
    queues[state.pointee.admission.queue].countAdmitted(
      after: io.now - state.pointee.arrivedAt, worker: workerIndex)
  }

  // MARK: Leaving the queue

  /// Removes the exchange from the queue.
  mutating func stopWaiting(_ id: ExchangeID) {
    let state = exchanges[id]
    let queue = state.pointee.admission.queue
    _ = state.pointee.machine.take(.admitted)
    state.pointee.admittedAt = io.now
    waiting.remove(id.index)
    queues[queue].stopWaiting()
    publishHead(queue)
    cancelTimer(id, .wait)
    // The next exchange in order may wait at another worker.
    noteRoom(queue)
  }

  /// Answers an exchange that waited too long.
  mutating func queueTimeout(_ id: ExchangeID) {
    let state = exchanges[id]
    queues[state.pointee.admission.queue].count(.timeout, worker: workerIndex)
    stopWaiting(id)
    answerFailed(id, .queueTimeout)
  }

  /// Gives back the permit, slot and queue position of an exchange that ends.
  mutating func leaveAdmission(_ id: ExchangeID) {
    let state = exchanges[id]
    let queue = state.pointee.admission.queue
    guard queue >= 0 else { return }
    if state.pointee.machine.phase == .queued {
      queues[queue].count(.canceled, worker: workerIndex)
      stopWaiting(id)
    }
    leaveSlot(id)
    if state.pointee.admission.holdsPermit {
      queues[queue].leave()
      noteRoom(queue)
    }
  }

  /// Gives back the slot of the endpoint at the end of an attempt.
  mutating func leaveSlot(_ id: ExchangeID) {
    let state = exchanges[id]
    let endpointIndex = state.pointee.admission.occupied
    guard endpointIndex >= 0 else { return }
    state.pointee.admission.occupied = -1
    context.admission.slots.leave(endpointIndex)
    noteRoom(state.pointee.admission.queue)
  }

  /// Notes that there may be room. The queue is served at the end of the turn, not in between.
  private mutating func noteRoom(_ queue: Int) {
    if queues[queue].waitingCount > 0 {
      isDue[queue] = true
      isAnyDue = true
    }
  }

  // MARK: Turns

  /// Marks every queue for service, after a wake-up by another worker or a new table.
  mutating func noteRoomEverywhere() {
    for queue in queues.indices where waiting.count(queue) > 0 {
      isDue[queue] = true
      isAnyDue = true
    }
  }

  /// Admits from every queue, whether or not room was noted there.
  mutating func recheckQueues() {
    for queue in queues.indices where waiting.count(queue) > 0 {
      admitWaiting(queue, isRecheck: true)
    }
  }

  /// Resumes clients with a request in their input, and admits from queues that may have room.
  mutating func admitWhereDue() {
    while true {
      while let id = runnable.popLast() { resumeInput(id) }
      guard isAnyDue else { return }
      isAnyDue = false
      for queue in queues.indices where isDue[queue] {
        isDue[queue] = false
        admitWaiting(queue, isRecheck: false)
      }
    }
  }

  /// Admits as many waiting exchanges of a queue as there is room for.
  private mutating func admitWaiting(_ queue: Int, isRecheck: Bool) {
    let pool = poolOfQueue[queue]
    while let worker = queues[queue].nextWorker {
      if worker != workerIndex {
        // Exchanges of a removed pool are answered by their own worker, with the new plan.
        if pool >= 0, hasQueueRoom(pool) { wakeups.wake(worker) }
        return
      }
      guard pool >= 0, let index = waiting.first(queue) else { return }
      let id = exchanges.id(at: index)
      switch plan.pools[pool].queue.concurrency {
      case .unlimited: noteAdmission(id)
      case .total(let limit):
        guard queues[queue].tryEnter(limit) else { return }
        exchanges[id].pointee.admission.holdsPermit = true
        noteAdmission(id)
      case .slots:
        // If no endpoint may be used at all, waiting is useless and `attempt` answers.
        if occupySlot(id, pool) == nil, plan.pools[pool].picker.isFull { return }
      }
      if isRecheck { queues[queue].countRescue(worker: workerIndex) }
      stopWaiting(id)
      attempt(id)
    }
  }

  private mutating func hasQueueRoom(_ pool: Int) -> Bool {
    switch plan.pools[pool].queue.concurrency {
    case .unlimited: return true
    case .total(let limit): return queues[plan.pools[pool].queue.index].runningCount < limit
    case .slots:
      setRoom(pool)
      return plan.pools[pool].picker.hasRoom
    }
  }

  // MARK: Slots

  /// Picks an endpoint with a free slot and takes the slot. Returns the endpoint of an earlier call
  /// if `admitWaiting` has already picked.
  mutating func occupySlot(_ id: ExchangeID, _ pool: Int) -> Int? {
    let state = exchanges[id]
    if state.pointee.admission.occupied >= 0 {
      return plan.endpoints[state.pointee.admission.occupied]?.position
    }
    refresh(pool)
    setRoom(pool)
    // A breaker may refuse the exchange although slots are free.
    guard hasRoom(pool) else { return nil }
    while let position = pickPosition(id, pool) {
      let endpointIndex = plan.pools[pool].endpointIndexes[position]
      if context.admission.slots.tryEnter(
        endpointIndex, plan.pools[pool].queue.capacities[position])
      {
        state.pointee.admission.occupied = endpointIndex
        noteAdmission(id)
        return position
      }
      // Another worker took the last slot.
      plan.pools[pool].picker.setRoom(position, false)
    }
    return nil
  }

  private mutating func setRoom(_ pool: Int) {
    for position in plan.pools[pool].endpointIndexes.indices {
      let count = context.admission.slots[plan.pools[pool].endpointIndexes[position]]
      plan.pools[pool].picker.setRoom(
        position, count < plan.pools[pool].queue.capacities[position])
    }
  }
}
