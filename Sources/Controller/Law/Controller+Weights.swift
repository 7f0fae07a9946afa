// From signals to rows: law, fallback, floor, slew. Health is kept beside the weight and never
// changes it. A missing metric means neither idle nor dead: the endpoint gets the weight of the
// others of its pool. The reason for a target is kept as data; it becomes words only when it is
// read.
package import Fleet
package import Primitives

extension Controller {
  /// The smallest move of the target, as a share of the base weight, that is logged.
  static let loggedMoveMin = 0.01
  /// A smaller difference is no change.
  static let moveMin = 1e-6
  /// The longest time that one tick's slew limit counts, after the process was stopped for a while.
  static let tickMax = Nanoseconds.seconds(1)

  /// The weight that an endpoint is to have.
  struct Target {
    /// Target ÷ base weight.
    var factor: Double
    var kind: WeightReason.Kind
    var basis: Basis
  }

  /// What a target is based on; `EndpointState.evidence` turns it into numbers for people.
  enum Basis: Sendable {
    case none
    case law(LawVerdict)
    /// The endpoint's `verdict`, and the factor of the utilisation guard, 0…1.
    case capacity(guard: LawVerdict?, ratio: Double)
    /// `isFirst`: the endpoint never had a number.
    case median(count: Int, isFirst: Bool)
    case unreachable(seconds: Double)
  }

  /// New rows by endpoint index, or nil if nothing changed. Call about every 100 ms.
  package mutating func tick(now: Nanoseconds) -> [WeightRow?]? {
    let sinceTick = tickedAt.map { min(max(now - $0, .zero), Self.tickMax) } ?? .zero
    tickedAt = now
    expireTuning(now)
    if evidence.ejectionRevision != ejectionRevision {
      ejectionRevision = evidence.ejectionRevision
      for index in paces.indices { paces[index].isTouched = true }
    }
    var hasMoved = mustPublish
    for index in fleet.pools.indices {
      let (started, isBusy) = activity(ofPool: index)
      guard let due = paces[index].due(now: now, started: started, isBusy: isBusy) else { continue }
      let passed = min(due, Self.tickMax)
      var pool = fleet.pools[index]
      pool.weights = policy(ofPool: index)
      let verdicts = judge(index, pool, passed: passed, now: now)
      watch(index, pool, passed: passed, now: now)
      lookForCanaries(index, pool)
      takeDemand(index, pool, passed: passed, now: now)
      let policy = pool.weights
      let targets =
        policy.law == .capacity
        ? capacityTargets(pool, verdicts, now, passed) : signalTargets(pool, now)
      let move = Move(
        isStatic: policy.law == .static, isDryRun: policy.isDryRun, floorRatio: policy.floorRatio,
        // A weight that rested has not saved up any time to move.
        slewStep: policy.slew * min(passed, sinceTick).seconds, freeze: freeze(ofPool: index),
        downCauses: pool.onMarkedDown.causes, now: now, pool: pool.name, capacity: pools[index],
        board: evidence)
      for position in targets.indices {
        guard let state = endpoints[pool.endpoints[position].endpointIndex] else { continue }
        if state.advance(to: targets[position], move, &journal) {
          hasMoved = true
          paces[index].noteMove(now: now)
        } else if !state.eligibility.takesNewExchanges {
          paces[index].noteMove(now: now)
        }
      }
    }
    guard hasMoved else { return nil }
    mustPublish = false
    return publish()
  }

  /// The attempts at the pool's endpoints since start, and whether any is in flight.
  private func activity(ofPool index: Int) -> (started: UInt64, isBusy: Bool) {
    var (started, inFlight): (UInt64, UInt64) = (0, 0)
    for position in fleet.pools[index].endpoints.indices {
      let endpointIndex = fleet.pools[index].endpoints[position].endpointIndex
      started &+= evidence.sum(.started, endpointIndex)
      inFlight &+= evidence.sum(.inFlight, endpointIndex)
    }
    return (started, inFlight > 0)
  }

  // MARK: Targets

