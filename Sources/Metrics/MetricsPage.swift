// The page at /metrics: every family that steelyard exports, in one order, summed over the workers
// at the time of asking. docs/metrics.md lists them.
import Balancer
import Exposition
import Fleet
import HTTP
import IO
import Primitives

/// Renders one page. Reads only.
struct MetricsPage {
  let state: ProgramState
  let labels: EndpointLabels
  private var writer: MetricsWriter

  /// Requires: `labels` are those of the table's fleet.
  init(
    _ format: MetricsWriter.Format, _ state: ProgramState, labels: EndpointLabels,
    byteCapacity: Int
  ) {
    self.state = state
    self.labels = labels
    writer = MetricsWriter(format, byteCapacity: byteCapacity)
  }

  private var table: WeightTable { state.table }
  private var traffic: TrafficMetrics { state.traffic }
  private var evidence: EvidenceBoard { state.evidence }

  /// The whole page.
  mutating func render() -> [UInt8] {
    writeTraffic()
    writeResilience()
    writeWire()
    writeWeights()
    writeParts()
    writeOwnAnswers()
    writeProcess()
    return writer.finished()
  }

  /// The families that have a type of their own.
  private mutating func writeParts() {
    let fleet = table.fleet
    ClientMetrics(state.admission, traffic, fleet, labels).write(to: &writer)
    FailureMetrics(reports: traffic.failures, labels: labels).write(to: &writer)
    AdmissionMetrics(state.admission, fleet, now: state.now).write(to: &writer)
    DemandMetrics(state.controller).write(to: &writer)
    ThresholdMetrics(fleet, state.status).write(to: &writer)
    ControllerMetrics(state.controller, labels, now: state.now).write(to: &writer)
    DiscoveryMetrics(
      names: state.names, sources: state.sources, runtime: state.runtime,
      membership: state.membership
    ).write(to: &writer)
    CertificateMetrics(report: state.certificates).write(to: &writer)
    SharedMetrics(status: state.shared).write(to: &writer)
    AccessLogMetrics(driver: state.accessLog).write(to: &writer)
    state.admin.write(to: &writer)
    state.reload.write(to: &writer)
    EventMetrics(log: state.log, hooks: state.hooks).write(to: &writer)
  }

  private mutating func writeResilience() {
    let resilience = traffic.resilience
    writer.open(.retriesTotal)
    let causes = Labels.each(RetryCause.self, "reason", \.label)
    for (endpoint, labels) in labels.all {
      for (cause, reason) in causes {
        writer.sample(
          resilience.retries(endpointIndex: endpoint.endpointIndex, cause), labels, reason)
      }
    }
    writer.open(.retriesRefusedTotal)
    let refusals = Labels.each(RetryRefusal.self, "reason", \.label)
    for (endpoint, labels) in labels.all {
      for (refusal, reason) in refusals {
        writer.sample(
          resilience.refusals(endpointIndex: endpoint.endpointIndex, refusal), labels, reason)
      }
    }
    write(.endpointEjectionsTotal, .ejections)
    write(.endpointReadmissionsTotal, .readmissions)
    write(.endpointConnections, .connections)
    writer.open(.breakerRefusalsTotal)
    for pool in table.fleet.pools {
      for kind in BreakerKind.allCases {
        let count = pool.endpoints.reduce(0) {
          $0 &+ resilience.breakers(endpointIndex: $1.endpointIndex, kind)
        }
        writer.sample(count, Labels(["pool": pool.name, "breaker": kind.label]))
      }
    }
  }

