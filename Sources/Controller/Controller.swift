// The control loop as a value: which polls are due, what their results mean, and when there is a
// new weight table. Time and randomness are arguments; ControllerDriver does the I/O.
// Invariant: an endpoint's schedule depends on nothing but itself.
package import Fleet
package import Primitives

package struct Controller: Sendable {
  /// The most bytes that a health check reads of an answer before it closes the connection.
  package static let healthBytesMax = 65_536

  package internal(set) var fleet: Fleet
  /// By endpoint index; nil: the index is unused.
  package internal(set) var endpoints: [EndpointState?]
  /// What happened, the controller's own transitions and those of whoever owns it.
  package var journal = Journal()
  /// By pool.
  package internal(set) var pools: [CapacityPool] = []
  /// By pool.
  package internal(set) var demand: [PoolDemand] = []
  /// The operator's changes, by pool; those of endpoints are in the endpoints' states.
  package internal(set) var tuning: [PoolTuning] = []
  package let evidence: EvidenceBoard
  let pickBoard: PickBoard
  var random: RandomSource
  var mustPublish = false
  var tickedAt: Nanoseconds?
  /// By pool.
  var paces: [PoolPace] = []
  var ejectionRevision: UInt64 = 0
  private var schedule = PollSchedule()
  private var nextSerial: UInt64 = 1

  /// Requires: `EndpointIndexMap` assigned the indexes, and the `WeightBoard` was made from this
  /// fleet.
  package init(
    fleet: Fleet, evidence: EvidenceBoard, pickBoard: PickBoard, random: RandomSource,
    now: Nanoseconds
  ) {
    self.fleet = Fleet()
    self.evidence = evidence
    self.pickBoard = pickBoard
    self.random = random
    endpoints = [EndpointState?](repeating: nil, count: evidence.endpointLimit)
    apply(fleet: fleet, now: now)
    mustPublish = false
  }

  /// Takes a new configuration. Endpoints that stay (same identity and index) keep their state.
  /// Requires: as `init`; the fleet has been published on the board too.
  package mutating func apply(fleet: Fleet, now: Nanoseconds) {
    var next = [EndpointState?](repeating: nil, count: endpoints.count)
    let before = fleet.pools.map { pool in
      self.fleet.pools.firstIndex { $0.name == pool.name }
    }
    for (index, pool) in fleet.pools.enumerated() {
      let isSameCanary = before[index].map { self.fleet.pools[$0].canary == pool.canary } ?? true
      for endpoint in pool.endpoints {
        precondition(next.indices.contains(endpoint.endpointIndex), "slots are assigned before")
        var previous = endpoints[endpoint.endpointIndex]
        if previous?.identity != pool.identity(of: endpoint) { previous = nil }
        next[endpoint.endpointIndex] = EndpointState(
          endpoint, pool: index, of: fleet, previous: previous, now: now, &random)
        if !isSameCanary { next[endpoint.endpointIndex]?.canary?.forget(now: now, &random) }
      }
      if !isSameCanary, let position = before[index] { pools[position].usualCanary = 0 }
    }
    endpoints = next
    pools = before.map { $0.map { pools[$0] } ?? CapacityPool() }
    // `alike` is by position, and positions may have changed.
    for index in pools.indices { pools[index].alike = [] }
    tuning = before.map { $0.map { tuning[$0] } ?? PoolTuning() }
    demand = before.map { $0.map { demand[$0] } ?? PoolDemand() }
    paces = [PoolPace](repeating: PoolPace(), count: fleet.pools.count)
    self.fleet = fleet
    schedule.removeAll()
    for pool in fleet.pools {
      for endpoint in pool.endpoints { rescheduleAll(endpoint.endpointIndex) }
    }
    mustPublish = true
  }

  /// Takes endpoints that came, went or got other settings. Requires: as `init`; nothing else of
  /// the fleet has changed, and the delta has been published on the board too.
  package mutating func apply(fleet: Fleet, _ delta: MembershipDelta, now: Nanoseconds) {
    self.fleet = fleet
    for member in delta.removed { endpoints[member.endpoint.endpointIndex] = nil }
    for member in delta.added + delta.updated {
      let endpointIndex = member.endpoint.endpointIndex
      endpoints[endpointIndex] = EndpointState(
        member.endpoint, pool: member.pool, of: fleet, previous: endpoints[endpointIndex], now: now,
        &random)
      rescheduleAll(endpointIndex)
    }
    // `alike` is by position, and positions have changed.
    for pool in delta.pools { pools[pool].alike = [] }
    // The others' weights can wait for the next computation; what was configured cannot.
    for member in delta.updated { paces[member.pool].isTouched = true }
  }

  /// Call after every change of the endpoint's timers.
  private mutating func rescheduleAll(_ endpointIndex: Int) {
    guard let sources = endpoints[endpointIndex]?.scrapes.indices else { return }
    for source in sources { reschedule(endpointIndex, source) }
    reschedule(endpointIndex, -1)
    reschedule(endpointIndex, Self.canarySource)
  }

  /// The pool's policy with the operator's changes applied.
  package func policy(ofPool index: Int) -> WeightPolicy {
    tuning[index].applied(to: fleet.pools[index].weights)
  }

  /// The earliest time at which `due` returns more; a call of `finished` may bring it forward.
  package var nextDue: Nanoseconds { schedule.next }

  /// The polls to send now. Each has to end with one call of `finished`; one that does not is
  /// given up after twice its timeout and a second. Allocates.
  package mutating func due(now: Nanoseconds) -> [PollRequest] {
    var requests: [PollRequest] = []
    while let entry = schedule.take(until: now) {
      let (endpointIndex, source) = (Int(entry.endpointIndex), Int(entry.source))
      guard let timer = timer(endpointIndex, source) else { continue }
      if timer.isLost(now), let attempt = timer.attempt {
        finished(
          PollID(endpointIndex: endpointIndex, source: source, serial: attempt.serial),
          .failed(PollFailure(.timeout, "nothing was heard of it")), now: now, wall: .zero)
      } else if timer.isDue(now) {
        requests.append(begin(endpointIndex, source, now))
      } else {
        continue
      }
      reschedule(endpointIndex, source)
    }
    return requests
  }

  /// Accounts for a time in which the process was stopped: no poll in flight becomes older by it.
  package mutating func postpone(by pause: Nanoseconds) {
    for endpointIndex in endpoints.indices {
      guard let sources = endpoints[endpointIndex]?.scrapes.indices else { continue }
      endpoints[endpointIndex]?.health?.timer.postpone(by: pause)
      endpoints[endpointIndex]?.canary?.postpone(by: pause)
      for source in sources {
        endpoints[endpointIndex]?.scrapes[source].timer.postpone(by: pause)
      }
      rescheduleAll(endpointIndex)
    }
  }

  /// nil: there is no such poll (any more).
  private func timer(_ endpointIndex: Int, _ source: Int) -> PollTimer? {
    if source == Self.canarySource { return endpoints[endpointIndex]?.canary?.scheduled }
    if source < 0 { return endpoints[endpointIndex]?.health?.timer }
    guard let count = endpoints[endpointIndex]?.scrapes.count, source < count else { return nil }
    return endpoints[endpointIndex]?.scrapes[source].timer
  }

  /// Call after every change of a timer.
  mutating func reschedule(_ endpointIndex: Int, _ source: Int) {
    if let at = timer(endpointIndex, source)?.nextLook {
      schedule.insert(endpointIndex, source, at: at)
    }
  }

  /// Begins a poll. Requires: the poll exists, and it is due.
  private mutating func begin(_ endpointIndex: Int, _ index: Int, _ now: Nanoseconds)
    -> PollRequest
  {
    guard let endpoint = endpoints[endpointIndex]?.endpoint,
      let number = endpoints[endpointIndex]?.pool
    else {
      preconditionFailure("an unused endpointIndex has no probes")
    }
    let address = endpoint.address
    let id = takeID(endpointIndex, index)
    if index == Self.canarySource { return beginCanary(id, pool: number, now: now) }
    if index < 0 {
      let policy = fleet.pools[number].health ?? HealthPolicy()
      endpoints[endpointIndex]?.health?.begin(
        serial: id.serial, timeout: policy.timeout, now: now, &random)
      var request = healthRequest(id, address, policy)
      request.use(policy.tls, of: endpoint)
      if request.address == address { request.proxyHeader = fleet.pools[number].proxyProtocol }
      return request
    }
    let source = fleet.pools[number].weights.scrapes[index]
    let timeout = fleet.pools[number].weights.scrapeTimeout
    endpoints[endpointIndex]?.scrapes[index].begin(
      serial: id.serial, timeout: timeout, now: now, &random)
    if endpoints[endpointIndex]?.scrapes[index].hasRoles == true {
      let cells = cellsOfPage(endpointIndex, now: now)
      endpoints[endpointIndex]?.capacity.scrapeSent(cells)
    }
    var request = PollRequest(
      id: id, address: endpoint.pageAddress(source, index: index), path: source.path,
      kind: source.format == .json ? .json : .prometheus, timeout: timeout,
      contentBytesMax: fleet.pools[number].weights.pageBytesMax)
    request.fields = source.fields
    request.use(source.tls, of: endpoint)
    if request.address == address { request.proxyHeader = fleet.pools[number].proxyProtocol }
    return request
  }

  private func healthRequest(
    _ id: PollID, _ address: SocketAddress, _ policy: HealthPolicy
  ) -> PollRequest {
    var request = PollRequest(
      id: id, address: policy.port.map(address.with(port:)) ?? address, path: policy.target,
      kind: PollRequest.Kind(policy.kind), timeout: policy.timeout,
      contentBytesMax: Self.healthBytesMax)
    request.method = policy.method
    if policy.kind == .grpc {
      request.method = .post
      request.content = GRPCHealth.request(service: policy.service)
    }
    request.host = policy.host
    request.fields = policy.fields
    request.needsContent = HealthCheck.needsContent(policy)
    return request
  }

  private mutating func takeID(_ endpointIndex: Int, _ source: Int) -> PollID {
    defer { nextSerial += 1 }
    return PollID(endpointIndex: endpointIndex, source: source, serial: nextSerial)
  }

  /// Takes the end of a poll; `wall` is the wall-clock time. Returns false if the poll is no
  /// longer expected (after a reload, or too late).
  @discardableResult
  package mutating func finished(
    _ id: PollID, _ outcome: PollOutcome, now: Nanoseconds, wall: Nanoseconds
  ) -> Bool {
    guard endpoints.indices.contains(id.endpointIndex),
      let pool = endpoints[id.endpointIndex]?.pool,
      let sources = endpoints[id.endpointIndex]?.scrapes.indices
    else { return false }
    paces[pool].isTouched = true
    // A reload may have changed the source's index: the serial identifies the poll.
    for index in sources {
      guard let attempt = endpoints[id.endpointIndex]?.scrapes[index].timer.end(serial: id.serial)
      else {
        continue
      }
      defer { reschedule(id.endpointIndex, index) }
      let before = endpoints[id.endpointIndex]?.scrapes[index].statistics.failure?.kind
      let restarts = endpoints[id.endpointIndex]?.scrapes[index].restartCount
      endpoints[id.endpointIndex]?.scrapes[index].take(outcome, of: attempt, now: now, wall: wall)
      if restarts != endpoints[id.endpointIndex]?.scrapes[index].restartCount,
        let policy = fleet.pools[pool].health
      {
        endpoints[id.endpointIndex]?.health?.restarted(policy, now: now)
        reschedule(id.endpointIndex, -1)
      }
      noteScrape(id.endpointIndex, index, before: before, now)
      takeWork(id.endpointIndex, index, sentAt: attempt.sentAt, now: now)
      return true
    }
    if finishCanary(id, outcome, now: now, wall: wall) { return true }
    guard let policy = fleet.pools[pool].health,
      let attempt = endpoints[id.endpointIndex]?.health?.timer.end(serial: id.serial),
      let before = endpoints[id.endpointIndex]?.eligibility
    else { return false }
    endpoints[id.endpointIndex]?.health?.take(outcome, of: attempt, policy, now: now, wall: wall)
    reschedule(id.endpointIndex, -1)
    noteHealth(id.endpointIndex, before: before, now)
    return true
  }

  private mutating func noteScrape(
    _ endpointIndex: Int, _ index: Int, before: PollFailure.Kind?, _ now: Nanoseconds
  ) {
    guard let state = endpoints[endpointIndex] else { return }
    let failure = state.scrapes[index].statistics.failure
    guard failure?.kind != before else { return }
    if failure == nil {
      endpoints[endpointIndex]?.health?.showedLife(now: now)
      reschedule(endpointIndex, -1)
    }
    let source = state.scrapes[index].source
    journal.append(
      .scrape(
        ScrapeChange(
          pool: fleet.pools[state.pool].name,
          address: state.endpoint.pageAddress(source, index: index),
          path: source.path, scheme: source.scheme, failure: failure)), at: now)
  }

  mutating func noteHealth(
    _ endpointIndex: Int, before: Eligibility, _ now: Nanoseconds, cause: StallCause? = nil
  ) {
    guard let state = endpoints[endpointIndex], state.eligibility != before else { return }
    // Evidence from requests is older than the checks' new verdict.
    if before == .unhealthy, state.eligibility.takesNewExchanges {
      pickBoard.notify(.checked, endpointIndex)
    }
    journal.append(
      .verdict(
        VerdictChange(
          pool: fleet.pools[state.pool].name, endpoint: state.endpoint.address, old: before,
          new: state.eligibility, failure: state.health?.statistics.failure, cause: cause)),
      at: now)
  }
}
