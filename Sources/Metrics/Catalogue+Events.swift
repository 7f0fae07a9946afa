// Families of steelyard's own log and of hooks.
import Exposition

extension MetricSection {
  static let events = MetricSection(
    "Log and hooks",
    text: "[logs.md](logs.md) says what they do.",
    [.logLinesTotal, .logSuppressedTotal, .logDroppedTotal, .hookRunsTotal])
}

extension MetricFamily {
  static let logLinesTotal = MetricFamily(
    "steelyard_log_lines_total", .counter, ["level"],
    help: "Lines of steelyard's own log, by level.",
    meaning: "Lines of steelyard's own log: `debug`, `info`, `warning`, `error`")
  static let logSuppressedTotal = MetricFamily(
    "steelyard_log_suppressed_total", .counter,
    help: "Lines of steelyard's own log that were left out: too many of their kind at once.",
    meaning: "Lines left out because there were too many of their kind at once")
  static let logDroppedTotal = MetricFamily(
    "steelyard_log_dropped_total", .counter, ["reason"],
    help: "Lines of steelyard's own log that were lost, by what standard error did.",
    meaning: "Lines lost: `slow` (standard error takes them slower than they come, or not at all), "
      + "`failing` (writing fails)")
  static let hookRunsTotal = MetricFamily(
    "steelyard_hook_runs_total", .counter, ["event", "outcome"],
    help: "Runs of hooks, by event and how they ended.",
    meaning:
      "Runs of hooks: `ok`, `failed`, `timeout`, `dropped` (not run: too many waited). Samples "
      + "for events that a hook is for")
}
