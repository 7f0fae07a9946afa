// Families of weights and of the demand of pools.
import Exposition

extension MetricSection {
  static let weights = MetricSection(
    "Weights",
    [
      .endpointInfo,
      .endpointBaseWeight,
      .endpointTargetWeight,
      .endpointWeight,
      .endpointWeightReason,
      .endpointEligibility,
      .weightTableRevision,
    ])
}

extension MetricFamily {
  static let endpointInfo = MetricFamily(
    "steelyard_endpoint_info", .info, ["pool", "endpoint", "name"],
    help: "1 for each endpoint with a name or labels; label_NAME is the label NAME.",
    meaning:
      "1 for each endpoint that the configuration gives a name or labels; each of its labels is here "
      + "as `label_NAME` (at most 8)")
  static let endpointBaseWeight = MetricFamily(
    "steelyard_endpoint_base_weight", .gauge, ["pool", "endpoint"],
    help: "The operator's weight.")
  static let endpointTargetWeight = MetricFamily(
    "steelyard_endpoint_target_weight", .gauge, ["pool", "endpoint"],
    help: "The weight that the law wants.",
    meaning: "What the law wants")
  static let endpointWeight = MetricFamily(
    "steelyard_endpoint_weight", .gauge, ["pool", "endpoint"],
    help: "The effective weight, which picks use.")
  static let endpointWeightReason = MetricFamily(
    "steelyard_endpoint_weight_reason", .gauge, ["pool", "endpoint", "reason"],
    help: "1 for the reason of the endpoint's present weight, 0 for the others.",
    meaning: "1 for the reason of the present weight: `base`, `blackout`, `law`, `slew`, `stale`, "
      + "`expired`, `frozen`, `pinned`, `scaled`, `dry_run`")
  static let endpointEligibility = MetricFamily(
    "steelyard_endpoint_eligibility", .gauge, ["pool", "endpoint", "state"],
    help: "1 for the endpoint's present state, 0 for the others.",
    meaning: "1 for the present state: `ready`, `starting`, `unhealthy`, `stalled`, `ejected`, "
      + "`draining`, `drained`")
  static let weightTableRevision = MetricFamily(
    "steelyard_weight_table_revision", .gauge,
    help: "Revision of the published weight table; it grows with each publication.",
    meaning: "Revision of the published table; it grows with each publication")
}

extension MetricSection {
  static let demand = MetricSection(
    "Demand",
    text: """
      What a pool is asked for, is expected to be asked for, and can do;
      [forecast.md](forecast.md) says how and how far to believe it. What is not known yet has no
      sample.
      """,
    [
      .poolRequestsPerSecond,
      .poolForecastRequestsPerSecond,
      .poolForecastUpperRequestsPerSecond,
      .poolForecastErrorRequestsPerSecond,
      .poolCapacityRequestsPerSecond,
      .poolDemandRatio,
    ])
}

extension MetricFamily {
  static let poolRequestsPerSecond = MetricFamily(
    "steelyard_pool_requests_per_second", .gauge, ["pool"],
    help: "Attempts at the pool's endpoints a second, the mean over the last minute.",
    meaning: "Attempts at the pool's endpoints, retries included, the mean over the last minute")
  static let poolForecastRequestsPerSecond = MetricFamily(
    "steelyard_pool_forecast_requests_per_second", .gauge, ["pool", "horizon"],
    help: "What it is expected to be over the minute that ends so far from now.",
    meaning: "The same over the minute that ends 1, 5 or 15 minutes from now: `1m`, `5m`, `15m`")
  static let poolForecastUpperRequestsPerSecond = MetricFamily(
    "steelyard_pool_forecast_upper_requests_per_second", .gauge, ["pool", "horizon"],
    help: "What it will not exceed, nine times of ten, going by the last six hours.",
    meaning: "What it will not exceed, nine times of ten, going by the errors of the last six hours"
  )
  static let poolForecastErrorRequestsPerSecond = MetricFamily(
    "steelyard_pool_forecast_error_requests_per_second", .gauge, ["pool", "horizon"],
    help: "Mean absolute error of the forecasts of the last six hours.")
  static let poolCapacityRequestsPerSecond = MetricFamily(
    "steelyard_pool_capacity_requests_per_second", .gauge, ["pool", "basis"],
    help: "What the eligible endpoints can do, of requests like the last ones.",
    meaning:
      "What the eligible endpoints can do, of requests like the last ones. `basis` is `slots`, or"
      + " `busy` where slots are not known: then it is too low for endpoints that serve several at "
      + "once")
  static let poolDemandRatio = MetricFamily(
    "steelyard_pool_demand_ratio", .gauge, ["pool", "basis"],
    help: "Requests a second expected in 5 minutes, divided by capacity: 1 is full.",
    meaning:
      "Requests a second expected in 5 minutes (now, while there is no forecast) ÷ capacity; 1 is"
      + " full")
}
