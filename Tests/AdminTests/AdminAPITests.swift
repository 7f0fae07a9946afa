// The answers of the admin API: status, type and content, and what a request changes.
import Controller
import Fleet
import HTTP
import Metrics
import Primitives
import Status
import StatusPage
import Testing

@testable import Admin

@Suite struct AdminAPITests {
  private static let read = "read-token-0123456789"
  private static let write = "write-token-0123456789"
  private static let pin = "/api/v1/pools/text/endpoints/10.0.0.1:8000/pin?weight=3"

  private static func guarded() -> AdminAPI {
    AdminAPI(access: AdminAccess(readToken: Secret(read.utf8), writeToken: Secret(write.utf8)))
  }

  @Test(
    arguments: [
      ("/", "text/html; charset=utf-8"), ("/page.js", "text/javascript; charset=utf-8"),
      ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
      ("/healthz", "text/plain; charset=utf-8"), ("/readyz", "text/plain; charset=utf-8"),
      ("/sd/prometheus", "application/json"), ("/api/v1/openapi.yaml", "application/yaml"),
      ("/api/v1/pools", "application/json"), ("/api/v1/pools/text/explain", "application/json"),
      ("/api/v1/pools/text/explain?format=text", "text/plain; charset=utf-8"),
      ("/api/v1/status/events", "text/event-stream"),
    ])
  func readingIsAnswered(_ target: String, _ contentType: String) throws {
    let program = try Program()
    let (response, text, lines) = program.ask(AdminAPI(access: AdminAccess()), target)
    #expect(response.status == 200 && response.contentType == contentType)
    #expect(!text.isEmpty && lines == 0)
    #expect(response.isStream == (contentType == "text/event-stream"))
  }

  @Test(
    arguments: [
      ("/api/v1/nothing", .get, nil, 401), ("/api/v1/nothing", .get, read, 404),
      ("/api/v1/pools", .get, nil, 401), ("/api/v1/pools", .post, read, 405),
      ("/api/v1/pools?x=1", .get, read, 400), ("/api/v1/pools/other/explain", .get, read, 404),
      ("/api/v1/pools/text/explain?format=xml", .get, read, 400),
      ("/api/v1/pools/text/explain?detail=x", .get, read, 400),
      ("/api/v1/status", .get, read, 503), ("/api/v1/reload", .post, read, 403),
      ("/healthz", .get, nil, 200), ("/healthz", .post, nil, 405), ("/page.css", .get, nil, 200),
      (pin, .get, write, 405), (pin, .post, nil, 401), (pin, .post, write, 200),
      ("/api/v1/pools/text/endpoints/10.9.9.9:1/drain", .post, write, 404),
      ("/api/v1/pools/text/set?law=none", .post, write, 400),
    ] as [(String, Method, String?, Int)])
  func whatCannotBeIsRefused(
    _ target: String, _ method: Method, _ token: String?, _ status: Int
  ) throws {
    let program = try Program()
    let (response, text, _) = program.ask(Self.guarded(), target, method, token: token)
    #expect(response.status == status)
    if status != 200, status != 503 || target != "/readyz" {
      let problem = Problem.read(response.body)
      #expect(problem?.status == status && problem?.detail.isEmpty == false, "\(text)")
    }
  }

  @Test func aChangeIsInForceAndLeavesALine() throws {
    let program = try Program()
    let done = program.ask(Self.guarded(), Self.pin, .post, token: Self.write)
    #expect(done.response.status == 200 && done.lines == 1)
    #expect(AdminJSON.read(ChangeAnswer.self, done.response.body)?.result == "pin 3.0: in force")
    let pools = program.ask(Self.guarded(), "/api/v1/pools", token: Self.read)
    let pool = try #require(PoolStatus.read(pools.response.body)?.first)
    #expect(pool.endpoints.map(\.effectiveWeight) == [3, 1])
    #expect(pool.endpoints.map(\.weightShare) == [0.75, 0.25])
    let refused = program.ask(Self.guarded(), Self.pin, .post, token: Self.read)
    #expect(refused.response.status == 403 && refused.lines == 1)
  }

