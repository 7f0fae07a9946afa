// From signals to rows: law, fallback, floor, slew. Health is put beside the weight, never into it.
// A missing metric is neither idle nor dead: its endpoint gets what its pool mates get.
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
  private struct Target {
    /// Target ÷ base weight.
    var factor: Double
    var reason: WeightReason
  }

  /// New rows by slot, or nil where nothing moved. Call about every 100 ms. The exported weights
  /// are not normalised.
  package mutating func tick(now: Nanoseconds) -> [WeightRow?]? {
    let passed = tickedAt.map { min(max(now - $0, .zero), Self.tickMax) } ?? .zero
    tickedAt = now
    var hasMoved = mustPublish
    for pool in fleet.pools {
      let policy = pool.weights
      let verdicts = pool.endpoints.map { verdict(of: $0.slot, policy, now) }
      let fresh = verdicts.compactMap { $0.flatMap { $0.isStale ? nil : $0.factor } }
      for (endpoint, verdict) in zip(pool.endpoints, verdicts) {
        guard let state = endpoints[endpoint.slot] else { continue }
        let target = bounded(
          target(of: state, policy, verdict, fresh: fresh, now), policy)
        let row = advance(endpoint.slot, to: target, policy, passed)
        note(row, endpoint.slot, pool, now)
        if Self.hasMoved(state.row, row) { hasMoved = true }
      }
    }
    guard hasMoved else { return nil }
    mustPublish = false
    return publish()
  }

  private func verdict(of slot: Int, _ policy: WeightPolicy, _ now: Nanoseconds) -> LawVerdict? {
    guard let state = endpoints[slot] else { return nil }
    switch policy.law {
    case .static: return nil
    case .headroom:
      return ControlLaw.headroom(state.lawSignals(now: now), floorRatio: policy.floorRatio)
    case .steps: return ControlLaw.steps(state.lawSignals(now: now), policy.steps)
    }
  }

  private func target(
    of state: EndpointState, _ policy: WeightPolicy, _ verdict: LawVerdict?, fresh: [Double],
    _ now: Nanoseconds
  ) -> Target {
    if policy.law == .static { return Target(factor: 1, reason: WeightReason(.base)) }
    if let verdict {
      let kind = verdict.isStale ? WeightReason.Kind.stale : .law
      return Target(factor: verdict.factor, reason: WeightReason(kind, verdict.detail))
    }
    let expiry = Freshness.expiryAge(interval: policy.interval)
    let seenAt = state.pageSentAt ?? state.watchedSince
    let isUnreachable = now - seenAt > expiry
    if policy.law == .steps, isUnreachable {
      let weight = ControlLaw.stepWeight(loadPercent: 100, policy.steps)
      let detail = "no page for \(Wording.fixed((now - seenAt).seconds, 0)) s: counts as load 100 %"
      return Target(factor: weight, reason: WeightReason(.expired, detail))
    }
    let hasValue = state.scrapes.contains { $0.signals.contains { $0.value != nil } }
    let kind = hasValue || isUnreachable ? WeightReason.Kind.expired : .blackout
    guard let median = ControlLaw.median(fresh) else {
      return Target(factor: 1, reason: WeightReason(kind, "no endpoint of the pool has a number"))
    }
    return Target(
      factor: median, reason: WeightReason(kind, "median of \(fresh.count) fresh endpoints"))
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
    _ slot: Int, to target: Target, _ policy: WeightPolicy, _ passed: Nanoseconds
  ) -> WeightRow {
    guard var state = endpoints[slot] else { preconditionFailure("an unused slot has no weight") }
    let step = policy.slewPerSecond * passed.seconds
    var reason = target.reason
    if policy.law == .static || abs(target.factor - state.factor) <= step + 1e-9 {
      state.factor = target.factor
    } else {
      state.factor += target.factor > state.factor ? step : -step
      // A reload may have raised the floor: that is the operator's word, not the law's.
      state.factor = max(state.factor, policy.floorRatio)
      if state.factor != target.factor, reason.kind == .law { reason.kind = .slew }
    }
    endpoints[slot]?.factor = state.factor
    let base = state.endpoint.baseWeight
    return WeightRow(
      base: base, target: base * target.factor, effective: base * state.factor,
      eligibility: state.eligibility, reason: reason)
  }

  /// Whether the difference is worth a publication.
  private static func hasMoved(_ old: WeightRow, _ new: WeightRow) -> Bool {
    func differ(_ a: Double, _ b: Double) -> Bool { abs(a - b) > moveMin * max(abs(a), abs(b)) }
    return old.base != new.base || old.eligibility != new.eligibility
      || old.reason.kind != new.reason.kind || differ(old.target, new.target)
      || differ(old.effective, new.effective)
  }

  /// Puts a moved target or another kind of reason into the log.
  private mutating func note(_ row: WeightRow, _ slot: Int, _ pool: Pool, _ now: Nanoseconds) {
    endpoints[slot]?.nextRow = row
    guard let state = endpoints[slot] else { return }
    // Being on the way is no news.
    let kind = row.reason.kind == .slew ? WeightReason.Kind.law : row.reason.kind
    let isSmall = abs(row.target - state.loggedTarget) <= Self.loggedMoveMin * row.base
    if isSmall, kind == state.loggedKind { return }
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
