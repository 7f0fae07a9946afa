// What the admin server answers: the status page, metrics, health, and the API. Who may ask is
// `AdminAccess`'s to decide; what is asked about is the subject's.
package import Controller
package import Events
import Fleet
import HTTP
package import Metrics
package import Primitives
package import Status
import StatusPage

/// What came of a reload: lines that say what changed, or why nothing did.
package typealias ReloadResult = Result<[String], Problem>

extension ReloadResult {
  /// Why nothing changed: the file's first error, where it has one; nil: it was taken.
  package var refusal: String? {
    if case .failure(let problem) = self { problem.errors.first ?? problem.detail } else { nil }
  }
}

/// The program that is asked about and changed. Control thread only.
package protocol AdminSubject: AnyObject {
  /// Of this moment.
  var state: ProgramState { get }
  /// Why new requests should go elsewhere; nil: they need not.
  var unreadiness: String? { get }
  /// What the status page shows now; nil: there is no reading yet.
  func statusSnapshot() -> StatusSnapshot?
  /// Takes an order. Errors change nothing.
  func tune(_ order: TuningRequest, now: Nanoseconds) throws(TuningError)
  /// Reads the configuration again. On an error nothing has changed.
  func reload(now: Nanoseconds) -> ReloadResult
}

/// The answers. Control thread only; never touches the loop.
package final class AdminAPI {
  /// Who may do what.
  package var access: AdminAccess
  private var audit = AuditLog()
  private var metricsPages = MetricsPages()

  package init(access: AdminAccess) { self.access = access }

  /// The answer to a request, with a line of the log where something was to be changed.
  package func answer(
    _ request: AdminRequest, _ subject: some AdminSubject, _ log: LogDriver, now: Nanoseconds
  ) -> AdminResponse {
    var entry: AuditLog.Entry?
    do throws(Problem) {
      let response = try answer(request, subject, &entry, now)
      if let entry { audit.write(entry, to: log, now: now) }
      return response
    } catch {
      if var entry {
        (entry.status, entry.refusal) = (error.status, error.detail)
        audit.write(entry, to: log, now: now)
      }
      return AdminResponse(error)
    }
  }

  /// `entry` is set where something is to be changed, whatever comes of it.
  private func answer(
    _ request: AdminRequest, _ subject: some AdminSubject, _ entry: inout AuditLog.Entry?,
    _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    let resource: AdminResource
    do throws(Problem) {
      resource = try AdminResource.find(request.path)
    } catch {
      // Who may not read is not told what there is.
      _ = try access.check(request, needs: .read)
      throw error
    }
    guard resource.takes(request.method) else {
      if resource.need != .nothing { _ = try access.check(request, needs: .read) }
      var problem = Problem(405, "this resource takes \(resource.methods)")
      problem.fields["Allow"] = resource.methods
      throw problem
    }
    entry = AuditLog.entry(request, resource)
    let scope = try access.check(request, needs: resource.need)
    entry?.scope = scope
    if request.hasContent { throw Problem(413, "no content is taken here") }
    return try answer(request, resource, subject, now)
  }

  private func answer(
    _ request: AdminRequest, _ resource: AdminResource, _ subject: some AdminSubject,
    _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    switch resource {
    case .page(let file): return page(file)
    case .metrics: return metrics(request, subject.state)
    case .health: return AdminResponse(200, "ok")
    case .readiness:
      return (subject.unreadiness ?? emptyPool(subject.state)).map {
        AdminResponse(503, "not ready: \($0)")
      }
        ?? AdminResponse(200, "ready")
    case .discovery:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/json",
        body: DiscoveredPage.json(.all(of: subject.state.table.fleet)))
    case .openAPI:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/yaml", body: PackageResources.openapi_yaml)
    case .pools:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/json",
        body: PoolStatus.json(.all(subject.state.controller, now: now)))
    case .status:
      try requireNoParameters(request)
      return try status(subject).compressible(varyingBy: "Accept-Encoding")
    case .statusEvents:
      try requireNoParameters(request)
      return beginStatusEvents(subject)
    case .explain(let pool): return try explanation(of: pool, request, subject.state, now)
    case .reload:
      try requireNoParameters(request)
      return AdminResponse(json: ReloadChanges(changes: try subject.reload(now: now).get()))
    case .pool, .endpoint: return try change(resource, request, subject, now)
    }
  }

  /// What `admin.ready_unless_empty` says of the pools; nil where each has an endpoint that may
  /// take requests. Where all are ejected requests are sent all the same, but hardly answered; the
  /// ejections end without any, too.
  private func emptyPool(_ state: ProgramState) -> String? {
    let table = state.table
    for index in table.fleet.readyUnlessEmpty {
      let pool = table.fleet.pools[index]
      let hasEndpoint = pool.endpoints.contains { endpoint in
        guard let row = table.rows[endpoint.endpointIndex] else { return false }
        return row.eligibility.takesNewExchanges && row.effective > 0
          && !state.evidence.isEjected(endpoint.endpointIndex)
      }
      if !hasEndpoint { return "no endpoint of pool \(pool.name) may take requests" }
    }
    return nil
  }

  private func requireNoParameters(_ request: AdminRequest) throws(Problem) {
    try AdminParameters(request.query).requireNoOther()
  }

  private func change(
    _ resource: AdminResource, _ request: AdminRequest, _ subject: some AdminSubject,
    _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    guard let order = try TuningRequest(resource, request.query) else {
      throw Problem(404, "nothing can be changed here")
    }
    do throws(TuningError) {
      try subject.tune(order, now: now)
    } catch {
      throw Problem(error.status, error.message)
    }
    return AdminResponse(json: ChangeAnswer(result: "\(order.action.text): in force"))
  }

  /// As JSON, which has every number, unless text is asked for, by `?format=text` or by Accept.
  /// Text has the law's terms and all signals with `?detail=full`.
  private func explanation(
    of pool: String, _ request: AdminRequest, _ state: ProgramState, _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    var parameters = try AdminParameters(request.query)
    let format = parameters.take("format")
    let detail = parameters.take("detail")
    try parameters.requireNoOther()
    let isText: Bool
    switch format {
    case "text": isText = true
    case "json": isText = false
    case let other?:
      throw Problem(400, "format is json or text, not \(AdminParameters.shown(other))")
    case nil:
      let offers = ["application/json", "text/plain"]
      guard let choice = QualityList.choose(request.fields["accept"], of: offers) else {
        throw Problem(406, "this comes as application/json or text/plain")
      }
      isText = choice == 1
    }
    guard detail == nil || detail == "brief" || detail == "full" else {
      throw Problem(400, "detail is brief or full, not \(AdminParameters.shown(detail ?? ""))")
    }
    guard var explanation = PoolExplanation(pool: pool, of: state.controller, now: now) else {
      throw Problem(404, TuningError.noPool(AdminParameters.shown(pool)).message)
    }
    let configured = state.controller.fleet.pools.first { $0.name == pool }
    let limits = state.status.limits(of: pool, configured?.thresholds ?? ThresholdPolicy())
    explanation.responseNormalSeconds = limits.mean?.normal.seconds
    explanation.responseAlarmSeconds = limits.mean?.alarm.seconds
    explanation.p99AlarmSeconds = limits.p99?.seconds
    guard isText else { return AdminResponse(json: explanation) }
    var text = explanation.text(isVerbose: detail == "full")
    text += "\nthresholds: \(limits.words)\n"
    return AdminResponse(contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
  }

  private func metrics(_ request: AdminRequest, _ state: ProgramState) -> AdminResponse {
    let (format, contentType) = MetricsPages.format(accept: request.fields["accept"] ?? "")
    return AdminResponse(contentType: contentType, body: metricsPages.page(format, state))
      .compressible(varyingBy: "Accept, Accept-Encoding")
  }

  private func status(_ subject: some AdminSubject) throws(Problem) -> AdminResponse {
    guard let snapshot = subject.statusSnapshot() else {
      throw Problem(503, "no reading yet: ask again in a second")
    }
    return AdminResponse(contentType: "application/json", body: snapshot.json + [0x0A])
  }

  /// The charts at once, then an event a second.
  private func beginStatusEvents(_ subject: some AdminSubject) -> AdminResponse {
    let state = subject.state
    var response = AdminResponse(
      contentType: "text/event-stream",
      body: ServerSentEvent.preamble
        + ServerSentEvent(name: "history", id: state.wall, data: state.status.chartsJSON).bytes)
    if let snapshot = subject.statusSnapshot() {
      response.body += ServerSentEvent.status(snapshot, wall: state.wall).bytes
    }
    response.isStream = true
    return response
  }

  private func page(_ file: StatusPage) -> AdminResponse {
    var response = AdminResponse(contentType: file.contentType, body: file.content)
    response.fields = [
      ("Content-Security-Policy", StatusPage.policy), ("Referrer-Policy", "no-referrer"),
    ]
    return response
  }
}
