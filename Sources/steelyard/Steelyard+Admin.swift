// What the admin server answers: the status page, metrics, health, and the API.
import Balancer
import Controller
import Fleet
import IO
import Primitives

extension Steelyard {
  /// The answer to a request. Reads boards and controller, tunes the controller; never touches the
  /// loop. `now` is the loop's.
  func answer(_ request: AdminRequest, _ now: Nanoseconds) -> AdminResponse {
    if request.path.hasPrefix(APICall.prefix) { return answerAPI(request, now) }
    if request.isPost { return AdminResponse(405, "only \(APICall.prefix) takes POST") }
    switch request.path {
    case "/":
      var response = AdminResponse(
        contentType: "text/html; charset=utf-8",
        body: StatusPage.render(
          table: board.table, traffic: balancer.metrics, evidence: evidence,
          demand: controller.demand(ofPool:),
          changes: Array(controller.weightLog.entries.suffix(20)), now: Clock.now))
      response.fields = [
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
      ]
      return response
    case "/metrics":
      return AdminResponse(contentType: MetricsPage.contentType, body: metricsPage())
    case "/healthz": return AdminResponse(200, "ok")
    case "/readyz":
      return isReady && stopsAt == nil
        ? AdminResponse(200, "ready") : AdminResponse(503, "not ready")
    default:
      return AdminResponse(
        404, "no such page; there are /, /metrics, /healthz, /readyz and /api/v1/pools")
    }
  }

  private func answerAPI(_ request: AdminRequest, _ now: Nanoseconds) -> AdminResponse {
    do throws(APICall.Refusal) {
      switch try APICall.read(request) {
      case .pools:
        return AdminResponse(
          contentType: "application/json", body: PoolStatus.json(.all(controller, now: now)))
      case .explain(let pool):
        guard let text = Explanation.text(pool: pool, of: controller, now: now) else {
          return AdminResponse(404, TuningError.noPool(pool).message)
        }
        return AdminResponse(contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
      case .reload:
        let answer = reload(now: now)
        return AdminResponse(answer.status, answer.text)
      case .tune(let tuning):
        do throws(TuningError) {
          try controller.tune(tuning, now: now)
          return AdminResponse(200, "\(tuning.action.text): in force")
        } catch {
          return AdminResponse(error.status, error.message)
        }
      }
    } catch {
      return AdminResponse(error.status, error.message)
    }
  }

  private func metricsPage() -> [UInt8] {
    var page = MetricsPage(
      table: board.table, traffic: balancer.metrics, evidence: evidence, now: Clock.now)
    return page.render {
      AdmissionMetrics(balancer.admission, board.table.fleet, now: Clock.now).write(to: &$0)
      DemandMetrics(controller).write(to: &$0)
      ControllerMetrics(controller, now: Clock.now).write(to: &$0)
      NameMetrics(watch: names.watch).write(to: &$0)
      AccessLogMetrics(driver: accessLog).write(to: &$0)
    }
  }
}