  private mutating func writeTraffic() {
    writer.open(.requestsTotal)
    // The usual reasons begin at 0; the others appear when they occur.
    let kinds = CodeClass.allCases.flatMap { code in
      Method.allCases.map { method in
        (
          code: code, method: method,
          labels: Labels(["code": code.label, "method": method.label]),
          isUsual: code != .informational && (method == .get || method == .post)
        )
      }
    }
    for (endpoint, labels) in labels.all {
      for kind in kinds {
        let count = traffic.exchanges(endpointIndex: endpoint.endpointIndex, kind.code, kind.method)
        if count > 0 || kind.isUsual { writer.sample(count, labels, kind.labels) }
      }
    }
    writer.open(.requestDurationSeconds)
    // The text format has no exemplars, so they are not read.
    let hasExemplars = writer.format == .openMetrics
    for (endpoint, labels) in labels.all {
      let exemplars =
        hasExemplars
        ? traffic.timing.exemplars(
          endpointIndex: endpoint.endpointIndex, wallOffset: state.wall - state.now)
        : []
      writer.histogram(
        traffic.durationBuckets(endpointIndex: endpoint.endpointIndex), labels, exemplars: exemplars
      )
    }
    writer.open(.requestFirstByteSeconds)
    for (endpoint, labels) in labels.all {
      writer.histogram(
        traffic.timing.firstByteBuckets(endpointIndex: endpoint.endpointIndex), labels)
    }
    writer.open(.requestOverheadSeconds)
    writer.histogram(traffic.timing.overheads)
    writer.open(.workerTurnSeconds)
    writer.histogram(traffic.timing.turns)
    writer.open(.endpointBusySecondsTotal)
    for (endpoint, labels) in labels.all {
      writer.sample(Double(evidence.sum(.busyNanoseconds, endpoint.endpointIndex)) / 1e9, labels)
    }
    write(.endpointInFlight, .inFlight)
    write(.endpointAttemptsTotal, .started)
    write(.endpointFailuresTotal, .failed)
  }

  private mutating func writeWire() {
    write(.endpointTunnelsOpen, .tunnels)
    writer.open(.endpointTunnelsTotal)
    for (endpoint, labels) in labels.all {
      writer.sample(traffic.wire.sum(endpointIndex: endpoint.endpointIndex, .tunnels), labels)
    }
    writer.open(.endpointTunnelBytesTotal)
    let toEndpoint = Labels(["to": "endpoint"])
    let toClient = Labels(["to": "client"])
    for (endpoint, labels) in labels.all {
      writer.sample(
        traffic.wire.sum(endpointIndex: endpoint.endpointIndex, .bytesToEndpoint), labels,
        toEndpoint)
      writer.sample(
        traffic.wire.sum(endpointIndex: endpoint.endpointIndex, .bytesToClient), labels, toClient)
    }
    writer.open(.proxyHeaderFailuresTotal)
    writer.sample(traffic.wire.proxyHeaderFailures)
  }

  private mutating func write(_ family: MetricFamily, _ column: EvidenceBoard.Column) {
    writer.open(family)
    for (endpoint, labels) in labels.all {
      writer.sample(evidence.sum(column, endpoint.endpointIndex), labels)
    }
  }

  private mutating func writeWeights() {
    let rows = labels.all.compactMap { entry in
      table.rows[entry.endpoint.endpointIndex].map {
        ($0, entry.labels, entry.endpoint.endpointIndex)
      }
    }
    writer.open(.endpointInfo)
    for (endpoint, labels) in labels.all where endpoint.name != nil || !endpoint.labels.isEmpty {
      var all = labels.adding("name", endpoint.name ?? "")
      for (name, value) in endpoint.labels.sorted(by: { $0.key < $1.key }) {
        all.append("label_\(name)", value)
      }
      writer.sample(1, all)
    }
    writer.open(.endpointBaseWeight)
    for (row, labels, _) in rows { writer.sample(row.base, labels) }
    writer.open(.endpointTargetWeight)
    for (row, labels, _) in rows { writer.sample(row.target, labels) }
    writer.open(.endpointWeight)
    for (row, labels, _) in rows { writer.sample(row.effective, labels) }
    writer.open(.endpointWeightReason)
    let reasons = Labels.each(WeightReason.Kind.self, "reason", \.label)
    for (row, labels, _) in rows {
      for (kind, reason) in reasons {
        writer.sample(row.reason.kind == kind ? 1 : 0, labels, reason)
      }
    }
    writer.open(.endpointEligibility)
    let states = Labels.each(Eligibility.self, "state", \.label)
    for (row, labels, endpointIndex) in rows {
      let state = row.eligibility.shown(isEjected: evidence.isEjected(endpointIndex))
      for (each, label) in states { writer.sample(state == each ? 1 : 0, labels, label) }
    }
    writer.open(.weightTableRevision)
    writer.sample(table.revision)
  }

