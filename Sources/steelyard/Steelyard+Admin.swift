// What the admin server answers: the status page, metrics, health, and the API.
import Balancer
import Controller
import Events
import Fleet
import HTTP
import IO
import Primitives
import Status

extension Steelyard {
  /// The tokens of a configuration. Errors: a token that cannot be read.
  static func access(_ fleet: Fleet, _ log: LogDriver) throws(StartError) -> AdminAccess {
    var access = AdminAccess(isLoopback: fleet.admin.isLoopback)
    access.readToken = try token(fleet.adminTokens.read, "read_token", log)
    access.writeToken = try token(fleet.adminTokens.write, "write_token", log)
    if let read = access.readToken, access.writeToken?.matches(read) == true {
      throw StartError(
        .configuration,
        "`admin.read_token` and `admin.write_token` are the same: who may read could change things "
          + "too")
    }
    if access.writing == .none {
      log.write(
        .warning, "nothing can be changed at the admin address",
        [
          "address": "\(fleet.admin)",
          "hint": "configure admin: {write_token: {file: PATH}}",
        ])
    }
    return access
  }

  /// The configuration with the values of header fields that stand in files or in the environment.
  /// Errors: a value that cannot be read.
  static func withSecrets(_ fleet: Fleet, _ log: LogDriver) throws(StartError) -> Fleet {
    var fleet = fleet
    try fleet.readSecrets { source, what throws(StartError) in
      do throws(TokenReader.Failure) {
        let found = try TokenReader.fieldValue(source)
        if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
        return found.value
      } catch {
        throw StartError(error.isMissing ? .noInput : .configuration, "\(what): \(error.message)")
      }
    }
    return fleet
  }

  private static func warn(_ path: String, _ log: LogDriver) {
    log.write(
      .warning, "everybody on this machine may read the token file",
      ["file": path, "hint": "chmod o-r"])
  }

  private static func token(
    _ source: TokenSource?, _ key: String, _ log: LogDriver
  ) throws(StartError) -> Secret? {
    guard let source else { return nil }
    do throws(TokenReader.Failure) {
      let found = try TokenReader.read(source)
      if found.isReadableByOthers, case .file(let path) = source { warn(path, log) }
      return found.token
    } catch {
      throw StartError(
        error.isMissing ? .noInput : .configuration, "`admin.\(key)`: \(error.message)")
    }
  }

  /// The answer to a request. Reads boards and controller, tunes the controller; never touches the
  /// loop. `now` is the loop's.
  func answer(_ request: AdminRequest, _ now: Nanoseconds) -> AdminResponse {
    var entry: AuditLog.Entry?
    do throws(Problem) {
      let response = try answer(request, &entry, now)
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
    _ request: AdminRequest, _ entry: inout AuditLog.Entry?, _ now: Nanoseconds
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
    return try answer(request, resource, now)
  }

  private func answer(
    _ request: AdminRequest, _ resource: AdminResource, _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    switch resource {
    case .page: return page()
    case .metrics: return metrics(request)
    case .health: return AdminResponse(200, "ok")
    case .readiness:
      return (unreadiness ?? emptyPool).map { AdminResponse(503, "not ready: \($0)") }
        ?? AdminResponse(200, "ready")
    case .discovery:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/json", body: DiscoveredPage.json(.all(of: board.table.fleet)))
    case .openAPI:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/yaml", body: Array(OpenAPIDocument.text.utf8))
    case .pools:
      try requireNoParameters(request)
      return AdminResponse(
        contentType: "application/json", body: PoolStatus.json(.all(controller, now: now)))
    case .status:
      try requireNoParameters(request)
      return try statusAnswer().compressible(varyingBy: "Accept-Encoding")
    case .statusEvents:
      try requireNoParameters(request)
      return beginStatusEvents()
    case .explain(let pool): return try explanation(of: pool, request, now)
    case .reload:
      try requireNoParameters(request)
      return AdminResponse(json: ReloadChanges(changes: try reload(now: now).get()))
    case .pool, .endpoint: return try change(resource, request, now)
    }
  }

  /// What `admin.ready_unless_empty` says of the pools; nil where each has an endpoint that may
  /// take requests. Where all are ejected requests are sent all the same, but hardly answered; the
  /// ejections end without any, too.
  private var emptyPool: String? {
    let table = board.table
    for index in table.fleet.readyUnlessEmpty {
      let pool = table.fleet.pools[index]
      let hasEndpoint = pool.endpoints.contains { endpoint in
        guard let row = table.rows[endpoint.endpointIndex] else { return false }
        return row.eligibility.takesNewExchanges && row.effective > 0
          && !evidence.isEjected(endpoint.endpointIndex)
      }
      if !hasEndpoint { return "no endpoint of pool \(pool.name) may take requests" }
    }
    return nil
  }

  private func requireNoParameters(_ request: AdminRequest) throws(Problem) {
    try AdminParameters(request.query).requireNoOther()
  }

  private func change(
    _ resource: AdminResource, _ request: AdminRequest, _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    guard let order = try TuningRequest(resource, request.query) else {
      throw Problem(404, "nothing can be changed here")
    }
    do throws(TuningError) {
      try controller.tune(order, now: now)
    } catch {
      throw Problem(error.status, error.message)
    }
    return AdminResponse(json: ChangeAnswer(result: "\(order.action.text): in force"))
  }

  /// As JSON, which has every number, unless text is asked for, by `?format=text` or by Accept.
  /// Text has the law's terms and all signals with `?detail=full`.
  private func explanation(
    of pool: String, _ request: AdminRequest, _ now: Nanoseconds
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
    guard var explanation = PoolExplanation(pool: pool, of: controller, now: now) else {
      throw Problem(404, TuningError.noPool(AdminParameters.shown(pool)).message)
    }
    let configured = controller.fleet.pools.first { $0.name == pool }
    let limits = status.limits(of: pool, configured?.thresholds ?? ThresholdPolicy())
    explanation.responseNormalSeconds = limits.mean?.normal.seconds
    explanation.responseAlarmSeconds = limits.mean?.alarm.seconds
    explanation.p99AlarmSeconds = limits.p99?.seconds
    guard isText else { return AdminResponse(json: explanation) }
    var text = explanation.text(isVerbose: detail == "full")
    text += "\nthresholds: \(limits.words)\n"
    return AdminResponse(contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
  }

  private func page() -> AdminResponse {
    var response = AdminResponse(
      contentType: "text/html; charset=utf-8", body: Array(StatusPage.text.utf8))
    response.fields = [
      ("Content-Security-Policy", StatusPage.policy), ("Referrer-Policy", "no-referrer"),
    ]
    return response
  }
}
