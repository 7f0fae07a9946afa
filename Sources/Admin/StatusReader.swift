// Readings of boards and controller for the status, one a second, whether or not anybody watches.
import Balancer
import Certificates
import Controller
import Discovery
import Exposition
import Fleet
import HTTP
package import Metrics
import Primitives
package import Status

/// Reads one program state. Control thread only.
package struct StatusReader {
  let state: ProgramState

  package init(state: ProgramState) { self.state = state }

  private var traffic: TrafficMetrics { state.traffic }

  /// The reading at the time of the state. The caller sets `uptime`, `isReady` and `write`.
  package func reading() -> StatusReading {
    let table = state.table
    let now = state.now
    var reading = StatusReading(now: now, wall: state.wall)
    reading.version = state.version
    reading.revision = table.revision
    reading.workerCount = state.evidence.workerCount
    reading.connections = traffic.openConnections
    reading.ownErrors = LocalReason.allCases.reduce(0) {
      $1.status >= 500 ? $0 &+ traffic.locals($1) : $0
    }
    reading.reloadFailure = state.reload.failure
    reading.sharedTrouble = state.sharedTrouble
    reading.certificateTroubles = state.certificates.troubles
    reading.certificates = state.certificates.certificates.map {
      CertificateReading(file: $0.file, left: $0.facts.left(wall: state.wall))
    }
    let queues = state.admission.queues
    for (index, pool) in table.fleet.pools.enumerated() {
      let queue = queues.first { $0.name == pool.name }
      reading.pools.append(poolReading(index, pool, queue, table, now))
    }
    return reading
  }

  private func poolReading(
    _ index: Int, _ pool: Pool, _ queue: PoolQueue?, _ table: WeightTable, _ now: Nanoseconds
  ) -> PoolReading {
    var reading = PoolReading(name: pool.name)
    let policy = state.controller.policy(ofPool: index)
    reading.thresholds = pool.thresholds
    reading.balance = pool.balance.rawValue
    reading.law = policy.law.rawValue
    reading.isDryRun = policy.isDryRun
    reading.freeze = state.controller.freeze(ofPool: index)
    reading.leftOut = state.membership.leftOutCount(ofPool: index)
    for source in state.sources where source.pool == pool.name {
      guard source.failure != nil || source.keepsThroughEmpty else { continue }
      reading.sources.append(
        SourceReading(
          label: source.label, failure: source.failure?.detail, memberCount: source.memberCount))
    }
    reading.panicRatio = pool.ejection.panicRatio
    if let queue, pool.queue.concurrency != .unlimited {
      reading.queue = QueueReading(
        length: queue.waitingCount, limit: pool.queue.lengthMax,
        oldestWait: queue.oldest.map { max(now - $0, .zero) } ?? .zero)
    }
    reading.demandRatio = state.controller.demand[index].ratio
    reading.isCapacityKnown = state.controller.demand[index].basis == .slots
    reading.forecast = state.controller.demand[index].forecast.expected(.fiveMinutes)
    let refusals = state.admission.refusals(of: pool.name)
    for reason in RefusalCounts.Reason.allCases {
      let count = refusals.sum(reason)
      if reason.isLimit { reading.limited &+= count } else { reading.refusals &+= count }
    }
    let asked = state.admission.traffic(of: pool.name)
    reading.arrivals = asked.arrivalCount
    reading.givenUp = PoolTraffic.Departure.allCases.reduce(0) { $0 &+ asked.sum($1) }
    reading.overdue = asked.sum(.overdue)
    if pool.endpointProtocol != .http1 { addCalls(pool, &reading) }
    let resilience = traffic.resilience
    reading.endpoints.reserveCapacity(pool.endpoints.count)
    for endpoint in pool.endpoints {
      let endpointIndex = endpoint.endpointIndex
      guard var row = table.rows[endpointIndex] else { continue }
      // The table has only kinds of reasons; their numbers are computed now.
      if let explained = state.controller.explainedRow(endpointIndex, now: now) {
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

  /// What its gRPC calls came to.
  private func addCalls(_ pool: Pool, _ reading: inout PoolReading) {
    for endpoint in pool.endpoints {
      for status in GRPCStatus.allCases {
        let count = traffic.streams.calls(endpointIndex: endpoint.endpointIndex, status)
        reading.calls &+= count
        if status.isFailure { reading.failedCalls &+= count }
      }
    }
  }

  private func endpointReading(
    _ endpoint: Endpoint, _ row: WeightRow, hasCanary: Bool, _ now: Nanoseconds
  ) -> EndpointReading {
    let endpointIndex = endpoint.endpointIndex
    var reading = EndpointReading(address: endpoint.address, row: row)
    reading.name = endpoint.name
    reading.isBackup = endpoint.isBackup
    reading.ejection = state.evidence.ejection(endpointIndex)
    reading.ejection?.hasCanary = hasCanary
    reading.eligibility = row.eligibility.shown(isEjected: reading.ejection != nil)
    reading.inFlight = state.evidence.sum(.inFlight, endpointIndex)
    reading.connections = state.evidence.sum(.connections, endpointIndex)
    reading.attempts = state.evidence.sum(.started, endpointIndex)
    reading.failed = state.evidence.sum(.failed, endpointIndex)
    reading.outage = outage(endpointIndex, reading.eligibility, reading.ejection, now)
    reading.ejections = state.evidence.sum(.ejections, endpointIndex)
    reading.firstBytes = FineCounts()
    if reading.attempts > 0 { addTraffic(endpointIndex, &reading) }
    if let tuning = state.controller.endpoints[endpointIndex]?.tuning {
      reading.tuning =
        tuning.drain != nil
        ? "drained" : tuning.pin != nil ? "pinned" : tuning.scale != nil ? "scaled" : nil
    }
    let count = state.controller.endpoints[endpointIndex]?.scrapes.count ?? 0
    for index in 0..<count {
      addUtilisations(endpointIndex, index, now, &reading)
      if let failure = state.controller.endpoints[endpointIndex]?.scrapes[index].statistics.failure
      {
        // Of TLS the detail says what is wrong and what to do; others are said in a word.
        let text = failure.kind == .tls ? failure.detail : failure.kind.label
        reading.scrapeFailure = reading.scrapeFailure ?? text
      }
      reading.restarts &+=
        state.controller.endpoints[endpointIndex]?.scrapes[index].restartCount ?? 0
    }
    return reading
  }

  /// What its requests came to. Without an attempt there is nothing.
  private func addTraffic(_ endpointIndex: Int, _ reading: inout EndpointReading) {
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
  }

  /// Why the endpoint is out of service: because of checks, the watchdog, or workers.
  private func outage(
    _ endpointIndex: Int, _ eligibility: Eligibility, _ ejection: Ejection?, _ now: Nanoseconds
  ) -> String? {
    switch eligibility {
    case .unhealthy:
      guard let failure = state.controller.endpoints[endpointIndex]?.health?.statistics.failure
      else {
        return "unhealthy"
      }
      let detail = failure.detail.isEmpty ? "" : " (\(failure.detail))"
      return "unhealthy, the last check failed: \(failure.kind.label)\(detail)"
    case .stalled:
      guard case .stalled(let cause)? = state.controller.endpoints[endpointIndex]?.watchdog.phase
      else {
        return "stalled, tried by single requests"
      }
      let still = state.controller.endpoints[endpointIndex]?.watchdog.stillness ?? 0
      return "stalled (\(cause.label)), no work seen for \(Int(still)) s"
    case .ejected: return ejection?.text(now: now)
    default: return nil
    }
  }

  /// The signals of one page that show the utilization of the machine, and the number of requests
  /// that wait in it.
  private func addUtilisations(
    _ endpointIndex: Int, _ index: Int, _ now: Nanoseconds, _ reading: inout EndpointReading
  ) {
    guard let signals = state.controller.endpoints[endpointIndex]?.scrapes[index].source.signals
    else {
      return
    }
    for (position, signal) in signals.enumerated() where signal.isRatio || signal.name == "waiting"
    {
      guard
        state.controller.endpoints[endpointIndex]?.scrapes[index].freshness(position, now: now)
          .isUsable
          == true,
        let value = state.controller.endpoints[endpointIndex]?.scrapes[index].signals[position]
          .value
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
