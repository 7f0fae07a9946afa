// Families of requests, attempts, retries, connections and tunnels. Catalogue.swift says how one is
// added.
import Exposition

extension MetricSection {
  static let traffic = MetricSection(
    "Traffic",
    [
      .requestsTotal,
      .requestDurationSeconds,
      .requestFirstByteSeconds,
      .requestOverheadSeconds,
      .workerTurnSeconds,
      .endpointBusySecondsTotal,
      .endpointInFlight,
      .retriesTotal,
      .retriesRefusedTotal,
      .endpointEjectionsTotal,
      .endpointReadmissionsTotal,
      .endpointConnections,
      .breakerRefusalsTotal,
      .endpointAttemptsTotal,
      .endpointFailuresTotal,
      .localResponsesTotal,
      .routeAnswersTotal,
      .connectionsAcceptedTotal,
      .connectionsOpen,
      .connectionsLimit,
      .connectionsClosedTotal,
      .acceptPausesTotal,
      .bufferedBytes,
      .bufferedBytesLimit,
      .bufferCutsTotal,
      .endpointTunnelsOpen,
      .endpointTunnelsTotal,
      .endpointTunnelBytesTotal,
      .proxyHeaderFailuresTotal,
    ])
}

extension MetricFamily {
  static let requestsTotal = MetricFamily(
    "steelyard_requests_total", .counter, ["pool", "endpoint", "code", "method"],
    help: "Exchanges that ended, by pool, endpoint, class of status code and method.",
    meaning:
      "Exchanges that ended. `code` is `1xx`…`5xx`, `canceled` (the client went away first) or "
      + "`truncated` (the endpoint cut a response that had begun). An exchange that failed for good"
      + " at an endpoint counts as `5xx` there. Methods other than the usual seven are `other`")
  static let requestDurationSeconds = MetricFamily(
    "steelyard_request_duration_seconds", .histogram, ["pool", "endpoint"],
    help: "From the whole request head to the last byte of the response.",
    meaning:
      "From the whole request head to the last byte of the response, canceled ones included. "
      + "In OpenMetrics each bucket has the last traced exchange as its exemplar, `trace_id`")
  static let requestFirstByteSeconds = MetricFamily(
    "steelyard_request_first_byte_seconds", .histogram, ["pool", "endpoint"],
    help: "From the whole request head to the first byte of the response's content.",
    meaning: "From the whole request head to the first byte of the response's content, or its end "
      + "where it has none; of responses that came from an endpoint. Servers of streams send the "
      + "head at once, before they have a token")
  static let requestOverheadSeconds = MetricFamily(
    "steelyard_request_overhead_seconds", .histogram,
    help: "From the whole request head until the endpoint that answered was sent it, less the "
      + "wait in the queue.",
    meaning: "From the whole request head until the endpoint that answered was sent it, less the "
      + "wait in the queue: connecting and attempts that failed. 0 where an idle connection took "
      + "it at once")
  static let workerTurnSeconds = MetricFamily(
    "steelyard_worker_turn_seconds", .histogram,
    help: "How long a turn of a worker's loop took: what a byte waits in steelyard at most.",
    meaning: "How long a turn of a worker's loop took: what a byte waits in steelyard at most, on "
      + "each way")
  static let endpointBusySecondsTotal = MetricFamily(
    "steelyard_endpoint_busy_seconds_total", .counter, ["pool", "endpoint"],
    help: "Time that the endpoint had attempts, each from its begin to its last byte.",
    meaning:
      "Time that the endpoint had attempts, each from its begin to the endpoint's last byte, "
      + "but for time in which nothing was read because the client did not read; tunnels apart. "
      + "Its rate is the mean number that the endpoint works at")
  static let endpointInFlight = MetricFamily(
    "steelyard_endpoint_in_flight", .gauge, ["pool", "endpoint"],
    help: "Exchanges that an endpoint has in flight now.",
    meaning: "Exchanges that hold a lease on the endpoint now")
  static let retriesTotal = MetricFamily(
    "steelyard_retries_total", .counter, ["pool", "endpoint", "reason"],
    help: "Attempts made again, by the endpoint that failed and how it did.",
    meaning:
      "Attempts made again because this endpoint failed: `unsent`, `cut`, `status`, `timeout`, "
      + "`down`; and `stale`: at the endpoint itself, which had closed the kept connection "
      + "([retries](retries.md))")
  static let retriesRefusedTotal = MetricFamily(
    "steelyard_retries_refused_total", .counter, ["pool", "endpoint", "reason"],
    help: "Failed attempts that were not made again, by the endpoint that failed and why not.",
    meaning:
      "Failed attempts not made again: `unsafe`, `content_too_large`, `limit`, `no_endpoint`, "
      + "`budget`, `breaker`")
  static let endpointEjectionsTotal = MetricFamily(
    "steelyard_endpoint_ejections_total", .counter, ["pool", "endpoint"],
    help: "How often a worker ejected the endpoint.")
  static let endpointReadmissionsTotal = MetricFamily(
    "steelyard_endpoint_readmissions_total", .counter, ["pool", "endpoint"],
    help: "How often a worker had the endpoint back by good trials.",
    meaning: "How often a worker had it back by good trials")
  static let endpointConnections = MetricFamily(
    "steelyard_endpoint_connections", .gauge, ["pool", "endpoint"],
    help: "Connections to an endpoint, idle ones too.",
    meaning: "Connections to the endpoint, idle ones too")
  static let breakerRefusalsTotal = MetricFamily(
    "steelyard_breaker_refusals_total", .counter, ["pool", "breaker"],
    help: "Requests that a circuit breaker refused, by pool and breaker.",
    meaning: "Requests that a breaker refused: `pool_requests`, `endpoints`")
  static let endpointAttemptsTotal = MetricFamily(
    "steelyard_endpoint_attempts_total", .counter, ["pool", "endpoint"],
    help: "Attempts at an endpoint, retries included.",
    meaning: "Attempts at the endpoint, retries included")
  static let endpointFailuresTotal = MetricFamily(
    "steelyard_endpoint_failures_total", .counter, ["pool", "endpoint"],
    help: "Attempts that failed at the endpoint: refused, cut, timed out, or answered 5xx.",
    meaning: "Attempts that failed there: refused, cut, timed out, or answered 5xx")
  static let localResponsesTotal = MetricFamily(
    "steelyard_local_responses_total", .counter, ["status", "reason"],
    help: "Answers that steelyard gave in an endpoint's place, by status and reason.",
    meaning: "Answers that steelyard gave in an endpoint's place")
  static let routeAnswersTotal = MetricFamily(
    "steelyard_route_answers_total", .counter, ["action", "code"],
    help: "Redirects and fixed answers of routes.",
    meaning: "Redirects and fixed answers of routes: `action` is `redirect` or `respond` "
      + "([routing.md](routing.md))")
  static let connectionsAcceptedTotal = MetricFamily(
    "steelyard_connections_accepted_total", .counter,
    help: "Downstream connections accepted.")
  static let connectionsOpen = MetricFamily(
    "steelyard_connections_open", .gauge,
    help: "Connections open now, downstream and upstream together.")
  static let connectionsLimit = MetricFamily(
    "steelyard_connections_limit", .gauge,
    help: "Connections that may be open, downstream and upstream together.",
    meaning:
      "How many may be: `limits.connections` of all workers, or what the limit of open files "
      + "allows of that ([connections](overload.md#connections))")
  static let connectionsClosedTotal = MetricFamily(
    "steelyard_connections_closed_total", .counter, ["state"],
    help: "Connections closed to make room for others, by what they were.",
    meaning: "Connections closed because there were not enough: a client's that was `idle` between "
      + "two requests, had sent nothing (`silent`) or a part of a head only (`unfinished`), and "
      + "idle ones to endpoints (`endpoint_idle`)")
  static let acceptPausesTotal = MetricFamily(
    "steelyard_accept_pauses_total", .counter, ["reason"],
    help: "How often new clients had to wait in the kernel, by what was missing.",
    meaning: "How often new clients had to wait in the kernel: every connection was in use "
      + "(`connections`), or there was no descriptor or memory (`system`)")
  static let bufferedBytes = MetricFamily(
    "steelyard_buffered_bytes", .gauge,
    help: "Memory of bytes that wait to be sent or are kept for repeats.",
    meaning:
      "Memory of bytes that peers have not taken yet, and of content that is kept for repeats, "
      + "in blocks of 16 KiB")
  static let bufferedBytesLimit = MetricFamily(
    "steelyard_buffered_bytes_limit", .gauge,
    help: "What buffers may hold, bytes.",
    meaning: "What buffers may hold: `limits.buffered_bytes` ([memory.md](memory.md))")
  static let bufferCutsTotal = MetricFamily(
    "steelyard_buffer_cuts_total", .counter,
    help: "Clients cut because buffers held too much.",
    meaning: "Clients that were cut because buffers held more than they may")
  static let endpointTunnelsOpen = MetricFamily(
    "steelyard_endpoint_tunnels_open", .gauge, ["pool", "endpoint"],
    help: "Of the exchanges in flight, those that became tunnels (WebSocket).",
    meaning:
      "Of the exchanges in flight, those that became tunnels after a 101 (WebSocket). They count "
      + "as `code=\"1xx\"` when they begin; their length is in no duration")
  static let endpointTunnelsTotal = MetricFamily(
    "steelyard_endpoint_tunnels_total", .counter, ["pool", "endpoint"],
    help: "Exchanges that became tunnels.")
  static let endpointTunnelBytesTotal = MetricFamily(
    "steelyard_endpoint_tunnel_bytes_total", .counter, ["pool", "endpoint", "to"],
    help: "Bytes that went through tunnels, by the side that received them.",
    meaning: "Bytes that went through tunnels; `to` is `endpoint` or `client`")
  static let proxyHeaderFailuresTotal = MetricFamily(
    "steelyard_proxy_header_failures_total", .counter,
    help: "Connections closed because of their PROXY protocol header.",
    meaning:
      "Connections closed without an answer because their PROXY protocol header was missing, "
      + "malformed, late, or came from a network that is not trusted")
}