  /// The capacity law: factors that keep the sum of the pool's base weights, times the guard of the
  /// endpoints' utilisations.
  private mutating func capacityTargets(
    _ pool: Pool, _ verdicts: [CapacityVerdict], _ now: Nanoseconds, _ passed: Nanoseconds
  ) -> [Target] {
    let policy = pool.weights
    let hasGuard = policy.scrapes.contains { $0.signals.contains { $0.isRatio } }
    let guardShare = Self.guardShare(passed)
    var signals: [LawSignal] = []
    var targets: [Target] = []
    targets.reserveCapacity(pool.endpoints.count)
    var (bases, weights) = (0.0, 0.0)
    for (position, verdict) in verdicts.enumerated() {
      let baseWeight = pool.endpoints[position].baseWeight
      var limit: LawVerdict?
      var guardLoad = 0.0
      if hasGuard {
        let endpointIndex = pool.endpoints[position].endpointIndex
        endpoints[endpointIndex]?.gatherSignals(now, ratiosOnly: true, into: &signals)
        limit = ControlLaw.headroom(signals, floorRatio: policy.floorRatio)
        let load =
          endpoints[endpointIndex]?.followGuard(limit?.loadRatio ?? 0, share: guardShare) ?? 0
        if limit != nil { guardLoad = load }
      }
      let ratio = 1 - (1 - policy.floorRatio) * guardLoad
      let factor = verdict.factor * ratio
      bases += baseWeight
      weights += baseWeight * factor
      let kind: WeightReason.Kind = verdict.isKnown ? .law : .blackout
      targets.append(
        Target(factor: factor, kind: kind, basis: .capacity(guard: limit, ratio: ratio)))
    }
    if weights > 0 {
      for index in targets.indices { targets[index].factor *= bases / weights }
    }
    return targets
  }

  /// The share by which the guard follows a utilisation; it smooths over ten seconds. The momentary
  /// value follows the very requests that picks have just placed, so that steering by it would
  /// oscillate.
  private static func guardShare(_ passed: Nanoseconds) -> Double {
    1 - exponential(-passed.seconds / 10)
  }

  /// The targets of the laws that read signals only, and of `static`.
  private mutating func signalTargets(_ pool: Pool, _ now: Nanoseconds) -> [Target] {
    let policy = pool.weights
    var signals: [LawSignal] = []
    var verdicts: [LawVerdict?] = []
    verdicts.reserveCapacity(pool.endpoints.count)
    for position in pool.endpoints.indices {
      verdicts.append(verdict(of: pool.endpoints[position].endpointIndex, policy, now, &signals))
    }
    let fresh = verdicts.compactMap { $0.flatMap { $0.isStale ? nil : $0.factor } }
    // The median sorts its values: once is enough.
    let hasGaps = policy.law != .static && verdicts.contains { $0 == nil }
    let others = (median: hasGaps ? ControlLaw.median(fresh) : nil, count: fresh.count)
    var targets: [Target] = []
    targets.reserveCapacity(verdicts.count)
    for position in verdicts.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      targets.append(
        bounded(target(of: endpointIndex, policy, verdicts[position], others, now), policy))
    }
    return targets
  }

  /// `signals` is a buffer that is reused.
  private mutating func verdict(
    of endpointIndex: Int, _ policy: WeightPolicy, _ now: Nanoseconds, _ signals: inout [LawSignal]
  ) -> LawVerdict? {
    switch policy.law {
    case .static, .capacity: return nil
    case .headroom:
      endpoints[endpointIndex]?.gatherSignals(now, into: &signals)
      return ControlLaw.headroom(signals, floorRatio: policy.floorRatio)
    case .steps:
      endpoints[endpointIndex]?.gatherSignals(now, into: &signals)
      return ControlLaw.steps(signals, policy.steps)
    }
  }

  private func target(
    of endpointIndex: Int, _ policy: WeightPolicy, _ verdict: LawVerdict?,
    _ others: (median: Double?, count: Int), _ now: Nanoseconds
  ) -> Target {
    if policy.law == .static { return Target(factor: 1, kind: .base, basis: .none) }
    if let verdict {
      return Target(
        factor: verdict.factor, kind: verdict.isStale ? .stale : .law, basis: .law(verdict))
    }
    guard let state = endpoints[endpointIndex] else {
      preconditionFailure("an unused endpointIndex has no weight")
    }
    let expiry = Freshness.expiryAge(interval: policy.interval)
    let seenAt = state.pageSentAt ?? state.watchedSince
    let isUnreachable = now - seenAt > expiry
    if policy.law == .steps, isUnreachable {
      let weight = ControlLaw.stepWeight(loadPercent: 100, policy.steps)
      return Target(
        factor: weight, kind: .expired, basis: .unreachable(seconds: (now - seenAt).seconds))
    }
    let hasValue = state.scrapes.contains { $0.signals.contains { $0.value != nil } }
    let isFirst = !hasValue && !isUnreachable
    return Target(
      factor: others.median ?? 1, kind: isFirst ? .blackout : .expired,
      basis: .median(count: others.count, isFirst: isFirst))
  }

  /// Limits a target to the floor and the ceiling.
  private func bounded(_ target: Target, _ policy: WeightPolicy) -> Target {
    var target = target
    var ceiling = 1.0
    if policy.law == .steps {
      ceiling = policy.steps.rows.reduce(policy.steps.otherwise) { max($0, $1.weight) }
      // Without any number an endpoint keeps its base weight.
      ceiling = max(ceiling, 1)
    }
    target.factor = max(min(target.factor, ceiling), policy.floorRatio)
    return target
  }

  private mutating func publish() -> [WeightRow?] {
    var rows: [WeightRow?] = []
    rows.reserveCapacity(endpoints.count)
    for endpointIndex in endpoints.indices { rows.append(endpoints[endpointIndex]?.publishRow()) }
    return rows
  }
}

