// The families of the demand, the expected demand and the capacity of each pool. Unknown values
// have no sample.
import Controller
import Exposition
import Fleet

struct DemandMetrics {
  private let pools: [(demand: PoolDemand, labels: Labels)]

  init(_ controller: Controller) {
    pools = zip(controller.fleet.pools, controller.demand).map { pool, demand in
      (demand, Labels(["pool": pool.name]))
    }
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.poolRequestsPerSecond)
    for (demand, labels) in pools {
      if let rate = demand.forecast.rate { writer.sample(rate, labels) }
    }
    write(.poolForecastRequestsPerSecond, &writer) { $0.expected($1) }
    write(.poolForecastUpperRequestsPerSecond, &writer) { $0.upper($1) }
    write(.poolForecastErrorRequestsPerSecond, &writer) { $0.error($1)?.mean }
    writer.open(.poolCapacityRequestsPerSecond)
    for (demand, labels) in pools {
      guard let capacity = demand.capacity else { continue }
      writer.sample(capacity, labels.adding("basis", demand.basis.rawValue))
    }
    writer.open(.poolDemandRatio)
    for (demand, labels) in pools {
      guard let ratio = demand.ratio else { continue }
      writer.sample(ratio, labels.adding("basis", demand.basis.rawValue))
    }
  }

  private func write(
    _ family: MetricFamily, _ writer: inout MetricsWriter,
    value: (Forecast, ForecastHorizon) -> Double?
  ) {
    writer.open(family)
    let horizons = Labels.each(ForecastHorizon.self, "horizon", \.label)
    for (demand, labels) in pools {
      for (horizon, horizonLabels) in horizons {
        guard let value = value(demand.forecast, horizon) else { continue }
        writer.sample(value, labels, horizonLabels)
      }
    }
  }
}
