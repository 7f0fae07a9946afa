// Chooses the endpoints that canaries are sent to and evaluates the answers: they let trials of
// clients begin, and tell the workers whether an ejection's cooldown is over.
// Invariant: canaries count in nothing that the law reads.
import Fleet
import Primitives

extension Controller {
  /// The source of canaries in `PollID`.
  static let canarySource = -2
  /// The most bytes read of an answer.
  static let canaryBytesMax = 1 << 20
  /// In a pool with fewer requests per second, sick endpoints get no canaries: no client's request
  /// would try them afterwards.
  private static let requestRateMin = 0.05

  /// Finds the endpoints of the pool that are ejected or sick. Call after the tick's verdicts.
  mutating func lookForCanaries(_ index: Int, _ pool: Pool) {
    guard pool.canary != nil else { return }
    // Only this law with this policy gives fewer requests, and trials, to endpoints it holds for
    // sick.
    let triesSick = pool.weights.law == .capacity && pool.balance == .leastRequest
    let hasRequests = pools[index].requestRate >= Self.requestRateMin
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      let endpoint = pool.endpoints[position]
      let isBegun = endpoints[endpointIndex]?.lookForCanary(
        isEjected: evidence.isEjected(endpointIndex), triesSick: triesSick && !endpoint.isBackup,
        hasRequests: hasRequests)
      if isBegun == true { reschedule(endpointIndex, Self.canarySource) }
    }
  }

  /// Begins a canary. Requires: the endpoint has a canary, and it is due.
  mutating func beginCanary(_ id: PollID, pool index: Int, now: Nanoseconds) -> PollRequest {
    guard let endpoint = endpoints[id.endpointIndex]?.endpoint,
      let policy = fleet.pools[index].canary
    else { preconditionFailure("no canary is due where there is none") }
    let timeout =
      endpoints[id.endpointIndex]?.canary?.begin(
        serial: id.serial, timeout: policy.timeout, poolUsual: pools[index].usualCanary, now: now,
        &random) ?? policy.timeout
    var request = PollRequest(
      id: id, address: endpoint.address, path: policy.path, kind: .canary, timeout: timeout,
      contentBytesMax: Self.canaryBytesMax)
    request.method = policy.method
    request.host = policy.host
    request.fields = policy.fields
    request.use(policy.tls, of: endpoint)
    request.content = policy.content.map { Array($0.utf8) } ?? []
    request.proxyHeader = fleet.pools[index].proxyProtocol
    return request
  }

  /// Takes the end of a poll if it was a canary; returns false if it was none.
  mutating func finishCanary(
    _ id: PollID, _ outcome: PollOutcome, now: Nanoseconds, wall: Nanoseconds
  ) -> Bool {
    guard let index = endpoints[id.endpointIndex]?.pool, let policy = fleet.pools[index].canary,
      let attempt = endpoints[id.endpointIndex]?.canary?.end(serial: id.serial),
      let end = endpoints[id.endpointIndex]?.canary?.take(
        outcome, of: attempt, poolUsual: pools[index].usualCanary, timeout: policy.timeout,
        now: now, wall: wall)
    else { return false }
    reschedule(id.endpointIndex, Self.canarySource)
    let goodInRow = endpoints[id.endpointIndex]?.canary?.goodInRow ?? 0
    switch end.result {
    case .good:
      pools[index].noteCanary(end.seconds)
      if goodInRow >= Canary.goodNeeded, evidence.isEjected(id.endpointIndex) {
        pickBoard.notifyCanary(id.endpointIndex, isGood: true)
      }
    case .failed(.local): break
    case .late, .failed:
      endpoints[id.endpointIndex]?.capacity.probation.canaryFailed()
      if end.isDefinite, evidence.isEjected(id.endpointIndex) {
        pickBoard.notifyCanary(id.endpointIndex, isGood: false)
      }
    }
    if let endpoint = endpoints[id.endpointIndex]?.endpoint {
      journal.append(
        .canary(
          CanaryEnd(
            pool: fleet.pools[index].name, endpoint: endpoint.address, result: end.result,
            detail: end.detail, seconds: end.seconds, goodInRow: goodInRow)), at: end.at)
    }
    return true
  }

  /// The balancer's cells with the canaries added, since the endpoint's page counts those too.
  func cellsOfPage(_ endpointIndex: Int, now: Nanoseconds) -> EvidenceReading {
    var cells = EvidenceReading(evidence, endpointIndex, now: now)
    endpoints[endpointIndex]?.canary?.add(to: &cells)
    return cells
  }
}

extension EndpointState {
  /// Decides whether canaries are sent to the endpoint. Returns true when that begins.
  fileprivate func lookForCanary(
    isEjected: Bool, triesSick: Bool, hasRequests: Bool
  ) -> Bool {
    let isUsed = eligibility.takesNewExchanges && endpoint.baseWeight > 0
    let isSick = triesSick && capacity.probation.isSick
    let isIdle = capacity.probation.isWaiting && !capacity.probation.isTried && hasRequests
    return canary?.look(
      isOut: isUsed && (isEjected || isSick), isAsked: isEjected || isIdle) ?? false
  }
}

extension Canary {
  /// Adds the canaries' requests. Those that were not good are added as refused, since it is
  /// unknown whether a page counts them as failures or as completions.
  fileprivate func add(to cells: inout EvidenceReading) {
    let inFlight: UInt64 = timer.attempt == nil ? 0 : 1
    let good = statistics.successes + lateCount
    cells.inFlight += Double(inFlight)
    cells.started += Double(statistics.attempts)
    cells.completed += Double(good)
    cells.refused += Double(statistics.attempts - min(statistics.attempts, good + inFlight))
  }
}