  private mutating func writeOwnAnswers() {
    writer.open(.localResponsesTotal)
    for reason in LocalReason.allCases {
      let labels = Labels(["status": "\(reason.status)", "reason": reason.label])
      writer.sample(traffic.locals(reason), labels)
    }
    writer.open(.routeAnswersTotal)
    for code in [CodeClass.success, .clientError, .serverError] {
      let labels = Labels(["action": "respond", "code": code.label])
      writer.sample(traffic.routeAnswers(isRedirect: false, code), labels)
    }
    writer.sample(
      traffic.routeAnswers(isRedirect: true, .redirection),
      Labels(["action": "redirect", "code": CodeClass.redirection.label]))
    writer.open(.connectionsAcceptedTotal)
    writer.sample(traffic.accepted)
    writer.open(.connectionsOpen)
    writer.sample(traffic.openConnections)
    writeRoom()
    writeTLS()
    StreamPage(traffic.streams, table.fleet, labels).write(to: &writer)
  }

  private mutating func writeTLS() {
    let sides = ConnectionSide.allCases
    writer.open(.tlsHandshakesTotal)
    for side in sides {
      for (isResumed, kind) in [(false, "full"), (true, "resumed")] {
        writer.sample(
          traffic.tls.handshakes(side, isResumed: isResumed),
          Labels(["side": side.label, "kind": kind]))
      }
    }
    writer.open(.tlsFailuresTotal)
    for side in sides where traffic.tls.isUsed(side) {
      for failure in TLSFailure.allCases {
        writer.sample(
          traffic.tls.failures(side, failure),
          Labels(["side": side.label, "reason": "\(failure.label)"]))
      }
    }
  }

  private mutating func writeRoom() {
    writer.open(.connectionsLimit)
    writer.sample(state.connectionsMax)
    writer.open(.connectionsClosedTotal)
    for count in RoomMetrics.Count.allCases {
      guard let state = count.closedState else { continue }
      writer.sample(traffic.room.sum(count), Labels(["state": state]))
    }
    writer.open(.acceptPausesTotal)
    writer.sample(traffic.room.sum(.pauses), Labels(["reason": "connections"]))
    writer.sample(traffic.room.sum(.shortages), Labels(["reason": "system"]))
    writer.open(.bufferedBytes)
    writer.sample(traffic.room.sum(.bufferedBytes))
    writer.open(.bufferedBytesLimit)
    writer.sample(state.bufferedBytesMax)
    writer.open(.bufferCutsTotal)
    writer.sample(traffic.room.sum(.bufferCuts))
  }

  private mutating func writeProcess() {
    writer.open(.buildInfo)
    writer.sample(1, Labels(["version": state.version]))
    writer.open(.workers)
    writer.sample(evidence.workerCount)
    let process = ProcessReading.now()
    writer.open(.processCpuSecondsTotal)
    writer.sample(process.cpuSeconds)
    writer.open(.processResidentMemoryBytes)
    writer.sample(process.residentBytes)
    writer.open(.processVirtualMemoryBytes)
    writer.sample(process.virtualBytes)
    writer.open(.processOpenFds)
    writer.sample(process.openFDs)
    writer.open(.processMaxFds)
    writer.sample(process.maxFDs)
    writer.open(.processThreads)
    writer.sample(process.threads)
    writer.open(.processStartTimeSeconds)
    writer.sample(process.startTimeSeconds)
  }
}
