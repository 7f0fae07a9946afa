// The answer at /metrics.
import Balancer
import Controller
import Events
import Fleet
import IO
import Metrics
import Primitives

extension Steelyard {
  /// `/metrics` for this client.
  func metrics(_ request: AdminRequest) -> AdminResponse {
    let (format, contentType) = MetricsPages.format(accept: request.fields["accept"] ?? "")
    return AdminResponse(
      contentType: contentType, body: metricsPages.page(format, metricsSources())
    ).compressible(varyingBy: "Accept, Accept-Encoding")
  }

  private func metricsSources() -> ProgramState {
    ProgramState(
      version: Version.number, table: board.table, evidence: evidence, traffic: balancer.metrics,
      admission: balancer.admission,
      connectionsMax: balancer.connectionsMax * evidence.workerCount,
      bufferedBytesMax: balancer.bufferedBytesMax * evidence.workerCount, controller: controller,
      names: names.watch, status: status, accessLog: accessLog, log: log, hooks: hooks.queue,
      admin: adminCounts, reload: lastReload, now: Clock.now, wall: Clock.wall)
  }
}
