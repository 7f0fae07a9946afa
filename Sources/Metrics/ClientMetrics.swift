// The families of requests whose clients did not get an answer.
import Balancer
import Exposition
import Fleet
import Primitives

struct ClientMetrics {
  private let pools: [(labels: Labels, traffic: PoolTraffic)]
  private let fleet: Fleet
  private let endpoints: EndpointLabels
  private let traffic: TrafficMetrics

  init(
    _ board: AdmissionBoard, _ traffic: TrafficMetrics, _ fleet: Fleet, _ endpoints: EndpointLabels
  ) {
    pools = fleet.pools.map { (Labels(["pool": $0.name]), board.traffic(of: $0.name)) }
    self.fleet = fleet
    self.endpoints = endpoints
    self.traffic = traffic
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.poolRequestsTotal)
    for (labels, traffic) in pools { writer.sample(traffic.arrivalCount, labels) }
    writer.open(.poolGivenUpTotal)
    let stages = Labels.each(PoolTraffic.Departure.self, "stage", \.label)
    for (labels, traffic) in pools {
      for (stage, label) in stages { writer.sample(traffic.sum(stage), labels, label) }
    }
    writer.open(.poolPatienceSeconds)
    for (labels, traffic) in pools { writer.sample(traffic.patience.seconds, labels) }
    write(.poolThresholdGiveUpRatio, &writer, \.giveUpRatio)
    write(.poolThresholdClientErrorRatio, &writer, \.clientErrorRatio)
    write(.poolThresholdEndpointErrorRatio, &writer, \.endpointErrorRatio)
    writer.open(.endpointTooManyRequestsTotal)
    for (endpoint, labels) in endpoints.all {
      writer.sample(traffic.tooMany(endpointIndex: endpoint.endpointIndex), labels)
    }
  }

  private func write(
    _ family: MetricFamily, _ writer: inout MetricsWriter,
    _ threshold: KeyPath<ThresholdPolicy, Double>
  ) {
    writer.open(family)
    for (pool, (labels, _)) in zip(fleet.pools, pools) {
      writer.sample(pool.thresholds[keyPath: threshold], labels.adding("level", "alarm"))
    }
  }
}
