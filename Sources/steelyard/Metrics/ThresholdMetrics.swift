// What alert rules and dashboards need to know of the configuration, as gauges: the thresholds of
// each pool, and which endpoints are backups.
import Exposition
import Fleet
import Primitives

/// Constant until a reload.
struct ThresholdMetrics {
  private let fleet: Fleet
  private let pools: [(policy: ThresholdPolicy, labels: Labels)]

  init(_ fleet: Fleet) {
    self.fleet = fleet
    pools = fleet.pools.map { ($0.thresholds, Labels(["pool": $0.name])) }
  }

  func write(to writer: inout MetricsWriter) {
    write(.poolThresholdErrorRatio, &writer) {
      ($0.errorRatio.normal, $0.errorRatio.alarm)
    }
    write(.poolThresholdResponseTimeSeconds, &writer) {
      ($0.responseTime.normal.seconds, $0.responseTime.alarm.seconds)
    }
    write(.poolThresholdP99Seconds, &writer) {
      (nil, $0.p99.seconds)
    }
    write(.poolThresholdEndpointConnections, &writer) { (nil, Double($0.endpointConnections)) }
    write(.poolThresholdQueueLength, &writer) {
      (Double($0.queueLength.normal), Double($0.queueLength.alarm))
    }
    write(.poolThresholdSuccessRatio, &writer) {
      ($0.successRatio.normal, $0.successRatio.alarm)
    }
    writer.open(.poolThresholdObjectiveRatio)
    for (policy, labels) in pools { writer.sample(policy.objectiveRatio, labels) }
    writer.open(.poolExpectedRequestsPerSecond)
    for (policy, labels) in pools {
      if let rate = policy.requestRate { writer.sample(rate.perSecond, labels) }
    }
    writer.open(.endpointBackup)
    for (pool, (_, labels)) in zip(fleet.pools, pools) {
      for endpoint in pool.endpoints {
        writer.sample(endpoint.isBackup ? 1 : 0, labels.adding("endpoint", "\(endpoint.address)"))
      }
    }
  }

  private func write(
    _ family: MetricFamily, _ writer: inout MetricsWriter,
    levels: (ThresholdPolicy) -> (normal: Double?, alarm: Double)
  ) {
    writer.open(family)
    for (policy, labels) in pools {
      let (normal, alarm) = levels(policy)
      if let normal { writer.sample(normal, labels.adding("level", "normal")) }
      writer.sample(alarm, labels.adding("level", "alarm"))
    }
  }
}
