// The thresholds of the configuration as gauges, so that alert rules and dashboards compare with
// them and each pool has its own.
import Exposition
import Fleet
import Primitives

/// Constant until a reload.
struct ThresholdMetrics {
  private let pools: [(policy: ThresholdPolicy, labels: Labels)]

  init(_ fleet: Fleet) {
    pools = fleet.pools.map { ($0.thresholds, Labels(["pool": $0.name])) }
  }

  func write(to writer: inout MetricsWriter) {
    write("steelyard_pool_threshold_error_ratio", "Share of failed answers", &writer) {
      ($0.errorRatio.normal, $0.errorRatio.alarm)
    }
    write(
      "steelyard_pool_threshold_response_time_seconds", "Mean duration of an exchange", &writer
    ) { ($0.responseTime.normal.seconds, $0.responseTime.alarm.seconds) }
    write("steelyard_pool_threshold_p99_seconds", "99th percentile of the durations", &writer) {
      (nil, $0.p99.seconds)
    }
    write(
      "steelyard_pool_threshold_endpoint_connections", "Connections to one endpoint", &writer
    ) { (nil, Double($0.endpointConnections)) }
    write("steelyard_pool_threshold_queue_length", "Requests that wait", &writer) {
      (Double($0.queueLength.normal), Double($0.queueLength.alarm))
    }
    write("steelyard_pool_threshold_success_ratio", "Share of good answers", &writer) {
      ($0.successRatio.normal, $0.successRatio.alarm)
    }
    writer.family(
      "steelyard_pool_threshold_objective_ratio", .gauge,
      help: "The service level objective: share of good answers over 30 days.")
    for (policy, labels) in pools { writer.sample(policy.objectiveRatio, labels) }
    writer.family(
      "steelyard_pool_expected_requests_per_second", .gauge,
      help: "Requests a second that the operator expects.")
    for (policy, labels) in pools {
      if let rate = policy.requestRate { writer.sample(rate.perSecond, labels) }
    }
  }

  private func write(
    _ name: String, _ what: String, _ writer: inout MetricsWriter,
    levels: (ThresholdPolicy) -> (normal: Double?, alarm: Double)
  ) {
    writer.family(name, .gauge, help: "\(what) beyond which it is no longer normal, an alarm.")
    for (policy, labels) in pools {
      let (normal, alarm) = levels(policy)
      if let normal { writer.sample(normal, labels.adding("level", "normal")) }
      writer.sample(alarm, labels.adding("level", "alarm"))
    }
  }
}
