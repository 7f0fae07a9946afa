// Families of what several steelyards share. Catalogue.swift says how one is added.
import Exposition
import Shared

extension MetricSection {
  static let shared = MetricSection(
    "Shared limits",
    text: "[shared.md](shared.md) says how several steelyards share limits. Without `shared` these "
      + "families have no samples.",
    [
      .sharedStoreUp, .sharedReplicas, .sharedStoreFailuresTotal, .sharedStoreRoundTripSeconds,
      .sharedStoreCallsTotal, .sharedGrantedRequestsTotal, .sharedKeys,
    ])
}

extension MetricFamily {
  static let sharedStoreUp = MetricFamily(
    "steelyard_shared_store_up", .gauge,
    help: "Whether the common store can be asked.",
    meaning: "1 if the common store can be asked, 0 if this replica uses its own share of limits")
  static let sharedReplicas = MetricFamily(
    "steelyard_shared_replicas", .gauge,
    help: "Steelyards that share limits, this one included, as known last.",
    meaning: "Steelyards that share limits, this one included, as known last")
  static let sharedStoreFailuresTotal = MetricFamily(
    "steelyard_shared_store_failures_total", .counter, ["reason"],
    help: "Failures to reach or to use the common store, by reason.",
    meaning: "Failures to reach or to use the common store, by reason: "
      + RedisFailure.Kind.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", "))
  static let sharedStoreRoundTripSeconds = MetricFamily(
    "steelyard_shared_store_round_trip_seconds", .gauge,
    help: "Time from the last call of the common store to its answer.",
    meaning: "Time from the last call of the common store to its answer. No request waits for it")
  static let sharedStoreCallsTotal = MetricFamily(
    "steelyard_shared_store_calls_total", .counter,
    help: "Calls of the common store.",
    meaning: "Calls of the common store, each for up to 128 keys")
  static let sharedGrantedRequestsTotal = MetricFamily(
    "steelyard_shared_granted_requests_total", .counter, ["by"],
    help: "Requests that were granted ahead, by who granted them.",
    meaning: "Requests that were granted ahead, by the `store`, or by this replica from its `own` "
      + "share")
  static let sharedKeys = MetricFamily(
    "steelyard_shared_keys", .gauge,
    help: "Keys of shared limits whose buckets are not full.",
    meaning: "Keys of shared limits whose buckets are not full")
}
