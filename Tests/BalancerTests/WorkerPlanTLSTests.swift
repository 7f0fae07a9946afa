import Certificates
import Fleet
import Primitives
import Testing

@testable import Balancer
@testable import IO

/// A plan of a fleet whose pool speaks TLS, as a worker keeps it.
private struct Bench {
  static let endpointLimit = 8
  var fleet = Fleet()
  let board: WeightBoard
  let pickBoard = PickBoard(endpointLimit: endpointLimit)
  let admission: AdmissionBoard
  let credentials = Credentials(workerCount: 1)
  let store: CredentialStore
  var plan = WorkerPlan()

  init() throws {
    fleet.listeners = [Listener(address: .loopback(port: 1), routes: [])]
    fleet.pools = [Self.pool("a", [0])]
    board = WeightBoard(fleet: fleet, endpointLimit: Self.endpointLimit)
    admission = AdmissionBoard(
      limits: fleet.limits, workerCount: 1, endpointLimit: Self.endpointLimit, hash: SipHash(1, 2))
    store = CredentialStore(credentials)
    try store.load(fleet, now: .zero)
    rebuild()
  }

  /// A pool without checks of certificates, so that no file is needed.
  static func pool(_ name: String, _ indexes: [Int]) -> Pool {
    var pool = Pool(name: name, endpoints: [])
    pool.tls = ClientTLS()
    pool.tls?.isInsecure = true
    pool.endpoints = indexes.map { index in
      var endpoint = Endpoint(address: .loopback(port: UInt16(1_000 + index)))
      endpoint.endpointIndex = index
      endpoint.hostName = "\(name)\(index).test"
      return endpoint
    }
    return pool
  }

  mutating func rebuild() {
    admission.prepare(fleet)
    plan.rebuild(board.table, tags: [0], pickBoard: pickBoard, admission, now: .zero)
    adopt()
  }

  mutating func adopt() { plan.adoptCredentials(credentials, thread: 0, board.table) }
}

@Suite struct WorkerPlanTLSTests {
  @Test func credentialsOfAnotherFleetWaitForThePlan() throws {
    var bench = try Bench()
    let revision = bench.plan.credentialsRevision
    #expect(bench.plan.peer(0)?.name == "a0.test")
    // Published, and not yet adopted: its pools and endpoints are not the plan's.
    bench.fleet.pools = [Bench.pool("b", [7]), Bench.pool("a", [0])]
    bench.fleet.pools[0].tls?.versionMin = .tls13
    try bench.store.load(bench.fleet, now: .zero)
    _ = bench.board.publish(fleet: bench.fleet)
    #expect(bench.credentials.revision != revision)
    bench.adopt()
    #expect(bench.plan.credentialsRevision == revision)
    #expect(bench.plan.peer(7) == nil)
    bench.rebuild()
    #expect(bench.plan.credentialsRevision == bench.credentials.revision)
    #expect(bench.plan.peer(7)?.name == "b7.test" && bench.plan.peer(0)?.name == "a0.test")
  }

  @Test func anEndpointThatIsKnownKeepsItsSessionsAndOneOfAnotherNameDoesNot() throws {
    var bench = try Bench()
    let known = try #require(bench.plan.peer(0))
    _ = bench.board.publish(fleet: bench.fleet)
    bench.rebuild()
    #expect(bench.plan.peer(0) === known)
    var next = bench.fleet
    next.pools[0].endpoints[0].hostName = "other.test"
    let delta = MembershipDelta(from: bench.fleet, to: next, fresh: [])
    _ = bench.board.publish(fleet: next, delta)
    bench.plan.apply([delta], bench.board.table, bench.pickBoard, now: .zero)
    #expect(bench.plan.peer(0)?.name == "other.test")
  }
}
