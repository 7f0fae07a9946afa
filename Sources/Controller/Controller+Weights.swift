// From signals to rows: law, fallback, floor, slew. Health is put beside the weight, never into it.
// A missing metric is neither idle nor dead: its endpoint gets what its pool mates get. A row's
// reason is put into words only when its target moved notably.
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

  /// What a target rests on; becomes words only where they are wanted.
  enum Basis {
    case none
    case law(LawVerdict)
    case capacity(CapacityVerdict, guard: LawVerdict?)
    case median(count: Int)
    case unreachable(seconds: Double)

    var detail: String {
      switch self {
      case .none: return ""
      case .law(let verdict): return verdict.detail
      case .capacity(let verdict, let limit):
        var text = verdict.detail
        if let limit, limit.factor < 1 { text += "; \(limit.detail)" }
        return text
      case .median(0): return "no endpoint of the pool has a number"
      case .median(let count): return "median of \(count) fresh endpoints"
      case .unreachable(let seconds):
        return "no page for \(Wording.fixed(seconds, 0)) s: counts as load 100 %"
      }
    }
  }

  /// New rows by slot, or nil where nothing moved. Call about every 100 ms.
  package mutating func tick(now: Nanoseconds) -> [WeightRow?]? {
    let passed = tickedAt.map { min(max(now - $0, .zero), Self.tickMax) } ?? .zero
    tickedAt = now
    expireTuning(now)
    var hasMoved = mustPublish
    for (index, configured) in fleet.pools.enumerated() {
      var pool = configured
      pool.weights = policy(ofPool: index)
      judge(index, pool, passed: passed, now: now)
      takeDemand(index, passed: passed, now: now)
      let policy = pool.weights
      let targets =
        policy.law == .capacity
        ? capacityTargets(pool, now, passed) : signalTargets(pool, now)
      let isFrozen =
        tuning[index].freeze != nil || policy.law == .capacity && pools[index].isFrozen
      for (endpoint, target) in zip(pool.endpoints, targets) {
        guard let state = endpoints[endpoint.slot] else { continue }
        let row = advance(endpoint.slot, to: target, policy, passed, isFrozen: isFrozen)
        note(row, target.basis, endpoint.slot, pool, now)
        if Self.hasMoved(state.row, row) { hasMoved = true }
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
    _ pool: Pool, _ now: Nanoseconds, _ passed: Nanoseconds
  ) -> [Target] {
    let policy = pool.weights
    let hasGuard = policy.scrapes.contains { $0.signals.contains { $0.isRatio } }
    var targets: [Target] = []
    targets.reserveCapacity(pool.endpoints.count)
    var (bases, weights) = (0.0, 0.0)
    for endpoint in pool.endpoints {
      guard let state = endpoints[endpoint.slot] else { continue }
      let verdict = state.verdict ?? CapacityVerdict()
      var limit: LawVerdict?
      if hasGuard {
        limit = ControlLaw.headroom(
          state.lawSignals(now: now).filter(\.isRatio), floorRatio: policy.floorRatio)
        if let load = limit?.loadRatio {
          endpoints[endpoint.slot]?.guardLoad += Self.guardShare(passed) * (load - state.guardLoad)
        }
      }
      let guardLoad = endpoints[endpoint.slot]?.guardLoad ?? 0
      let factor = verdict.factor * (1 - (1 - policy.floorRatio) * guardLoad)
      bases += endpoint.baseWeight
      weights += endpoint.baseWeight * factor
      let kind: WeightReason.Kind = verdict.completions > 0.5 ? .law : .blackout
      targets.append(
        Target(factor: factor, kind: kind, basis: .capacity(verdict, guard: limit)))
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
  private func signalTargets(_ pool: Pool, _ now: Nanoseconds) -> [Target] {
    let verdicts = pool.endpoints.map { verdict(of: $0.slot, pool.weights, now) }
    let fresh = verdicts.compactMap { $0.flatMap { $0.isStale ? nil : $0.factor } }
    return zip(pool.endpoints, verdicts).map { endpoint, verdict in
      guard let state = endpoints[endpoint.slot] else {
        preconditionFailure("an unused slot has no weight")
      }
      let target = target(of: state, pool.weights, verdict, fresh: fresh, now)
      return bounded(target, pool.weights)
    }
  }

  private func verdict(of slot: Int, _ policy: WeightPolicy, _ now: Nanoseconds) -> LawVerdict? {
    guard let state = endpoints[slot] else { return nil }
    switch policy.law {
    case .static, .capacity: return nil
    case .headroom:
      return ControlLaw.headroom(state.lawSignals(now: now), floorRatio: policy.floorRatio)
    case .steps: return ControlLaw.steps(state.lawSignals(now: now), policy.steps)
    }
  }

  private func target(
    of state: EndpointState, _ policy: WeightPolicy, _ verdict: LawVerdict?, fresh: [Double],
    _ now: Nanoseconds
  ) -> Target {
    if policy.law == .static { return Target(factor: 1, kind: .base, basis: .none) }
    if let verdict {
      return Target(
        factor: verdict.factor, kind: verdict.isStale ? .stale : .law, basis: .law(verdict))
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
    return Target(
      factor: ControlLaw.median(fresh) ?? 1, kind: hasValue || isUnreachable ? .expired : .blackout,
      basis: .median(count: fresh.count))
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

  /// Moves the factor as far as the slew limit lets it and gives the row that comes of it.
  private mutating func advance(
    _ slot: Int, to target: Target, _ policy: WeightPolicy, _ passed: Nanoseconds, isFrozen: Bool
  ) -> WeightRow {
    guard var state = endpoints[slot] else { preconditionFailure("an unused slot has no weight") }
    let step = policy.slew * passed.seconds
    var kind = target.kind
    if isFrozen {
      kind = .frozen
    } else if policy.law == .static || abs(target.factor - state.factor) <= step + 1e-9 {
      state.factor = target.factor
    } else {
      state.factor += target.factor > state.factor ? step : -step
      // A reload may have raised the floor: that is the operator's word, not the law's.
      state.factor = max(state.factor, min(policy.floorRatio, target.factor))
      if state.factor != target.factor, kind == .law { kind = .slew }
    }
    endpoints[slot]?.factor = state.factor
    let base = state.endpoint.baseWeight
    var effective = base * state.factor
    if policy.isDryRun { (effective, kind) = (base, .dryRun) }
    if let pin = state.tuning.pin {
      (effective, kind) = (pin.value, .pinned)
    } else if let scale = state.tuning.scale {
      (effective, kind) = (effective * scale.value, .scaled)
    }
    return WeightRow(
      base: base, target: base * target.factor, effective: effective,
      eligibility: state.eligibility, reason: WeightReason(kind, state.loggedDetail))
  }

  /// Whether the difference is worth a publication.
  private static func hasMoved(_ old: WeightRow, _ new: WeightRow) -> Bool {
    func differ(_ a: Double, _ b: Double) -> Bool { abs(a - b) > moveMin * max(abs(a), abs(b)) }
    return old.base != new.base || old.eligibility != new.eligibility
      || old.reason.kind != new.reason.kind || differ(old.target, new.target)
      || differ(old.effective, new.effective)
  }

  /// Puts a moved target or another kind of reason into the log.
  private mutating func note(
    _ made: WeightRow, _ basis: Basis, _ slot: Int, _ pool: Pool, _ now: Nanoseconds
  ) {
    var row = made
    endpoints[slot]?.nextRow = row
    guard let state = endpoints[slot] else { return }
    // Being on the way is no news.
    let kind = row.reason.kind == .slew ? WeightReason.Kind.law : row.reason.kind
    let isSmall = abs(row.target - state.loggedTarget) <= Self.loggedMoveMin * row.base
    if isSmall, kind == state.loggedKind { return }
    row.reason.detail = basis.detail
    endpoints[slot]?.loggedDetail = row.reason.detail
    endpoints[slot]?.nextRow = row
    weightLog.append(
      WeightChange(
        at: now, pool: pool.name, endpoint: state.endpoint.address, old: state.loggedTarget,
        new: row.target, reason: WeightReason(kind, row.reason.detail)))
    endpoints[slot]?.loggedTarget = row.target
    endpoints[slot]?.loggedKind = kind
  }

  private mutating func publish() -> [WeightRow?] {
    for slot in endpoints.indices {
      if let row = endpoints[slot]?.nextRow { endpoints[slot]?.row = row }
    }
    return endpoints.map { $0?.row }
  }
}
