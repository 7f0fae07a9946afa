// From signals to rows: law, fallback, floor, slew. Health is put beside the weight, never into it.
// A missing metric is neither idle nor dead: its endpoint gets what the others of its pool get.
// What a target depends on is kept beside it; it becomes words only where somebody reads them.
package import Fleet
package import Primitives

extension Controller {
  /// A move of the target by less than this share of the base weight is not worth a log entry.
  static let loggedMoveMin = 0.01
  /// Less than this is no change.
  static let moveMin = 1e-6
  /// The most time that one tick's slew counts, after the process was stopped for a while.
  static let tickMax = Nanoseconds.seconds(1)

  /// What an endpoint's weight shall be.
  struct Target {
    /// Target ÷ base weight.
    var factor: Double
    var kind: WeightReason.Kind
    var basis: Basis
  }

  /// What a target rests on; `EndpointState.evidence` makes numbers for people of it.
  enum Basis: Sendable {
    case none
    case law(LawVerdict)
    /// The endpoint's `verdict`, and what a utilisation leaves of it, 0…1.
    case capacity(guard: LawVerdict?, ratio: Double)
    /// `isFirst`: there was never a number.
    case median(count: Int, isFirst: Bool)
    case unreachable(seconds: Double)
  }

  /// New rows by endpoint index, or nil where nothing moved. Call about every 100 ms.
  package mutating func tick(now: Nanoseconds) -> [WeightRow?]? {
    let passed = tickedAt.map { min(max(now - $0, .zero), Self.tickMax) } ?? .zero
    tickedAt = now
    expireTuning(now)
    var hasMoved = mustPublish
    for (index, configured) in fleet.pools.enumerated() {
      var pool = configured
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
        slewStep: policy.slew * passed.seconds, freeze: freeze(ofPool: index),
        downCauses: pool.onMarkedDown.causes, now: now, pool: pool.name, capacity: pools[index],
        board: evidence)
      for position in targets.indices {
        // In place: a copy of the state would cost more than all the rest.
        let endpointIndex = pool.endpoints[position].endpointIndex
        if endpoints[endpointIndex]?.advance(to: targets[position], move, &weightLog) == true {
          hasMoved = true
        }
      }
    }
    guard hasMoved else { return nil }
    mustPublish = false
    return publish()
  }

  // MARK: Targets

  /// The capacity law: factors that keep the sum of the pool's base weights, times the guard of
  /// the endpoints' utilisations.
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

  /// A utilisation is a guard by what it is over ten seconds: in the moment it follows the very
  /// requests that the pick has just placed, and to steer by it would be to chase them.
  private static func guardShare(_ passed: Nanoseconds) -> Double {
    1 - exponential(-passed.seconds / 10)
  }

  /// The laws that read signals alone, and `static`.
  private mutating func signalTargets(_ pool: Pool, _ now: Nanoseconds) -> [Target] {
    let policy = pool.weights
    var signals: [LawSignal] = []
    var verdicts: [LawVerdict?] = []
    verdicts.reserveCapacity(pool.endpoints.count)
    for position in pool.endpoints.indices {
      verdicts.append(verdict(of: pool.endpoints[position].endpointIndex, policy, now, &signals))
    }
    let fresh = verdicts.compactMap { $0.flatMap { $0.isStale ? nil : $0.factor } }
    // Sorts them: once is enough.
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

  /// `signals` is scratch.
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

  /// Keeps what a law or a table gave within floor and ceiling.
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

/// What is the same for all endpoints of a pool in one tick.
struct Move {
  let isStatic: Bool
  let isDryRun: Bool
  let floorRatio: Double
  /// The most that a factor moves.
  let slewStep: Double
  /// nil: weights move.
  let freeze: FreezeCause?
  let downCauses: MarkedDownPolicy.Causes
  let now: Nanoseconds
  let pool: String
  let capacity: CapacityPool
  let board: EvidenceBoard
}

extension EndpointState {
  /// Moves the guard's load by a share of the way to `load`; gives what it is then.
  fileprivate mutating func followGuard(_ load: Double, share: Double) -> Double {
    guardLoad += share * (load - guardLoad)
    return guardLoad
  }

  /// Moves the factor as far as the slew limit lets it, makes the next row, and logs a target that
  /// moved notably. True where the row differs from the published one.
  mutating func advance(
    to target: Controller.Target, _ move: Move, _ log: inout BoundedLog<WeightChange>
  ) -> Bool {
    var kind = target.kind
    basis = target.basis
    if move.freeze != nil {
      kind = .frozen
    } else if move.isStatic || abs(target.factor - factor) <= move.slewStep + 1e-9 {
      factor = target.factor
    } else {
      factor += target.factor > factor ? move.slewStep : -move.slewStep
      // A reload may have raised the floor: that is the operator's word, not the law's.
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
    note(made, move, &log)
    nextRow = made
    return hasMoved(to: made)
  }

  /// Whether the difference is worth a publication.
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

  /// Puts a moved target or another kind of reason into the log.
  private mutating func note(
    _ made: WeightRow, _ move: Move, _ log: inout BoundedLog<WeightChange>
  ) {
    // A weight that is still on its way gives no new reason.
    let kind = made.reason.kind == .slew ? WeightReason.Kind.law : made.reason.kind
    let isSmall = abs(made.target - loggedTarget) <= Controller.loggedMoveMin * made.base
    if isSmall, kind == loggedKind { return }
    var row = made
    row.reason = WeightReason(
      made.reason.kind, evidence(of: basis, move.capacity, move.board, now: move.now),
      freeze: move.freeze)
    log.append(
      WeightChange(
        at: move.now, pool: move.pool, endpoint: endpoint.address, old: loggedTarget, row: row))
    loggedTarget = made.target
    loggedKind = kind
  }

  /// What the last tick made is what is published now.
  fileprivate mutating func publishRow() -> WeightRow {
    if let nextRow { row = nextRow }
    return row
  }
}
