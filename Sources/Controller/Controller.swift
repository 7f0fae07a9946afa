// The control loop as a value: which probes are due, what came of them, and a new weight table
// every now and then. Time and randomness are arguments; ProbeDriver does the I/O.
// Invariant: an endpoint's schedule depends on nothing but itself.
package import Fleet
package import Primitives

/// A target weight that moved, or a reason that did.
package struct WeightChange: Sendable, Equatable {
  /// Monotonic.
  package let at: Nanoseconds
  package let pool: String
  package let endpoint: SocketAddress
  /// Target weights.
  package let old: Double
  package let new: Double
  package let reason: WeightReason
}

/// A verdict of the health probes.
package struct HealthChange: Sendable, Equatable {
  package let at: Nanoseconds
  package let pool: String
  package let endpoint: SocketAddress
  package let old: Eligibility
  package let new: Eligibility
  /// The last probe's, where it failed.
  package let failure: ProbeFailure?
}

/// Scrapes that began to fail, to fail otherwise, or to work again.
package struct ScrapeChange: Sendable, Equatable {
  package let at: Nanoseconds
  package let pool: String
  /// With the source's port.
  package let address: SocketAddress
  package let path: String
  /// nil: they work again.
  package let failure: ProbeFailure?
}

package struct Controller: Sendable {
  /// What a health probe reads of an answer before it hangs up.
  package static let healthBytesMax = 65_536

  package internal(set) var fleet: Fleet
  /// By slot; nil where a slot is unused.
  package internal(set) var endpoints: [EndpointState?]
  package internal(set) var weightLog = BoundedLog<WeightChange>()
  package internal(set) var healthLog = BoundedLog<HealthChange>()
  package internal(set) var scrapeLog = BoundedLog<ScrapeChange>()
  /// By pool.
  package internal(set) var pools: [CapacityPool] = []
  /// What operators said, by pool; of endpoints it is in their states.
  package internal(set) var tuning: [PoolTuning] = []
  package internal(set) var tuningLog = BoundedLog<TuningChange>()
  package let evidence: EvidenceBoard
  let hints: HintBoard
  var random: RandomSource
  var mustPublish = false
  var tickedAt: Nanoseconds?
  private var nextSerial: UInt64 = 1

  /// Requires: slots were assigned by `SlotMap`, and `WeightBoard` was made of the same fleet.
  package init(
    fleet: Fleet, evidence: EvidenceBoard, hints: HintBoard, random: RandomSource,
    now: Nanoseconds
  ) {
    self.fleet = Fleet()
    self.evidence = evidence
    self.hints = hints
    self.random = random
    endpoints = [EndpointState?](repeating: nil, count: evidence.slotCount)
    apply(fleet: fleet, now: now)
    mustPublish = false
  }

  /// A new configuration. Endpoints that stay (identity and slot) keep all that is known of them.
  /// Requires: as `init`; the board has got the fleet too.
  package mutating func apply(fleet: Fleet, now: Nanoseconds) {
    var next = [EndpointState?](repeating: nil, count: endpoints.count)
    for (index, pool) in fleet.pools.enumerated() {
      for endpoint in pool.endpoints {
        precondition(next.indices.contains(endpoint.slot), "slots are assigned before")
        var previous = endpoints[endpoint.slot]
        if previous?.identity != pool.identity(of: endpoint) { previous = nil }
        next[endpoint.slot] = EndpointState(
          endpoint, pool: index, of: fleet, previous: previous, now: now, &random)
      }
    }
    endpoints = next
    let before = fleet.pools.map { pool in
      self.fleet.pools.firstIndex { $0.name == pool.name }
    }
    pools = before.map { $0.map { pools[$0] } ?? CapacityPool() }
    tuning = before.map { $0.map { tuning[$0] } ?? PoolTuning() }
    self.fleet = fleet
    mustPublish = true
  }

  /// The pool's policy with what operators changed.
  package func policy(ofPool index: Int) -> WeightPolicy {
    tuning[index].applied(to: fleet.pools[index].weights)
  }

  /// When `due` has something to say again, at the earliest; a `finished` may bring it forward.
  package var nextDue: Nanoseconds {
    var next = Nanoseconds.distantFuture
    for case let state? in endpoints {
      for scrape in state.scrapes { next = min(next, scrape.timer.nextLook) }
      if let health = state.health { next = min(next, health.timer.nextLook) }
    }
    return next
  }

  /// The probes to be sent now. Each has to end in one `finished`; one that does not is given up
  /// after twice its timeout and a second. Allocates.
  package mutating func due(now: Nanoseconds) -> [ProbeRequest] {
    var requests: [ProbeRequest] = []
    giveUpLost(now)
    for slot in endpoints.indices {
      guard let state = endpoints[slot] else { continue }
      let pool = fleet.pools[state.pool]
      for index in state.scrapes.indices where state.scrapes[index].timer.isDue(now) {
        let source = state.scrapes[index].source
        let request = ProbeRequest(
          id: takeID(slot, index),
          address: source.port.map(state.endpoint.address.with(port:)) ?? state.endpoint.address,
          path: source.path, kind: source.format == .json ? .json : .prometheus,
          timeout: pool.weights.scrapeTimeout, contentBytesMax: pool.weights.pageBytesMax)
        endpoints[slot]?.scrapes[index].begin(
          serial: request.id.serial, timeout: request.timeout, now: now, &random)
        if state.scrapes[index].hasRoles {
          endpoints[slot]?.capacity.scrapeSent(EvidenceReading(evidence, slot, now: now))
        }
        requests.append(request)
      }
      guard let policy = pool.health, state.health?.timer.isDue(now) == true else { continue }
      let request = ProbeRequest(
        id: takeID(slot, -1), address: state.endpoint.address, path: policy.path, kind: .health,
        timeout: policy.timeout, contentBytesMax: Self.healthBytesMax)
      endpoints[slot]?.health?.begin(
        serial: request.id.serial, timeout: request.timeout, now: now, &random)
      requests.append(request)
    }
    return requests
  }

  private mutating func takeID(_ slot: Int, _ source: Int) -> ProbeID {
    defer { nextSerial += 1 }
    return ProbeID(slot: slot, source: source, serial: nextSerial)
  }

  private mutating func giveUpLost(_ now: Nanoseconds) {
    var lost: [ProbeID] = []
    for (slot, state) in endpoints.enumerated() {
      guard let state else { continue }
      let timers = state.scrapes.map(\.timer) + [state.health?.timer].compactMap(\.self)
      for timer in timers where timer.isLost(now) {
        guard let attempt = timer.attempt else { continue }
        lost.append(ProbeID(slot: slot, source: 0, serial: attempt.serial))
      }
    }
    for id in lost {
      finished(
        id, .failed(ProbeFailure(.timeout, "nothing was heard of it")), now: now, wall: .zero)
    }
  }

  /// Takes the end of a probe; `wall` is the wall-clock time. False where nobody waits for it any
  /// more (after a reload, or too late).
  @discardableResult
  package mutating func finished(
    _ id: ProbeID, _ outcome: ProbeOutcome, now: Nanoseconds, wall: Nanoseconds
  ) -> Bool {
    // No copy of the endpoint's state is held meanwhile, so that its arrays change in place.
    guard endpoints.indices.contains(id.slot), let pool = endpoints[id.slot]?.pool,
      let sources = endpoints[id.slot]?.scrapes.indices
    else { return false }
    // A reload may have given the source another index: the serial alone tells.
    for index in sources {
      guard let attempt = endpoints[id.slot]?.scrapes[index].timer.end(serial: id.serial) else {
        continue
      }
      let before = endpoints[id.slot]?.scrapes[index].statistics.failure?.kind
      endpoints[id.slot]?.scrapes[index].take(outcome, of: attempt, now: now, wall: wall)
      noteScrape(id.slot, index, before: before, now)
      takeWork(id.slot, index, sentAt: attempt.sentAt, now: now)
      return true
    }
    guard let policy = fleet.pools[pool].health,
      let attempt = endpoints[id.slot]?.health?.timer.end(serial: id.serial),
      let before = endpoints[id.slot]?.eligibility
    else { return false }
    endpoints[id.slot]?.health?.take(outcome, of: attempt, policy, now: now, wall: wall)
    noteHealth(id.slot, before: before, now)
    return true
  }

  private mutating func noteScrape(
    _ slot: Int, _ index: Int, before: ProbeFailure.Kind?, _ now: Nanoseconds
  ) {
    guard let state = endpoints[slot] else { return }
    let failure = state.scrapes[index].statistics.failure
    guard failure?.kind != before else { return }
    let source = state.scrapes[index].source
    scrapeLog.append(
      ScrapeChange(
        at: now, pool: fleet.pools[state.pool].name,
        address: source.port.map(state.endpoint.address.with(port:)) ?? state.endpoint.address,
        path: source.path, failure: failure))
  }

  private mutating func noteHealth(_ slot: Int, before: Eligibility, _ now: Nanoseconds) {
    guard let state = endpoints[slot], state.eligibility != before else { return }
    healthLog.append(
      HealthChange(
        at: now, pool: fleet.pools[state.pool].name, endpoint: state.endpoint.address, old: before,
        new: state.eligibility, failure: state.health?.statistics.failure))
  }
}
