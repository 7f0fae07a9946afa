// Families of the sources of endpoints.
import Exposition

extension MetricFamily {
  static let discoveryUp = MetricFamily(
    "steelyard_discovery_up", .gauge, ["pool", "source"],
    help: "Whether the last question to a source of endpoints was answered.",
    meaning: "1: the last question to the [source](discovery.md) was answered well; 0: it failed, "
      + "and the endpoints before stay")
  static let discoveryEndpoints = MetricFamily(
    "steelyard_discovery_endpoints", .gauge, ["pool", "source"],
    help: "Endpoints that a source gives.",
    meaning: "The endpoints that the source gives; `api`: those added at run time")
  static let discoveryHeldBack = MetricFamily(
    "steelyard_discovery_endpoints_held_back", .gauge, ["pool", "source"],
    help: "Endpoints that come and go too often, and wait until they stay.",
    meaning: "Endpoints that come and go too often, and wait until they stay")
  static let discoveryEmptyKept = MetricFamily(
    "steelyard_discovery_empty_kept", .gauge, ["pool", "source"],
    help: "Whether the last answer had no endpoints and was not believed.",
    meaning: "1: the last answer had no endpoints and was not believed (`empty: keep`)")
  static let discoveryAnswersTotal = MetricFamily(
    "steelyard_discovery_answers_total", .counter, ["pool", "source"],
    help: "Good answers of a source.",
    meaning: "Good answers of the source, unchanged ones too")
  static let discoveryFailuresTotal = MetricFamily(
    "steelyard_discovery_failures_total", .counter, ["pool", "source", "reason"],
    help: "Questions to a source that failed, by reason.",
    meaning: "Questions that failed: `unreachable`, `timeout`, `tls`, `malformed`, `too_large`, "
      + "`missing`, `denied`, `server`")
  static let discoveryLastSuccess = MetricFamily(
    "steelyard_discovery_last_success_timestamp_seconds", .gauge, ["pool", "source"],
    help: "When a source last answered well, seconds since 1970.",
    meaning: "When the source last answered well; no sample where it never did")
  static let discoveryLastChange = MetricFamily(
    "steelyard_discovery_last_change_timestamp_seconds", .gauge, ["pool", "source"],
    help: "When the endpoints of a source last changed, seconds since 1970.",
    meaning: "When its endpoints last changed; no sample where it never had any")
}
