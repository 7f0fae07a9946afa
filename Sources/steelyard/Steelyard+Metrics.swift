// The answer at /metrics: the format that the client likes best, filled by all that know families.
import Balancer
import Events
import Controller
import Exposition
import Fleet
import HTTP
import IO
import Primitives

extension Steelyard {
  /// The text format first: it is what a client gets that likes both as much, or neither.
  private static let formats: [(format: MetricsWriter.Format, offer: QualityList.Offer)] = [
    (.text, offer("text/plain", version: "0.0.4")),
    (.openMetrics, offer("application/openmetrics-text", version: "1.0.0")),
  ]

  private static func offer(_ type: String, version: String) -> QualityList.Offer {
    QualityList.Offer(
      type, ["version": version, "charset": "utf-8"], indifferent: ["escaping"])
  }

  /// `/metrics` for this client.
  func metrics(_ request: AdminRequest) -> AdminResponse {
    let choice = QualityList(request.fields["accept"] ?? "").best(of: Self.formats.map(\.offer))
    // A scraper that reads a page it did not ask for is better than one that reads nothing.
    let format = choice.map { Self.formats[$0.index].format } ?? .text
    var contentType = format.contentType
    if let escaping = choice?.parameters["escaping"] {
      // Classic names are the same in all of them but in `dots`, which doubles underscores.
      let isKnown = ["allow-utf-8", "underscores", "values"].contains(escaping)
      contentType += "; escaping=\(isKnown ? escaping : "underscores")"
    }
    return AdminResponse(contentType: contentType, body: metricsPage(format))
      .compressible(varyingBy: "Accept, Accept-Encoding")
  }

  private func metricsPage(_ format: MetricsWriter.Format) -> [UInt8] {
    let table = board.table
    let now = Clock.now
    endpointLabels.update(table)
    var page = MetricsPage(
      format, table: table, traffic: balancer.metrics, evidence: evidence, labels: endpointLabels,
      connectionsMax: balancer.connectionsMax * evidence.workerCount,
      bufferedBytesMax: balancer.bufferedBytesMax * evidence.workerCount,
      now: now, wall: Clock.wall, byteCapacity: metricsByteCapacity)
    let bytes = page.render {
      ClientMetrics(balancer.admission, balancer.metrics, table.fleet, endpointLabels)
        .write(to: &$0)
      FailureMetrics(reports: balancer.metrics.failures, labels: endpointLabels).write(to: &$0)
      AdmissionMetrics(balancer.admission, table.fleet, now: now).write(to: &$0)
      DemandMetrics(controller).write(to: &$0)
      ThresholdMetrics(table.fleet, status).write(to: &$0)
      ControllerMetrics(controller, endpointLabels, now: now).write(to: &$0)
      NameMetrics(watch: names.watch).write(to: &$0)
      AccessLogMetrics(driver: accessLog).write(to: &$0)
      adminCounts.write(to: &$0)
      lastReload.write(to: &$0)
      EventMetrics(log: log, hooks: hooks.queue).write(to: &$0)
    }
    // The next page is about as large.
    metricsByteCapacity = bytes.count + bytes.count / 8 + 4_096
    return bytes
  }
}
