// The gauges that alert rules and dashboards compare with: the configured and learned thresholds of
// each pool, and which endpoints are backups.
import Exposition
import Fleet
import Primitives
import Status

/// The thresholds of all pools. Configured ones are constant until a reload.
struct ThresholdMetrics {
  private let fleet: Fleet
  private let pools: [(policy: ThresholdPolicy, labels: Labels)]
  private let limits: [ResponseLimits]

  init(_ fleet: Fleet, _ status: StatusHistory) {
    self.fleet = fleet
    pools = fleet.pools.map { ($0.thresholds, Labels(["pool": $0.name])) }
    limits = fleet.pools.map { status.limits(of: $0.name, $0.thresholds) }
  }

  func write(to writer: inout MetricsWriter) {
    write(.poolThresholdErrorRatio, &writer) {
      ($0.errorRatio.normal, $0.errorRatio.alarm)
    }
    writeResponseTimes(to: &writer)
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

  /// A threshold that is neither configured nor learned yet has no sample.
  private func writeResponseTimes(to writer: inout MetricsWriter) {
    writer.open(.poolThresholdResponseTimeSeconds)
    for (limit, (_, labels)) in zip(limits, pools) {
      guard let mean = limit.mean else { continue }
      writer.sample(mean.normal.seconds, labels.adding("level", "normal"))
      writer.sample(mean.alarm.seconds, labels.adding("level", "alarm"))
    }
    writer.open(.poolThresholdP99Seconds)
    for (limit, (_, labels)) in zip(limits, pools) {
      if let p99 = limit.p99 { writer.sample(p99.seconds, labels.adding("level", "alarm")) }
    }
    writer.open(.poolThresholdFirstByteSeconds)
    for (limit, (_, labels)) in zip(limits, pools) {
      guard let first = limit.firstByte else { continue }
      writer.sample(first.seconds, labels.adding("level", "alarm"))
    }
    writer.open(.poolUsualResponseSeconds)
    for (limit, (_, labels)) in zip(limits, pools) {
      if let mean = limit.usualMean { writer.sample(mean, labels.adding("statistic", "mean")) }
      if let p99 = limit.usualP99 { writer.sample(p99, labels.adding("statistic", "p99")) }
      if let first = limit.usualFirstByte {
        writer.sample(first, labels.adding("statistic", "first_byte_p99"))
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
