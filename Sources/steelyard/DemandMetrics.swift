// The families of /metrics that say what each pool is asked for, is expected to be asked for and
// can do. What is not known has no sample.
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
    writer.family(
      "steelyard_pool_requests_per_second", .gauge,
      help: "Attempts at the pool's endpoints a second, the mean over the last minute.")
    for (demand, labels) in pools {
      if let rate = demand.forecast.rate { writer.sample(rate, labels) }
    }
    write(
      "steelyard_pool_forecast_requests_per_second",
      "What it is expected to be over the minute that ends so far from now.", &writer
    ) { $0.expected($1) }
    write(
      "steelyard_pool_forecast_upper_requests_per_second",
      "What it will not exceed, nine times of ten, going by the last six hours.", &writer
    ) { $0.upper($1) }
    write(
      "steelyard_pool_forecast_error_requests_per_second",
      "Mean absolute error of the forecasts of the last six hours.", &writer
    ) { $0.error($1)?.mean }
    writer.family(
      "steelyard_pool_capacity_requests_per_second", .gauge,
      help: "What the eligible endpoints can do, of requests like the last ones.")
    for (demand, labels) in pools {
      guard let capacity = demand.capacity else { continue }
      writer.sample(capacity, labels.adding("basis", demand.basis.rawValue))
    }
    writer.family(
      "steelyard_pool_demand_ratio", .gauge,
      help: "Requests a second expected in 5 minutes, divided by capacity: 1 is full.")
    for (demand, labels) in pools {
      guard let ratio = demand.ratio else { continue }
      writer.sample(ratio, labels.adding("basis", demand.basis.rawValue))
    }
  }

  private func write(
    _ name: String, _ help: String, _ writer: inout MetricsWriter,
    value: (Forecast, ForecastHorizon) -> Double?
  ) {
    writer.family(name, .gauge, help: help)
    for (demand, labels) in pools {
      for horizon in ForecastHorizon.allCases {
        guard let value = value(demand.forecast, horizon) else { continue }
        writer.sample(value, labels.adding("horizon", horizon.label))
      }
    }
  }
}
