// What the status is made of: a reading of boards and controller once a second, whoever watches;
// its JSON only where somebody does. Control thread only.
import Balancer
import Controller
import Exposition
import Fleet
import HTTP
import IO
import Primitives
import Status

extension Steelyard {
  /// Takes a reading where a second is over; gives the event for those who watch.
  func observeStatus(now: Nanoseconds, isWatched: Bool) -> [UInt8]? {
    guard now >= statusDue else { return nil }
    // On a grid, unless the process stood still.
    statusDue = max(statusDue + StatusHistory.interval, now)
    let wall = Clock.wall
    status.take(statusReading(now: now, wall: wall))
    guard isWatched, let snapshot = statusSnapshot(now: now, wall: wall) else { return nil }
    return ServerSentEvent(name: "status", id: wall, data: snapshot.json).bytes
  }

  /// GET /api/v1/status.
  func statusAnswer() throws(Problem) -> AdminResponse {
    guard let snapshot = statusSnapshot(now: Clock.now, wall: Clock.wall) else {
      throw Problem(503, "no reading yet: ask again in a second")
    }
    return AdminResponse(contentType: "application/json", body: snapshot.json + [0x0A])
  }

  /// GET /api/v1/status/events: the charts at once, then what `observeStatus` gives.
  func beginStatusEvents() -> AdminResponse {
    var response = AdminResponse(
      contentType: "text/event-stream",
      body: ServerSentEvent.preamble
        + ServerSentEvent(name: "history", id: Clock.wall, data: status.chartsJSON).bytes)
    if let snapshot = statusSnapshot(now: Clock.now, wall: Clock.wall) {
      let event = ServerSentEvent(name: "status", id: Clock.wall, data: snapshot.json)
      response.body += event.bytes
    }
    response.isStream = true
    return response
  }

  private func statusSnapshot(now: Nanoseconds, wall: Nanoseconds) -> StatusSnapshot? {
    let log = DecisionLog(
      weights: controller.weightLog.entries, health: controller.healthLog.entries,
      tuning: controller.tuningLog.entries, scrapes: controller.scrapeLog.entries)
    return status.snapshot(decisions: log.decisions(now: now, wall: wall))
  }

  private func statusReading(now: Nanoseconds, wall: Nanoseconds) -> StatusReading {
    let table = board.table
    var reading = StatusReading(now: now, wall: wall)
    reading.version = Version.number
    reading.uptime = now - startedAt
    reading.isReady = unreadiness == nil
    reading.revision = table.revision
    reading.workerCount = evidence.workerCount
    reading.connections = balancer.metrics.openConnections
    reading.ownErrors = LocalReason.allCases.reduce(0) {
      $1.status >= 500 ? $0 &+ balancer.metrics.locals($1) : $0
    }
    reading.write = WriteAccess(rawValue: access.writing.rawValue) ?? .none
    let gates = balancer.admission.gates
    for (index, pool) in table.fleet.pools.enumerated() {
      let gate = gates.first { $0.name == pool.name }
      reading.pools.append(poolReading(index, pool, gate, table, now))
    }
    return reading
  }

  private func poolReading(
    _ index: Int, _ pool: Pool, _ gate: PoolGate?, _ table: WeightTable, _ now: Nanoseconds
  ) -> PoolReading {
    var reading = PoolReading(name: pool.name)
    let policy = controller.policy(ofPool: index)
    reading.thresholds = pool.thresholds
    reading.balance = pool.balance.rawValue
    reading.law = policy.law.rawValue
    reading.isDryRun = policy.isDryRun
    reading.isFrozen = controller.tuning[index].freeze != nil
    if let gate, pool.queue.concurrency != .unlimited {
      reading.queue = QueueReading(
        length: gate.waitingCount, limit: pool.queue.lengthMax,
        oldestWait: gate.oldest.map { max(now - $0, .zero) } ?? .zero)
    }
    reading.demandRatio = controller.demand[index].ratio
    reading.isCapacityKnown = controller.demand[index].basis == .slots
    reading.forecast = controller.demand[index].forecast.expected(.fiveMinutes)
    let refusals = balancer.admission.refusals(of: pool.name)
    reading.refusals = RefusalCounts.Reason.allCases.reduce(0) { $0 &+ refusals.sum($1) }
    let resilience = balancer.metrics.resilience
    for endpoint in pool.endpoints {
      let slot = endpoint.slot
      guard let row = table.rows[slot] else { continue }
      for kind in BreakerKind.allCases {
        reading.breakerRefusals &+= resilience.breakers(slot: slot, kind)
      }
      reading.budgetRefusals &+= resilience.refusals(slot: slot, .budget)
      reading.endpoints.append(endpointReading(endpoint, row, now))
    }
    return reading
  }

  private func endpointReading(
    _ endpoint: Endpoint, _ row: WeightRow, _ now: Nanoseconds
  ) -> EndpointReading {
    let slot = endpoint.slot
    var reading = EndpointReading(address: endpoint.address, row: row)
    reading.isBackup = endpoint.isBackup
    reading.eligibility = row.eligibility.shown(isEjected: evidence.isEjected(slot, now: now))
    reading.inFlight = evidence.sum(.inFlight, slot)
    reading.connections = evidence.sum(.connections, slot)
    reading.attempts = evidence.sum(.started, slot)
    reading.ejections = evidence.sum(.ejections, slot)
    let traffic = balancer.metrics
    for method in Method.allCases {
      reading.errors &+= traffic.exchanges(slot: slot, .serverError, method)
      reading.errors &+= traffic.exchanges(slot: slot, .truncated, method)
    }
    let durations = traffic.durations(slot: slot)
    reading.ended = durations.count
    reading.durationSum = durations.sumSeconds
    reading.durations = FineCounts(durations)
    reading.firstBytes = FineCounts(traffic.timing.firstBytes(slot: slot))
    // In place: a copy of the state would cost more than all the rest.
    if let tuning = controller.endpoints[slot]?.tuning {
      reading.tuning =
        tuning.drain != nil
        ? "drained" : tuning.pin != nil ? "pinned" : tuning.scale != nil ? "scaled" : nil
    }
    let count = controller.endpoints[slot]?.scrapes.count ?? 0
    for index in 0..<count {
      addUtilisations(slot, index, now, &reading)
      if let failure = controller.endpoints[slot]?.scrapes[index].statistics.failure {
        reading.scrapeFailure = reading.scrapeFailure ?? failure.kind.label
      }
      reading.restarts &+= controller.endpoints[slot]?.scrapes[index].restartCount ?? 0
    }
    return reading
  }

  /// The signals of one page that say how far the endpoint's machine is used, and how many
  /// requests wait in it.
  private func addUtilisations(
    _ slot: Int, _ index: Int, _ now: Nanoseconds, _ reading: inout EndpointReading
  ) {
    guard let signals = controller.endpoints[slot]?.scrapes[index].source.signals else { return }
    for (place, signal) in signals.enumerated() where signal.isRatio || signal.name == "waiting" {
      guard controller.endpoints[slot]?.scrapes[index].freshness(place, now: now).isUsable == true,
        let value = controller.endpoints[slot]?.scrapes[index].signals[place].value
      else { continue }
      if signal.name == "waiting" {
        reading.waiting = max(reading.waiting ?? 0, value)
      } else {
        reading.utilisations.append(
          UtilisationReading(name: signal.name, ratio: value, thresholds: signal.thresholds))
      }
    }
  }
}
