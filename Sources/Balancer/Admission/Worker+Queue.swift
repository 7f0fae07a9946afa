// The queue of a pool as a worker works it: who begins at once, who waits, who is let in when there
// is room. The endpoint is picked when an exchange leaves the queue, not when it enters.
// Invariant: nobody overtakes one that waits, over all workers: room is left to the worker where
// the first of them is, and that worker is woken.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

extension Worker {
  // MARK: In

  /// What the request's own field says of its priority.
  mutating func priorityLevel(_ pool: Int, _ fields: FieldTable) -> Int {
    guard !plan.pools[pool].queue.header.isEmpty,
      case .one(let value) = fields.find(plan.pools[pool].queue.header)
    else { return QueuePriority.normal.level }
    return plan.pools[pool].queue.level(value)
  }

  /// Begins the exchange, or lets it wait for its turn, or refuses it. Requires: what is sent
  /// upstream lies in the replay block.
  mutating func admit(_ id: ExchangeID) {
    let state = exchanges[id]
    guard let pool = state.pointee.pool, plan.pools[pool].queue.gate >= 0 else {
      attempt(id)
      return
    }
    let gate = plan.pools[pool].queue.gate
    state.pointee.admission.gate = gate
    switch plan.pools[pool].queue.concurrency {
    case .unlimited: attempt(id)
    case .total(let limit):
      if gates[gate].waitingCount == 0, gates[gate].tryEnter(limit) {
        state.pointee.admission.holdsPermit = true
        noteAdmission(id)
        attempt(id)
      } else {
        wait(id, pool)
      }
    case .slots: if gates[gate].waitingCount == 0 { attempt(id) } else { wait(id, pool) }
    }
  }

  /// Waits where no endpoint has a free slot. False where it is not for that that there is none.
  mutating func waitsForSlot(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    guard state.pointee.admission.gate >= 0, let pool = state.pointee.pool, hasRoom(pool),
      plan.pools[pool].picker.isFull
    else { return false }
    wait(id, pool)
    return true
  }

  private mutating func wait(_ id: ExchangeID, _ pool: Int) {
    let state = exchanges[id]
    let gate = state.pointee.admission.gate
    guard gates[gate].tryWait(plan.pools[pool].queue.lengthMax) else {
      gates[gate].count(.full, worker: workerIndex)
      answerFailed(id, .queueFull)
      return
    }
    state.pointee.admission.isWaiting = true
    waiting.insert(
      id.index, line: gate, level: state.pointee.admission.level,
      arrivedAt: state.pointee.arrivedAt)
    publishHead(gate)
    setClientDeadline(clientID(id), io.now + plan.pools[pool].queue.timeout)
    // There is nobody yet to take the rest of the request.
    if !state.pointee.request.isComplete { io.setPaused(clientID(id).connection, true) }
    noteRoom(gate)
  }

  private mutating func publishHead(_ gate: Int) {
    gates[gate].publish(waiting.key(gate), oldest: waiting.oldest(gate), worker: workerIndex)
  }

  /// Counts an exchange that is let in, once.
  private mutating func noteAdmission(_ id: ExchangeID) {
    let state = exchanges[id]
    guard !state.pointee.admission.isAdmitted else { return }
    state.pointee.admission.isAdmitted = true
    gates[state.pointee.admission.gate].countAdmitted(
      after: io.now - state.pointee.arrivedAt, worker: workerIndex)
  }

  // MARK: Out

  /// Takes the exchange out of the line.
  mutating func stopWaiting(_ id: ExchangeID) {
    let state = exchanges[id]
    let gate = state.pointee.admission.gate
    state.pointee.admission.isWaiting = false
    state.pointee.admittedAt = io.now
    waiting.remove(id.index)
    gates[gate].stopWaiting()
    publishHead(gate)
    setClientDeadline(clientID(id), nil)
    // Who is first now may be elsewhere.
    noteRoom(gate)
  }

  /// It waited too long. False where it does not wait.
  mutating func queueTimeout(_ id: ExchangeID) -> Bool {
    let state = exchanges[id]
    guard state.pointee.admission.isWaiting else { return false }
    gates[state.pointee.admission.gate].count(.timeout, worker: workerIndex)
    stopWaiting(id)
    answerFailed(id, .queueTimeout)
    return true
  }

