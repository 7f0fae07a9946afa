// A program with one pool of two endpoints for the API to ask about, without sockets.
import Balancer
import Controller
import Discovery
import Events
import Fleet
import HTTP
import Metrics
import Primitives
import Status

@testable import Admin

final class Program: AdminSubject {
  var state: ProgramState
  var unreadiness: String?
  var snapshot: StatusSnapshot?
  var reloadResult: ReloadResult = .success([])
  private(set) var reloadCount = 0

  init() throws {
    var pool = Pool(name: "text", endpoints: [])
    for index in 0..<2 {
      let address = SocketAddress(bytes: [10, 0, 0, UInt8(index + 1)], port: 8000)
      var endpoint = Endpoint(address: address, baseWeight: 1)
      endpoint.endpointIndex = index
      pool.endpoints.append(endpoint)
    }
    pool.weights.law = .static
    var fleet = Fleet()
    fleet.pools = [pool]
    fleet.readyUnlessEmpty = [0]
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    let admission = AdmissionBoard(
      limits: Limits(), workerCount: 1, endpointLimit: 2, hash: SipHash(1, 2))
    admission.prepare(fleet)
    state = ProgramState(
      version: "1.2.3", table: WeightBoard(fleet: fleet, endpointLimit: 2).table,
      evidence: evidence,
      traffic: TrafficMetrics(workerCount: 1, endpointLimit: 2), admission: admission,
      connectionsMax: 100, bufferedBytesMax: 1_000,
      controller: Controller(
        fleet: fleet, evidence: evidence, pickBoard: PickBoard(endpointLimit: 2),
        random: RandomSource(seed: 1), now: .seconds(10)),
      names: NameSource(), membership: Membership(fleet), status: StatusHistory(),
      accessLog: try AccessLogDriver(workerCount: 1),
      log: try LogDriver(), hooks: HookQueue(), admin: AdminCounts(),
      reload: ReloadOutcome(startedAt: .seconds(1)), now: .seconds(10), wall: .seconds(1_000))
  }

  func statusSnapshot() -> StatusSnapshot? { snapshot }

  var discoveredMembers: [MemberSet: [Member]] { [:] }

  func tune(_ order: TuningRequest, now: Nanoseconds) throws(Problem) {
    do throws(TuningError) {
      try state.controller.tune(order, now: now)
    } catch {
      throw Problem(error)
    }
    publish(now)
  }

  func member(_ request: MemberRequest, now: Nanoseconds) throws(Problem) -> MemberOutcome {
    if request.isRemoval {
      return state.runtime.remove(request.member.address, pool: request.pool) ? .removed : .absent
    }
    switch state.runtime.set(
      request.member, pool: request.pool, lasts: request.lasts, persists: request.persists, now: now
    )
    {
    case .added: return .added
    case .changed: return .changed
    case .renewed: return .renewed
    case .refused: throw Problem(409, "full")
    }
  }

  /// Weights and eligibilities as a tick gives them.
  private func publish(_ now: Nanoseconds) {
    let board = WeightBoard(fleet: state.table.fleet, endpointLimit: 2)
    if let rows = state.controller.tick(now: now) { board.publish(rows: rows) }
    state.table = board.table
  }

  func reload(now: Nanoseconds) -> ReloadResult {
    reloadCount += 1
    return reloadResult
  }

  private(set) var upgradeCount = 0
  var upgradeRefusal: Problem?
  var upgradeState = UpgradeState(process: UpgradeState.Process(id: 7, version: "1.2.3"))

  func upgrade(now: Nanoseconds) throws(Problem) {
    if let upgradeRefusal { throw upgradeRefusal }
    upgradeCount += 1
    upgradeState.phase = .starting
  }

  /// The answer to a request, and the lines of the log that it left.
  func ask(
    _ api: AdminAPI, _ target: String, _ method: Method = .get,
    token: String? = nil, accept: String? = nil
  ) -> (response: AdminResponse, text: String, lines: UInt64) {
    let halves = target.split(separator: "?", maxSplits: 1).map(String.init)
    var request = AdminRequest(path: halves[0])
    if halves.count == 2 { request.query = halves[1] }
    request.method = method
    request.fields["authorization"] = token.map { "Bearer \($0)" }
    request.fields["accept"] = accept
    let before = state.log.lineCounts[.info] ?? 0
    let response = api.answer(request, self, state.log, now: .seconds(10))
    return (
      response, String(decoding: response.body, as: UTF8.self),
      (state.log.lineCounts[.info] ?? 0) - before
    )
  }
}
