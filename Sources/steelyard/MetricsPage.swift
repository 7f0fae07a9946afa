// The page at /metrics: every family that steelyard exports, in one order, summed over the workers
// at the time of asking. docs/metrics.md lists them.
import Balancer
import Exposition
import Fleet
import HTTP
import IO
import Primitives

/// Renders the page. Reads only.
struct MetricsPage {
  static let contentType = MetricsWriter.contentType

  let table: WeightTable
  let traffic: TrafficMetrics
  let evidence: EvidenceBoard
  let now: Nanoseconds
  private var writer = MetricsWriter(byteCapacity: 65_536)
  /// Every endpoint with its labels, in configuration order.
  private var endpoints: [(endpoint: Endpoint, labels: Labels)] = []

  init(table: WeightTable, traffic: TrafficMetrics, evidence: EvidenceBoard, now: Nanoseconds) {
    self.table = table
    self.traffic = traffic
    self.evidence = evidence
    self.now = now
    for pool in table.fleet.pools {
      for endpoint in pool.endpoints {
        let labels = Labels(["pool": pool.name, "endpoint": endpoint.address.description])
        endpoints.append((endpoint, labels))
      }
    }
  }

  private mutating func writeResilience() {
    let resilience = traffic.resilience
    writer.family(
      "steelyard_retries_total", .counter,
      help: "Attempts made again elsewhere, by the endpoint that failed and how it did.")
    for (endpoint, labels) in endpoints {
      for cause in RetryCause.allCases {
        writer.sample(
          resilience.retries(slot: endpoint.slot, cause), labels.adding("reason", cause.label))
      }
    }
    writer.family(
      "steelyard_retries_refused_total", .counter,
      help: "Failed attempts that were not made again, by the endpoint that failed and why not.")
    for (endpoint, labels) in endpoints {
      for refusal in RetryRefusal.allCases {
        writer.sample(
          resilience.refusals(slot: endpoint.slot, refusal), labels.adding("reason", refusal.label))
      }
    }
    write(
      "steelyard_endpoint_ejections_total", .counter,
      "How often a worker ejected the endpoint.", .ejections)
    write(
      "steelyard_endpoint_readmissions_total", .counter,
      "How often a worker had the endpoint back by good trials.", .readmissions)
    write(
      "steelyard_endpoint_connections", .gauge,
      "Connections to an endpoint, idle ones too.", .connections)
    writer.family(
      "steelyard_breaker_refusals_total", .counter,
      help: "Requests that a circuit breaker refused, by pool and breaker.")
    for pool in table.fleet.pools {
      for kind in BreakerKind.allCases {
        let count = pool.endpoints.reduce(0) { $0 &+ resilience.breakers(slot: $1.slot, kind) }
        writer.sample(count, Labels(["pool": pool.name, "breaker": kind.label]))
      }
    }
  }

  /// The whole page; `controller` adds the scrape families.
  mutating func render(controller: (inout MetricsWriter) -> Void) -> [UInt8] {
    writeTraffic()
    writeResilience()
    writeWire()
    writeWeights()
    controller(&writer)
    writeOwnAnswers()
    writeProcess()
    return writer.bytes
  }

  private mutating func writeTraffic() {
    writer.family(
      "steelyard_requests_total", .counter,
      help: "Exchanges that ended, by pool, endpoint, class of status code and method.")
    for (endpoint, labels) in endpoints {
      for code in CodeClass.allCases {
        for method in Method.allCases {
          let count = traffic.exchanges(slot: endpoint.slot, code, method)
          // The usual ones begin at 0; the others appear when they occur.
          let isUsual = code != .informational && (method == .get || method == .post)
          guard count > 0 || isUsual else { continue }
          writer.sample(
            count, labels.adding("code", code.label).adding("method", method.label))
        }
      }
    }
    writer.family(
      "steelyard_request_duration_seconds", .histogram,
      help: "From the whole request head to the last byte of the response.")
    for (endpoint, labels) in endpoints {
      writer.histogram(traffic.durations(slot: endpoint.slot), labels)
    }
    writer.family(
      "steelyard_request_first_byte_seconds", .histogram,
      help: "From the whole request head to the first byte of the response.")
    for (endpoint, labels) in endpoints {
      writer.histogram(traffic.timing.firstBytes(slot: endpoint.slot), labels)
    }
    writer.family(
      "steelyard_request_overhead_seconds", .histogram,
      help: "From the whole request head until the endpoint that answered was sent it, less the "
        + "wait in the queue.")
    writer.histogram(traffic.timing.overheads)
    writer.family(
      "steelyard_worker_turn_seconds", .histogram,
      help: "How long a turn of a worker's loop took: what a byte waits in steelyard at most.")
    writer.histogram(traffic.timing.turns)
    writer.family(
      "steelyard_endpoint_busy_seconds_total", .counter,
      help: "Time that the endpoint had attempts, each from its begin to its end.")
    for (endpoint, labels) in endpoints {
      writer.sample(Double(evidence.sum(.busyNanoseconds, endpoint.slot)) / 1e9, labels)
    }
    write(
      "steelyard_endpoint_in_flight", .gauge, "Exchanges that an endpoint has in flight now.",
      .inFlight)
    write(
      "steelyard_endpoint_attempts_total", .counter,
      "Attempts at an endpoint, retries included.", .started)
    write(
      "steelyard_endpoint_failures_total", .counter,
      "Attempts that failed at the endpoint: refused, cut, timed out, or answered 5xx.", .failed)
  }