  @Test func aReloadSaysWhatChangedOrWhyNot() throws {
    let program = try Program()
    program.reloadResult = .success(["pool text changed"])
    let taken = program.ask(Self.guarded(), "/api/v1/reload", .post, token: Self.write)
    let changes = AdminJSON.read(ReloadChanges.self, taken.response.body)?.changes
    #expect(changes == ["pool text changed"])
    var problem = Problem(422, "the configuration file has errors; nothing was changed")
    problem.errors = ["a.yaml:1:1: error: no"]
    program.reloadResult = .failure(problem)
    let refused = program.ask(Self.guarded(), "/api/v1/reload", .post, token: Self.write)
    #expect(Problem.read(refused.response.body)?.errors == problem.errors)
    #expect(program.reloadResult.refusal == "a.yaml:1:1: error: no")
    #expect(program.reloadCount == 2)
    _ = program.ask(Self.guarded(), "/api/v1/reload", .post, token: Self.read)
    #expect(program.reloadCount == 2)
  }

  @Test func anUpgradeBeginsOrSaysWhyNot() throws {
    let program = try Program()
    let asked = program.ask(Self.guarded(), "/api/v1/upgrade", token: Self.read)
    #expect(
      AdminJSON.read(UpgradeState.self, asked.response.body)?.phase == UpgradeState.Phase.none)
    #expect(asked.lines == 0 && program.upgradeCount == 0)
    let unentitled = program.ask(Self.guarded(), "/api/v1/upgrade", .post, token: Self.read)
    #expect(unentitled.response.status == 403 && program.upgradeCount == 0)
    let begun = program.ask(Self.guarded(), "/api/v1/upgrade", .post, token: Self.write)
    #expect(AdminJSON.read(UpgradeState.self, begun.response.body)?.phase == .starting)
    #expect(begun.lines == 1 && program.upgradeCount == 1)
    program.upgradeRefusal = Problem(409, "an upgrade is in progress; nothing was changed")
    let refused = program.ask(Self.guarded(), "/api/v1/upgrade", .post, token: Self.write)
    #expect(Problem.read(refused.response.body) == program.upgradeRefusal)
    #expect(refused.lines == 1)
    program.upgradeState.phase = .replaced
    let late = program.ask(Self.guarded(), Self.pin, .post, token: Self.write)
    #expect(late.response.status == 503)
    #expect(program.ask(Self.guarded(), "/metrics", token: Self.read).response.status == 200)
  }

  @Test func readinessIsTheProgramsAndThePools() throws {
    let program = try Program()
    let api = AdminAPI(access: AdminAccess())
    #expect(program.ask(api, "/readyz").text == "ready\n")
    program.unreadiness = "ending"
    #expect(program.ask(api, "/readyz").response.status == 503)
    #expect(program.ask(api, "/readyz").text == "not ready: ending\n")
    program.unreadiness = nil
    for endpoint in ["10.0.0.1:8000", "10.0.0.2:8000"] {
      let target = "/api/v1/pools/text/endpoints/\(endpoint)/drain"
      #expect(program.ask(api, target, .post).response.status == 200)
    }
    #expect(
      program.ask(api, "/readyz").text
        == "not ready: no endpoint of pool text may take requests\n")
  }

  @Test func thePageComesUnderItsPolicy() throws {
    let program = try Program()
    for file in StatusPage.allCases {
      let (response, _, _) = program.ask(AdminAPI(access: AdminAccess()), "/" + file.name)
      #expect(response.contentType == file.contentType && response.body == file.content)
      #expect(
        response.fields.contains {
          $0.name == "Content-Security-Policy" && $0.value == StatusPage.policy
        })
    }
  }

  @Test func theStatusIsReadOfTheState() throws {
    let program = try Program()
    let cells = program.state.evidence.block(ofWorker: 0)
    cells.add(5, at: program.state.evidence.index(.inFlight, 1))
    program.state.reload.note(failure: "no such file", wall: .seconds(2))
    let reading = StatusReader(state: program.state).reading()
    #expect(reading.version == "1.2.3" && reading.reloadFailure == "no such file")
    let pool = try #require(reading.pools.first)
    #expect(pool.name == "text" && pool.law == "static" && pool.queue == nil)
    #expect(pool.endpoints.map(\.inFlight) == [0, 5])
    #expect(pool.endpoints.map(\.eligibility) == [.ready, .ready])
    #expect(pool.endpoints.map(\.outage) == [nil, nil])
  }
}
