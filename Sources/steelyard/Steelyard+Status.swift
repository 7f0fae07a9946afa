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
    for (pool, patience) in status.patience {
      balancer.admission.traffic(of: pool).setPatience(patience)
    }
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
    let log = DecisionLog(controller: controller, notes: events.notes, now: now, wall: wall)
    return status.snapshot(decisions: log.decisions(), weightChanges: log.weightChanges())
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
    reading.reloadFailure = lastReload.failure
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
    reading.freeze = controller.freeze(ofPool: index)
    reading.panicRatio = pool.ejection.panicRatio
    if let gate, pool.queue.concurrency != .unlimited {
      reading.queue = QueueReading(
        length: gate.waitingCount, limit: pool.queue.lengthMax,
        oldestWait: gate.oldest.map { max(now - $0, .zero) } ?? .zero)
    }
    reading.demandRatio = controller.demand[index].ratio
    reading.isCapacityKnown = controller.demand[index].basis == .slots
    reading.forecast = controller.demand[index].forecast.expected(.fiveMinutes)
    let refusals = balancer.admission.refusals(of: pool.name)
    for reason in RefusalCounts.Reason.allCases {
      let count = refusals.sum(reason)
      if reason.isLimit { reading.limited &+= count } else { reading.refusals &+= count }
    }
    let traffic = balancer.admission.traffic(of: pool.name)
    reading.arrivals = traffic.arrivalCount
    reading.givenUp = PoolTraffic.Departure.allCases.reduce(0) { $0 &+ traffic.sum($1) }
    reading.overdue = traffic.sum(.overdue)
    let resilience = balancer.metrics.resilience
    for endpoint in pool.endpoints {
      let endpointIndex = endpoint.endpointIndex
      guard var row = table.rows[endpointIndex] else { continue }
      // The table's reasons are kinds only; the numbers behind them are of this moment.
      if let explained = controller.explainedRow(endpointIndex, now: now) {
        row.reason = explained.reason
      }
      for kind in BreakerKind.allCases {
        reading.breakerRefusals &+= resilience.breakers(endpointIndex: endpointIndex, kind)
      }
      reading.budgetRefusals &+= resilience.refusals(endpointIndex: endpointIndex, .budget)
      reading.endpoints.append(
        endpointReading(endpoint, row, hasCanary: pool.canary != nil, now))
    }
    return reading
  }

  private func endpointReading(
    _ endpoint: Endpoint, _ row: WeightRow, hasCanary: Bool, _ now: Nanoseconds
  ) -> EndpointReading {
    let endpointIndex = endpoint.endpointIndex
    var reading = EndpointReading(address: endpoint.address, row: row)
    reading.isBackup = endpoint.isBackup
    reading.ejection = evidence.ejection(endpointIndex)
    reading.ejection?.hasCanary = hasCanary
    reading.eligibility = row.eligibility.shown(isEjected: reading.ejection != nil)
    reading.inFlight = evidence.sum(.inFlight, endpointIndex)
    reading.connections = evidence.sum(.connections, endpointIndex)
    reading.attempts = evidence.sum(.started, endpointIndex)
    reading.failed = evidence.sum(.failed, endpointIndex)
    reading.outage = outage(endpointIndex, reading.eligibility, reading.ejection, now)
    reading.ejections = evidence.sum(.ejections, endpointIndex)
    let traffic = balancer.metrics
    reading.errors =
      traffic.exchanges(endpointIndex: endpointIndex, .serverError)
      &+ traffic.exchanges(endpointIndex: endpointIndex, .truncated)
    reading.canceled = traffic.exchanges(endpointIndex: endpointIndex, .canceled)
    reading.clientErrors = traffic.exchanges(endpointIndex: endpointIndex, .clientError)
    reading.tooMany = traffic.tooMany(endpointIndex: endpointIndex)
    let durations = traffic.durations(endpointIndex: endpointIndex)
    reading.ended = durations.count
    reading.durationSum = durations.sumSeconds
    reading.durations = FineCounts(durations)
    reading.firstBytes = FineCounts(traffic.timing.firstBytes(endpointIndex: endpointIndex))
    // In place: a copy of the state would cost more than all the rest.
    if let tuning = controller.endpoints[endpointIndex]?.tuning {
      reading.tuning =
        tuning.drain != nil
        ? "drained" : tuning.pin != nil ? "pinned" : tuning.scale != nil ? "scaled" : nil
    }
    let count = controller.endpoints[endpointIndex]?.scrapes.count ?? 0
    for index in 0..<count {
      addUtilisations(endpointIndex, index, now, &reading)
      if let failure = controller.endpoints[endpointIndex]?.scrapes[index].statistics.failure {
        reading.scrapeFailure = reading.scrapeFailure ?? failure.kind.label
      }
      reading.restarts &+= controller.endpoints[endpointIndex]?.scrapes[index].restartCount ?? 0
    }
    return reading
  }

  /// Why it is out of service: by checks, watchdog or workers.
  private func outage(
    _ endpointIndex: Int, _ state: Eligibility, _ ejection: Ejection?, _ now: Nanoseconds
  ) -> String? {
    switch state {
    case .unhealthy:
      guard let failure = controller.endpoints[endpointIndex]?.health?.statistics.failure else {
        return "unhealthy"
      }
      let detail = failure.detail.isEmpty ? "" : " (\(failure.detail))"
      return "unhealthy, the last check failed: \(failure.kind.label)\(detail)"
    case .stalled:
      guard case .stalled(let cause)? = controller.endpoints[endpointIndex]?.watchdog.phase else {
        return "stalled, tried by single requests"
      }
      let still = controller.endpoints[endpointIndex]?.watchdog.stillness ?? 0
      return "stalled (\(cause.label)), no work seen for \(Int(still)) s"
    case .ejected: return ejection?.text(now: now)
    default: return nil
    }
  }

  /// The signals of one page that say how far the endpoint's machine is used, and how many
  /// requests wait in it.
  private func addUtilisations(
    _ endpointIndex: Int, _ index: Int, _ now: Nanoseconds, _ reading: inout EndpointReading
  ) {
    guard let signals = controller.endpoints[endpointIndex]?.scrapes[index].source.signals else {
      return
    }
    for (position, signal) in signals.enumerated() where signal.isRatio || signal.name == "waiting"
    {
      guard
        controller.endpoints[endpointIndex]?.scrapes[index].freshness(position, now: now).isUsable
          == true,
        let value = controller.endpoints[endpointIndex]?.scrapes[index].signals[position].value
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
