// The answers of the admin server: the status page, metrics, health, and the API. `AdminAccess`
// decides who may ask; the subject is the program.
package import Controller
package import Events
import Exposition
package import Fleet
import HTTP
package import Metrics
package import Primitives
package import Status
import StatusPage

/// The result of a reload: the changes, or why there are none.
package typealias ReloadResult = Result<[String], Problem>

extension ReloadResult {
  /// Why nothing changed, such as the first error of the file; nil: the file was applied.
  package var refusal: String? {
    if case .failure(let problem) = self { problem.errors.first ?? problem.detail } else { nil }
  }
}

/// What became of an endpoint of run time.
package enum MemberOutcome: String, Sendable {
  case added, changed, renewed, removed
  case absent = "was not there"
}

/// The program that the API shows and changes. Control thread only.
package protocol AdminSubject: AnyObject {
  /// The state now.
  var state: ProgramState { get }
  /// Why new requests should go elsewhere; nil: they need not.
  var unreadiness: String? { get }
  /// The present status; nil: there is no reading yet.
  func statusSnapshot() -> StatusSnapshot?
  /// Carries out an order. If there is an error, nothing changes, unless only the state file could
  /// not be written.
  func tune(_ order: TuningRequest, now: Nanoseconds) throws(Problem)
  /// Adds, changes, renews or removes an endpoint. If there is an error, nothing changes.
  func member(_ request: MemberRequest, now: Nanoseconds) throws(Problem) -> MemberOutcome
  /// The members of all names and sources that have any.
  var discoveredMembers: [MemberSet: [Member]] { get }
  /// Reads the configuration again. If there is an error, nothing changes.
  func reload(now: Nanoseconds) -> ReloadResult
  /// Starts a process that replaces this one. If that is not possible, nothing changes.
  func upgrade(now: Nanoseconds) throws(Problem)
  /// The state of upgrades.
  var upgradeState: UpgradeState { get }
}

/// The API. Control thread only; it never uses the loop.
package final class AdminAPI {
  /// The access rules.
  package var access: AdminAccess
  private var audit = AuditLog()
  private var metricsPages = MetricsPages()

  package init(access: AdminAccess) { self.access = access }

  /// The answer to a request. A change, made or refused, is logged.
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

  /// `entry` is set if the request is for a change, whatever its result.
  private func answer(
    _ request: AdminRequest, _ subject: some AdminSubject, _ entry: inout AuditLog.Entry?,
    _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    let resource: AdminResource
    do throws(Problem) {
      resource = try AdminResource.find(request.path)
    } catch {
      // A client without access does not learn which resources exist.
      _ = try access.check(request, needs: .read)
      throw error
    }
    guard resource.takes(request.method) else {
      if resource.need(of: request.method) != .nothing {
        _ = try access.check(request, needs: .read)
      }
      var problem = Problem(405, "this resource takes \(resource.methods)")
      problem.fields["Allow"] = resource.methods
      throw problem
    }
    entry = AuditLog.entry(request, resource)
    let scope = try access.check(request, needs: resource.need(of: request.method))
    entry?.scope = scope
    // A change here would be lost.
    if entry != nil, subject.upgradeState.phase == .replaced {
      throw Problem(503, "another process has taken over: ask again")
    }
    if request.hasContent { throw Problem(413, "no content is taken here") }
    let response = try answer(request, resource, subject, now)
    // Who renews itself every few seconds does not fill the log.
    if case .member = resource, response.isRenewal { entry = nil }
    return response
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
    case .endpointDiscovery:
      try requireNoParameters(request)
      return try assignments(request, subject.state, now)
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
    case .upgrade:
      try requireNoParameters(request)
      if request.method == .post { try subject.upgrade(now: now) }
      return AdminResponse(json: subject.upgradeState)
    case .sources:
      try requireNoParameters(request)
      let state = subject.state
      return AdminResponse(
        json: DiscoveryAnswer(
          pools: DiscoveryStatus.all(
            state.membership.configured, names: state.names, sources: state.sources,
            runtime: state.runtime, members: subject.discoveredMembers, now: now)))
    case .member(let address, let pool):
      let wanted = try MemberRequest(
        pool: pool, address, isRemoval: request.method == .delete, request.query)
      let outcome = try subject.member(wanted, now: now)
      var response = AdminResponse(json: ChangeAnswer(result: "\(address): \(outcome.rawValue)"))
      response.isRenewal = outcome == .renewed
      return response
    case .pool, .endpoint: return try change(resource, request, subject, now)
    }
  }

  /// What Envoy asks for: the endpoints of pools with their weights.
  private func assignments(
    _ request: AdminRequest, _ state: ProgramState, _ now: Nanoseconds
  ) throws(Problem) -> AdminResponse {
    guard let wanted = AdminJSON.read(EndpointRequest.self, request.content) else {
      throw Problem(400, "the content must be a DiscoveryRequest of Envoy's API v3, in JSON")
    }
    let answer = EndpointAnswer(
      wanted, .all(state.controller, now: now), version: "\(state.table.revision)")
    return AdminResponse(json: answer)
  }

  /// The first pool of `admin.ready_unless_empty` without an endpoint that may take requests, as a
  /// sentence; nil: there is none. A pool whose endpoints are all ejected counts as empty: requests
  /// are still sent there, but hardly answered, and the ejections end without requests too.
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
    try subject.tune(order, now: now)
    return AdminResponse(json: ChangeAnswer(result: "\(order.action.text): in force"))
  }

  /// The explanation as JSON, with every number, unless text is asked for by `?format=text` or by
  /// Accept. With `?detail=full` the text has the terms of the law and all signals.
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

  /// The metrics page in the text format, for a process that goes on with its counters.
  package func countersPage(_ state: ProgramState) -> [UInt8] { metricsPages.page(.text, state) }

  /// Adds the counts of the process before this one, as its page says, to every metrics page.
  package func inherit(_ page: [UInt8]) { metricsPages.inherit(page) }

  private func status(_ subject: some AdminSubject) throws(Problem) -> AdminResponse {
    guard let snapshot = subject.statusSnapshot() else {
      throw Problem(503, "no reading yet: ask again in a second")
    }
    return AdminResponse(contentType: "application/json", body: snapshot.json + [0x0A])
  }

  /// Begins a stream: the charts at once, then an event each second.
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
