// Families of scrapes, signals, health probes and the watchdog.
import Exposition

extension MetricSection {
  static let signals = MetricSection(
    "Scrapes and signals",
    [
      .scrapeAttemptsTotal,
      .scrapeFailuresTotal,
      .scrapeDurationSeconds,
      .scrapeLastSuccessTimestampSeconds,
      .scrapeParseErrorsTotal,
      .signalValue,
      .signalThreshold,
      .signalFreshness,
      .healthProbesTotal,
      .healthFailuresTotal,
      .healthDurationSeconds,
      .healthLastSuccessTimestampSeconds,
      .endpointCanariesTotal,
      .endpointStillnessSeconds,
      .watchdogTripsTotal,
      .poolWatchdogHeld,
    ])
}

extension MetricFamily {
  static let scrapeAttemptsTotal = MetricFamily(
    "steelyard_scrape_attempts_total", .counter, ["pool", "endpoint", "page"],
    help: "Scrapes begun.")
  static let scrapeFailuresTotal = MetricFamily(
    "steelyard_scrape_failures_total", .counter, ["pool", "endpoint", "page", "reason"],
    help: "Scrapes that failed, by reason.",
    meaning:
      "Scrapes that failed: `refused`, `unreachable`, `timeout`, `cut`, `tls`, `too_large`, "
      + "`status`, `bad_http`, `bad_page`, `local`")
  static let scrapeDurationSeconds = MetricFamily(
    "steelyard_scrape_duration_seconds", .gauge, ["pool", "endpoint", "page"],
    help: "How long the last scrape took, from sending to its end.")
  static let scrapeLastSuccessTimestampSeconds = MetricFamily(
    "steelyard_scrape_last_success_timestamp_seconds", .gauge, ["pool", "endpoint", "page"],
    help: "When the last scrape that brought a page ended, seconds since 1970.",
    meaning: "When the last scrape that brought a page ended")
  static let scrapeParseErrorsTotal = MetricFamily(
    "steelyard_scrape_parse_errors_total", .counter, ["pool", "endpoint", "page"],
    help: "Lines of the pages that were refused; the others counted.")
  static let signalValue = MetricFamily(
    "steelyard_signal_value", .gauge, ["pool", "endpoint", "page", "signal"],
    help: "The number that the law reads, where there is one.",
    meaning: "The number that the law reads; no sample where there is none")
  static let signalThreshold = MetricFamily(
    "steelyard_signal_threshold", .gauge, ["pool", "endpoint", "page", "signal", "level"],
    help: "Load is 0 up to the signal's level normal and 1 from its level alarm on.",
    meaning: "The configured `normal` and `alarm` of the signal: load is 0 up to the first and 1 "
      + "from the second on; no sample where it has none")
  static let signalFreshness = MetricFamily(
    "steelyard_signal_freshness", .gauge, ["pool", "endpoint", "page", "signal", "freshness"],
    help: "1 for how far the signal may be believed now, 0 for the others.",
    meaning: "1 for how far it may be believed: `fresh`, `stale`, `expired`, `blackout`")
  static let healthProbesTotal = MetricFamily(
    "steelyard_health_probes_total", .counter, ["pool", "endpoint"],
    help: "Health probes begun.",
    meaning: "Active health probes begun")
  static let healthFailuresTotal = MetricFamily(
    "steelyard_health_failures_total", .counter, ["pool", "endpoint", "reason"],
    help: "Health probes that failed, by reason.",
    meaning:
      "Health probes that failed; reasons as for scrapes, `content` (a good status, but not what "
      + "it has to say) and `not_ready` (it says that its model is not loaded, or that it does "
      + "not serve)")
  static let healthDurationSeconds = MetricFamily(
    "steelyard_health_duration_seconds", .gauge, ["pool", "endpoint"],
    help: "How long the last health probe took, from sending to its end.",
    meaning: "How long the last health probe took")
  static let healthLastSuccessTimestampSeconds = MetricFamily(
    "steelyard_health_last_success_timestamp_seconds", .gauge, ["pool", "endpoint"],
    help: "When the last good health probe ended, seconds since 1970.",
    meaning: "When the last good one ended")
  static let endpointCanariesTotal = MetricFamily(
    "steelyard_endpoint_canaries_total", .counter, ["pool", "endpoint", "result"],
    help: "Canaries that ended, by result.",
    meaning:
      "[Canaries](health.md#canary) that ended: `good`, `late` (far slower than usual), or failed as "
      + "scrapes do: `status`, `timeout`, `refused`, `unreachable`, `cut`, `tls`, `bad_http`, "
      + "`too_large`, `local`. No sample where the pool has none")
  static let endpointStillnessSeconds = MetricFamily(
    "steelyard_endpoint_stillness_seconds", .gauge, ["pool", "endpoint"],
    help: "For how long the endpoint has had work and shown none; 0 while idle or at work.",
    meaning: "For how long it has had work and shown none; 0 while it is idle or at work")
  static let watchdogTripsTotal = MetricFamily(
    "steelyard_watchdog_trips_total", .counter, ["pool", "endpoint", "cause"],
    help: "How often the watchdog took the endpoint out, by cause.",
    meaning:
      "How often the [watchdog](health.md) took it out: `no_progress`, `no_content`, `no_answer`")
  static let poolWatchdogHeld = MetricFamily(
    "steelyard_pool_watchdog_held", .gauge, ["pool"],
    help: "1 while more of the pool stands still than the watchdog may take out, else 0.",
    meaning: "1 while more of the pool stands still than may be taken out")
}