/// Values that are the same for all endpoints of a pool in one tick.
struct Move {
  let isStatic: Bool
  let isDryRun: Bool
  let floorRatio: Double
  /// The largest change of a factor.
  let slewStep: Double
  /// nil: weights may change.
  let freeze: FreezeCause?
  let downCauses: MarkedDownPolicy.Causes
  let now: Nanoseconds
  let pool: String
  let capacity: CapacityPool
  let board: EvidenceBoard
}

extension EndpointState {
  /// Moves the guard's load by `share` of the way to `load` and returns it.
  fileprivate func followGuard(_ load: Double, share: Double) -> Double {
    guardLoad += share * (load - guardLoad)
    return guardLoad
  }

  /// Moves the factor within the slew limit, makes the next row, and logs a target that moved
  /// noticeably. Returns true if the row differs from the published one.
  func advance(
    to target: Controller.Target, _ move: Move, _ journal: inout Journal
  ) -> Bool {
    var kind = target.kind
    basis = target.basis
    if move.freeze != nil {
      kind = .frozen
    } else if move.isStatic || abs(target.factor - factor) <= move.slewStep + 1e-9 {
      factor = target.factor
    } else {
      factor += target.factor > factor ? move.slewStep : -move.slewStep
      // A reload may have raised the floor. That is an operator's change, and not subject to the
      // slew limit.
      factor = max(factor, min(move.floorRatio, target.factor))
      if factor != target.factor, kind == .law { kind = .slew }
    }
    let base = endpoint.baseWeight
    var effective = base * factor
    if move.isDryRun { (effective, kind) = (base, .dryRun) }
    if let pin = tuning.pin {
      (effective, kind) = (pin.value, .pinned)
    } else if let scale = tuning.scale {
      (effective, kind) = (effective * scale.value, .scaled)
    }
    let made = WeightRow(
      base: base, target: base * target.factor, effective: effective, eligibility: eligibility,
      reason: WeightReason(kind), isDown: isDown(move.downCauses), isOnTrial: isOnTrial)
    note(made, move, &journal)
    nextRow = made
    return hasMoved(to: made)
  }

  /// Whether the difference is worth publishing.
  private func hasMoved(to new: WeightRow) -> Bool {
    func differ(_ a: Double, _ b: Double) -> Bool {
      abs(a - b) > Controller.moveMin * max(abs(a), abs(b))
    }
    return row.base != new.base || row.eligibility != new.eligibility
      || row.isDown != new.isDown || row.isOnTrial != new.isOnTrial
      || row.reason.kind != new.reason.kind
      || differ(row.target, new.target)
      || differ(row.effective, new.effective)
  }

  /// Puts a moved target or another kind of reason into the journal.
  private func note(
    _ made: WeightRow, _ move: Move, _ journal: inout Journal
  ) {
    // A weight that is still moving to its target is no new reason.
    let kind = made.reason.kind == .slew ? WeightReason.Kind.law : made.reason.kind
    let isSmall = abs(made.target - loggedTarget) <= Controller.loggedMoveMin * made.base
    if isSmall, kind == loggedKind { return }
    var row = made
    row.reason = WeightReason(
      made.reason.kind, evidence(of: basis, move.capacity, move.board, now: move.now),
      freeze: move.freeze)
    journal.append(
      .weight(
        WeightChange(pool: move.pool, endpoint: endpoint.address, old: loggedTarget, row: row)),
      at: move.now)
    loggedTarget = made.target
    loggedKind = kind
  }

  /// Publishes the row that the last tick made.
  fileprivate func publishRow() -> WeightRow {
    if let nextRow { row = nextRow }
    return row
  }
}
