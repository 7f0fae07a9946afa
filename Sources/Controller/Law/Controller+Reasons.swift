// Why each weight has its value, as current numbers. Fleet turns them into words, once for log,
// status page, `top`, `weights` and `explain`.
package import Fleet
package import Primitives

extension Controller {
  /// The endpoint's row as published, with the current evidence for its weight; nil: the index is
  /// unused. Allocates.
  package func explainedRow(_ endpointIndex: Int, now: Nanoseconds) -> WeightRow? {
    guard let state = endpoints[endpointIndex] else { return nil }
    var row = state.row
    row.reason = WeightReason(
      row.reason.kind, state.evidence(of: state.basis, pools[state.pool], evidence, now: now),
      freeze: freeze(ofPool: state.pool))
    return row
  }

  /// Whether the law holds the endpoint's weight at the floor of its pool, whose policy is given.
  package func isAtFloor(_ endpointIndex: Int, _ policy: WeightPolicy) -> Bool {
    guard policy.law != .static, let state = endpoints[endpointIndex] else { return false }
    let kind = state.row.reason.kind
    guard kind == .law || kind == .slew || kind == .stale || kind == .blackout else {
      return false
    }
    let factor = policy.law == .capacity ? state.verdict?.factor : state.factor
    let floor = max(policy.floorRatio, 1e-6)
    return floor < 1 && factor ?? 1 <= floor * 1.000_001
  }

  /// Why the pool's weights are frozen; nil: they are not.
  package func freeze(ofPool index: Int) -> FreezeCause? {
    if tuning[index].freeze != nil { return .operator }
    if pools[index].isHeld { return .watchdogLimit }
    return pools[index].isFrozen && policy(ofPool: index).law == .capacity ? .mostHang : nil
  }
}

extension EndpointState {
  /// The numbers behind a target weight.
  func evidence(
    of basis: Controller.Basis, _ pool: CapacityPool, _ board: EvidenceBoard, now: Nanoseconds
  ) -> WeightEvidence {
    switch basis {
    case .none: return .none
    case .law(let verdict):
      return verdict.evidence
    case .median(let count, let isFirst): return .median(of: count, isFirst: isFirst)
    case .unreachable(let seconds): return .noPage(seconds: seconds)
    case .capacity(let limit, let ratio):
      return .answers(answers(limit, ratio, pool, board, now: now))
    }
  }

  private func answers(
    _ limit: LawVerdict?, _ ratio: Double, _ pool: CapacityPool, _ board: EvidenceBoard,
    now: Nanoseconds
  ) -> AnswerEvidence {
    var found = AnswerEvidence()
    let sums = capacity.sums
    found.answers = sums.short.completions
    if let mean = sums.short.meanResponse {
      found.meanResponse = mean
      if sums.elapsed > 0 { found.rate = sums.short.completions / sums.elapsed }
    }
    found.usualResponse = sums.long.meanResponse
    found.isOnTrial = capacity.probation.isSick && sums.long.completions > 0
    found.isSpare =
      sums.inFlight == 0 && !found.isOnTrial && pool.requestRate > 0.1
      && verdict.map { $0.usual < pool.bestUsual - CapacityLaw.likeMin } == true
    if pool.fleetResponse > 0 { found.poolResponse = pool.fleetResponse }
    if pool.fleetRate > 0 { found.poolRate = pool.fleetRate }
    // Without any answer there is no usual time, and the law counts no request as hanging.
    if sums.inFlight > 0, verdict?.stuckSeconds ?? 0 > 0 || found.meanResponse == nil {
      let long = max(CapacityLaw.silenceMin, 3 * pool.fleetResponse)
      found.oldest =
        board.oldestStart(endpoint.endpointIndex).map { max(0, (now - $0).seconds) } ?? 0
      found.isMoving = sums.silentSeconds < long
      if found.oldest >= long { found.unanswered = Int(sums.inFlight) }
    }
    if let limit, case .signal(let signal) = limit.evidence {
      (found.limit, found.limitRatio) = (signal, ratio)
    }
    return found
  }
}

extension LawVerdict {
  /// The numbers that the verdict is based on.
  package var evidence: WeightEvidence {
    switch basis {
    case .nearest(let signal, let thresholds):
      .signal(
        SignalEvidence(
          name: signal.name, value: signal.value, normal: thresholds.normal,
          alarm: thresholds.alarm))
    case .mean(let ratios):
      .load(ratio: loadRatio, ratios.map { SignalEvidence(name: $0.name, value: $0.value) })
    }
  }
}