  private mutating func writeWire() {
    write(
      "steelyard_endpoint_tunnels", .gauge,
      "Of the exchanges in flight, those that became tunnels (WebSocket).", .tunnels)
    writer.family(
      "steelyard_endpoint_tunnels_total", .counter, help: "Exchanges that became tunnels.")
    for (endpoint, labels) in endpoints {
      writer.sample(traffic.wire.sum(slot: endpoint.slot, .tunnels), labels)
    }
    writer.family(
      "steelyard_endpoint_tunnel_bytes_total", .counter,
      help: "Bytes that went through tunnels, by the side that received them.")
    for (endpoint, labels) in endpoints {
      writer.sample(
        traffic.wire.sum(slot: endpoint.slot, .bytesToEndpoint), labels.adding("to", "endpoint"))
      writer.sample(
        traffic.wire.sum(slot: endpoint.slot, .bytesToClient), labels.adding("to", "client"))
    }
    writer.family(
      "steelyard_proxy_header_failures_total", .counter,
      help: "Connections closed because of their PROXY protocol header.")
    writer.sample(traffic.wire.proxyHeaderFailures)
  }

  private mutating func write(
    _ name: String, _ type: MetricType, _ help: String, _ column: EvidenceBoard.Column
  ) {
    writer.family(name, type, help: help)
    for (endpoint, labels) in endpoints {
      writer.sample(evidence.sum(column, endpoint.slot), labels)
    }
  }

  private mutating func writeWeights() {
    let rows = endpoints.compactMap { entry in
      table.rows[entry.endpoint.slot].map { ($0, entry.labels, entry.endpoint.slot) }
    }
    writer.family("steelyard_endpoint_base_weight", .gauge, help: "The operator's weight.")
    for (row, labels, _) in rows { writer.sample(row.base, labels) }
    writer.family(
      "steelyard_endpoint_target_weight", .gauge, help: "The weight that the law wants.")
    for (row, labels, _) in rows { writer.sample(row.target, labels) }
    writer.family(
      "steelyard_endpoint_weight", .gauge, help: "The effective weight, which picks use.")
    for (row, labels, _) in rows { writer.sample(row.effective, labels) }
    writer.family(
      "steelyard_endpoint_weight_reason", .gauge,
      help: "1 for the reason of the endpoint's present weight, 0 for the others.")
    for (row, labels, _) in rows {
      for kind in WeightReason.Kind.allCases {
        writer.sample(row.reason.kind == kind ? 1 : 0, labels.adding("reason", kind.label))
      }
    }
    writer.family(
      "steelyard_endpoint_eligibility", .gauge,
      help: "1 for the endpoint's present state, 0 for the others.")
    for (row, labels, slot) in rows {
      let state = row.eligibility.shown(isEjected: evidence.isEjected(slot, now: now))
      for each in Eligibility.allCases {
        writer.sample(state == each ? 1 : 0, labels.adding("state", each.label))
      }
    }
    writer.family(
      "steelyard_weight_table_revision", .gauge,
      help: "Revision of the published weight table; it grows with each publication.")
    writer.sample(table.revision)
  }

  private mutating func writeOwnAnswers() {
    writer.family(
      "steelyard_local_responses_total", .counter,
      help: "Answers that steelyard gave in an endpoint's place, by status and reason.")
    for reason in LocalReason.allCases {
      let labels = Labels(["status": "\(reason.status)", "reason": reason.label])
      writer.sample(traffic.locals(reason), labels)
    }
    writer.family(
      "steelyard_route_answers_total", .counter,
      help: "Redirects and fixed answers of routes.")
    for code in [CodeClass.success, .clientError, .serverError] {
      let labels = Labels(["action": "respond", "code": code.label])
      writer.sample(traffic.routeAnswers(isRedirect: false, code), labels)
    }
    writer.sample(
      traffic.routeAnswers(isRedirect: true, .redirection),
      Labels(["action": "redirect", "code": CodeClass.redirection.label]))
    writer.family(
      "steelyard_connections_accepted_total", .counter, help: "Downstream connections accepted.")
    writer.sample(traffic.accepted)
    writer.family(
      "steelyard_connections_open", .gauge,
      help: "Connections open now, downstream and upstream together.")
    writer.sample(traffic.openConnections)
  }

  private mutating func writeProcess() {
    writer.family("steelyard_build_info", .gauge, help: "1, with the version as a label.")
    writer.sample(1, Labels(["version": Version.number]))
    writer.family("steelyard_workers", .gauge, help: "Worker threads.")
    writer.sample(evidence.workerCount)
    let process = ProcessReading.now()
    writer.family(
      "process_cpu_seconds_total", .counter, help: "User and system CPU time in seconds.")
    writer.sample(process.cpuSeconds)
    writer.family("process_resident_memory_bytes", .gauge, help: "Resident memory in bytes.")
    writer.sample(process.residentBytes)
    writer.family("process_virtual_memory_bytes", .gauge, help: "Virtual memory in bytes.")
    writer.sample(process.virtualBytes)
    writer.family("process_open_fds", .gauge, help: "Open file descriptors.")
    writer.sample(process.openFDs)
    writer.family("process_max_fds", .gauge, help: "The limit of open file descriptors.")
    writer.sample(process.maxFDs)
    writer.family("process_threads", .gauge, help: "Threads of the process.")
    writer.sample(process.threads)
    writer.family(
      "process_start_time_seconds", .gauge, help: "Start of the process, seconds since 1970.")
    writer.sample(process.startTimeSeconds)
  }
}

extension Eligibility {
  /// What is shown where workers leave an endpoint alone: health's verdict counts first.
  func shown(isEjected: Bool) -> Eligibility {
    takesNewExchanges && isEjected ? .ejected : self
  }
}