  /// The exchange is over, or its client is gone: gives back what it holds.
  mutating func leaveAdmission(_ id: ExchangeID) {
    let state = exchanges[id]
    let gate = state.pointee.admission.gate
    guard gate >= 0 else { return }
    if state.pointee.admission.isWaiting {
      gates[gate].count(.canceled, worker: workerIndex)
      stopWaiting(id)
    }
    leaveSlot(id)
    if state.pointee.admission.holdsPermit {
      gates[gate].leave()
      noteRoom(gate)
    }
  }

  /// The attempt is over: its place at the endpoint is free.
  mutating func leaveSlot(_ id: ExchangeID) {
    let state = exchanges[id]
    let endpointIndex = state.pointee.admission.occupied
    guard endpointIndex >= 0 else { return }
    state.pointee.admission.occupied = -1
    context.admission.slots.leave(endpointIndex)
    noteRoom(state.pointee.admission.gate)
  }

  /// There may be room: looked at when the turn ends, not in the middle of another exchange.
  private mutating func noteRoom(_ gate: Int) {
    if gates[gate].waitingCount > 0 {
      isDue[gate] = true
      isAnyDue = true
    }
  }

  // MARK: Turns

  /// All lines are to be looked at: another worker rang, or there is a new table.
  mutating func noteRoomEverywhere() {
    for gate in gates.indices where waiting.count(gate) > 0 {
      isDue[gate] = true
      isAnyDue = true
    }
  }

  /// The end of a turn: goes on with requests that are there already, and lets in who may begin.
  mutating func finishTurn() {
    letInWhereDue()
    if io.isFull { acceptAgain() }
    boundBuffers()
    guard waiting.count > 0 else {
      recheckAt = .distantFuture
      return
    }
    if io.now >= recheckAt {
      recheckAt = .distantFuture
      for gate in gates.indices where waiting.count(gate) > 0 {
        admitWaiting(gate, isRecheck: true)
      }
      letInWhereDue()
    }
    if recheckAt == .distantFuture { recheckAt = io.now + Self.recheckInterval }
  }

  private mutating func letInWhereDue() {
    while true {
      while let id = runnable.popLast() { resumeInput(id) }
      guard isAnyDue else { return }
      isAnyDue = false
      for gate in gates.indices where isDue[gate] {
        isDue[gate] = false
        admitWaiting(gate, isRecheck: false)
      }
    }
  }

  /// Lets in from a pool's line as many as there is room for.
  private mutating func admitWaiting(_ gate: Int, isRecheck: Bool) {
    let pool = poolOfGate[gate]
    while let worker = gates[gate].nextWorker {
      if worker != workerIndex {
        // What waits for a pool that is gone is answered where it waits, with the new plan.
        if pool >= 0, hasQueueRoom(pool) { wakeups.wake(worker) }
        return
      }
      guard pool >= 0, let index = waiting.first(gate) else { return }
      let id = exchanges.id(at: index)
      switch plan.pools[pool].queue.concurrency {
      case .unlimited: noteAdmission(id)
      case .total(let limit):
        guard gates[gate].tryEnter(limit) else { return }
        exchanges[id].pointee.admission.holdsPermit = true
        noteAdmission(id)
      case .slots:
        // Without an endpoint that may be used at all, waiting is of no use: `attempt` says so.
        if occupySlot(id, pool) == nil, plan.pools[pool].picker.isFull { return }
      }
      if isRecheck { gates[gate].countRescue(worker: workerIndex) }
      stopWaiting(id)
      attempt(id)
    }
  }

  private mutating func hasQueueRoom(_ pool: Int) -> Bool {
    switch plan.pools[pool].queue.concurrency {
    case .unlimited: return true
    case .total(let limit): return gates[plan.pools[pool].queue.gate].runningCount < limit
    case .slots:
      setRoom(pool)
      return plan.pools[pool].picker.hasRoom
    }
  }

  // MARK: Slots

  /// Picks among the endpoints that have a slot free, and takes it. Called by `admitWaiting` where
  /// that has picked already.
  mutating func occupySlot(_ id: ExchangeID, _ pool: Int) -> Int? {
    let state = exchanges[id]
    if state.pointee.admission.occupied >= 0 {
      return plan.endpoints[state.pointee.admission.occupied]?.position
    }
    refresh(pool)
    setRoom(pool)
    // A breaker refuses what there are slots for.
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
      // Another worker was quicker.
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
