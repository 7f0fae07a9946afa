// The families of the access log.
import Balancer
import Exposition

struct AccessLogMetrics {
  let driver: AccessLogDriver

  func write(to writer: inout MetricsWriter) {
    writer.open(.accessLogLinesTotal)
    writer.sample(driver.lineCount)
    writer.open(.accessLogDroppedTotal)
    for drop in AccessLogDriver.Drop.allCases {
      writer.sample(driver.dropCount(drop), Labels(["reason": drop.label]))
    }
    writer.open(.accessLogWriteErrorsTotal)
    writer.sample(driver.failureCount)
  }
}
