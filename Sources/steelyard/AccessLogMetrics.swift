// The families of /metrics that tell of the access log.
import Balancer
import Exposition

struct AccessLogMetrics {
  let driver: AccessLogDriver

  func write(to writer: inout MetricsWriter) {
    writer.family(
      "steelyard_access_log_lines_total", .counter, help: "Lines that the access log took.")
    writer.sample(driver.lineCount)
    writer.family(
      "steelyard_access_log_dropped_total", .counter,
      help: "Lines that the access log had no room for, by what its destination did.")
    for drop in AccessLogDriver.Drop.allCases {
      writer.sample(driver.dropCount(drop), Labels(["reason": drop.label]))
    }
    writer.family(
      "steelyard_access_log_write_errors_total", .counter,
      help: "Writes to the access log that failed; they are tried again.")
    writer.sample(driver.failureCount)
  }
}
