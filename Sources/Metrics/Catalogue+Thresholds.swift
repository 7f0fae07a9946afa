// Families of thresholds.
import Exposition

extension MetricSection {
  static let thresholds = MetricSection(
    "Thresholds",
    text: """
      What is normal and what an alarm: [alert rules](alerting.md), dashboards and the status page
      compare with these. They come from the configuration; response times are learned where it
      names none, and have no sample before that. `level` is `normal` or `alarm`.
      """,
    [
      .poolThresholdErrorRatio,
      .poolThresholdResponseTimeSeconds,
      .poolThresholdP99Seconds,
      .poolThresholdFirstByteSeconds,
      .poolUsualResponseSeconds,
      .poolThresholdEndpointConnections,
      .poolThresholdQueueLength,
      .poolThresholdSuccessRatio,
      .poolThresholdObjectiveRatio,
      .poolExpectedRequestsPerSecond,
      .endpointBackup,
    ])
}

extension MetricFamily {
  static let poolThresholdErrorRatio = threshold(
    "steelyard_pool_threshold_error_ratio", "Share of the answers that failed")
  static let poolThresholdResponseTimeSeconds = threshold(
    "steelyard_pool_threshold_response_time_seconds", "Mean duration of an exchange")
  static let poolThresholdP99Seconds = threshold(
    "steelyard_pool_threshold_p99_seconds", "99th percentile of the durations; `alarm` only")
  static let poolUsualResponseSeconds = MetricFamily(
    "steelyard_pool_usual_response_seconds", .gauge, ["pool", "statistic"],
    help: "What response times are usual for the pool, by statistic: mean, p99.",
    meaning: "What is usual, from the pool's last hour and week; no sample while too little is "
      + "known. `statistic` is `mean`, `p99` or `first_byte_p99`")
  static let poolThresholdFirstByteSeconds = threshold(
    "steelyard_pool_threshold_first_byte_seconds",
    "99th percentile of the times to the first byte of content; `alarm` only")
  static let poolThresholdEndpointConnections = threshold(
    "steelyard_pool_threshold_endpoint_connections", "Connections to one endpoint; `alarm` only")
  static let poolThresholdQueueLength = threshold(
    "steelyard_pool_threshold_queue_length", "Requests that wait")
  static let poolThresholdSuccessRatio = threshold(
    "steelyard_pool_threshold_success_ratio", "Share of good answers; below is worse")
  static let poolThresholdObjectiveRatio = MetricFamily(
    "steelyard_pool_threshold_objective_ratio", .gauge, ["pool"],
    help: "The service level objective: share of good answers over 30 days.",
    meaning: "The service level objective")
  static let poolExpectedRequestsPerSecond = MetricFamily(
    "steelyard_pool_expected_requests_per_second", .gauge, ["pool"],
    help: "Requests a second that the operator expects.",
    meaning: "What the operator expects; no sample unless `request_rate` says it")
  static let endpointBackup = MetricFamily(
    "steelyard_endpoint_backup", .gauge, ["pool", "endpoint"],
    help: "1 for a backup endpoint, 0 for a primary.",
    meaning: "1 for a [backup](balancing.md), 0 for a primary")

  private static func threshold(_ name: String, _ meaning: String) -> MetricFamily {
    MetricFamily(
      name, .gauge, ["pool", "level"],
      help: "Threshold of the pool, by level: normal, alarm.", meaning: meaning)
  }
}
