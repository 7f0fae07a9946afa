// Families of requests whose clients did not get an answer. Catalogue.swift says how one is added.
import Exposition

extension MetricSection {
  static let clients = MetricSection(
    "Clients",
    text: """
      Every request of a pool is counted when it comes (`steelyard_pool_requests_total`) and once
      more when it ends: answered (`steelyard_requests_total` without `canceled`), refused
      (`steelyard_pool_refusals_total`) or given up by its client
      (`steelyard_pool_given_up_total`); what steelyard refuses as malformed or too large is in
      `steelyard_local_responses_total` alone. A client did not get what it asked for where the
      answer was 5xx or cut, where steelyard refused it for another reason than a rate limit, and
      where it left `overdue`: success ratio and error budget count these
      ([alerting.md](alerting.md#what-is-a-failure)).
      """,
    [
      .poolRequestsTotal,
      .poolGivenUpTotal,
      .poolPatienceSeconds,
      .poolThresholdGiveUpRatio,
      .poolThresholdClientErrorRatio,
      .poolThresholdEndpointErrorRatio,
      .endpointTooManyRequestsTotal,
    ])
}

extension MetricFamily {
  static let poolRequestsTotal = MetricFamily(
    "steelyard_pool_requests_total", .counter, ["pool"],
    help: "Requests that took a route to the pool, whatever came of them.")
  static let poolGivenUpTotal = MetricFamily(
    "steelyard_pool_given_up_total", .counter, ["pool", "stage"],
    help: "Requests whose clients left before the answer was whole, by when they left.",
    meaning:
      "Requests whose clients left: `waiting` (no content of the answer had come), `overdue` "
      + "(the same, after a longer wait than `steelyard_pool_patience_seconds`), `reading` (the "
      + "answer was under way)")
  static let poolPatienceSeconds = MetricFamily(
    "steelyard_pool_patience_seconds", .gauge, ["pool"],
    help: "The wait for a first byte after which a client that leaves counts as a failure.",
    meaning: "The wait for a first byte after which a client that leaves is `overdue`: "
      + "`thresholds.patience`, else what 99 of 100 answers of the last ten minutes did not need; "
      + "0 while there were none")
  static let poolThresholdGiveUpRatio = MetricFamily(
    "steelyard_pool_threshold_give_up_ratio", .gauge, ["pool", "level"],
    help: "Threshold of the configuration for the share of overdue requests, by level: alarm.",
    meaning: "`thresholds.give_up_ratio`: share of the requests that are given up `overdue`; "
      + "`alarm` only")
  static let poolThresholdClientErrorRatio = MetricFamily(
    "steelyard_pool_threshold_client_error_ratio", .gauge, ["pool", "level"],
    help: "Threshold of the configuration for the share of answers of 4xx, by level: alarm.",
    meaning: "`thresholds.client_error_ratio`: share of the answers that are 4xx (429 apart), and "
      + "share of the requests that get 429; `alarm` only")
  static let poolThresholdEndpointErrorRatio = MetricFamily(
    "steelyard_pool_threshold_endpoint_error_ratio", .gauge, ["pool", "level"],
    help: "Threshold of the configuration for an endpoint's bad attempts, by level: alarm.",
    meaning: "`thresholds.endpoint_error_ratio`: by how much an endpoint's share of bad attempts "
      + "may exceed twice that of the others; `alarm` only")
  static let endpointTooManyRequestsTotal = MetricFamily(
    "steelyard_endpoint_too_many_requests_total", .counter, ["pool", "endpoint"],
    help: "Of the answers of 4xx, those with 429, by the endpoint that gave them.",
    meaning: "Of the exchanges with `code=\"4xx\"`, those with 429 (Too Many Requests)")
}
