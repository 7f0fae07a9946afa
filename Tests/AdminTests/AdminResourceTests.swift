// Paths, parameters and orders of the admin API, accepted and refused; problems as JSON.
import Controller
import Fleet
import HTTP
import Primitives
import StatusPage
import Testing

@testable import Admin

@Suite struct AdminResourceTests {
  @Test(
    arguments: [
      ("/", .page(.document)), ("/page.css", .page(.style)), ("/page.js", .page(.script)),
      ("/v3/discovery:endpoints", .endpointDiscovery),
      ("/metrics", .metrics), ("/healthz", .health), ("/readyz", .readiness),
      ("/api/v1/pools", .pools), ("/api/v1/reload", .reload), ("/api/v1/upgrade", .upgrade),
      ("/api/v1/openapi.yaml", .openAPI),
      ("/api/v1/p%6Fols", .pools), ("/api/v1/pools/a%2Fb/explain", .explain(pool: "a/b")),
      ("/api/v1/pools/text/set", .pool("text", verb: "set")), ("/api/v1/discovery", .sources),
      ("/api/v1/pools/text/endpoints/[::1]:80", .member("[::1]:80", pool: "text")),
      (
        "/api/v1/pools/text/endpoints/[::1]:80/pin",
        .endpoint("[::1]:80", pool: "text", verb: "pin")
      ),
    ] as [(String, AdminResource)])
  func aPathNames(_ path: String, _ resource: AdminResource) throws {
    #expect(try AdminResource.find(path) == resource)
  }

  @Test(arguments: [
    ("//", 404), ("/api", 404), ("/api/", 404), ("/api/v1", 404), ("/api/v1/", 404),
    ("/api/v2/pools", 404), ("/api/v1/pools/", 404), ("/api/v1/pools/text", 404),
    ("/api/v1/pools/text/pin", 404), ("/api/v1/pools/text/explain/", 404),
    ("/api/v1/pools/text/endpoints/x/freeze", 404), ("/api/v1//pools", 404),
    ("/API/v1/pools", 404), ("/metrics/", 404), ("/..%2fmetrics", 404),
    ("/api/v1/pools/%", 400), ("/api/v1/pools/%zz/set", 400), ("/%00", 400), ("/a%0d%0ab", 400),
    ("/%ff", 400), ("/" + String(repeating: "a", count: 2_048), 414),
    ("/" + String(repeating: "a", count: 2_047), 404),
  ])
  func aPathNamesNothing(_ path: String, _ status: Int) {
    #expect(throws: Problem.self) { try AdminResource.find(path) }
    do throws(Problem) { _ = try AdminResource.find(path) } catch {
      #expect(error.status == status, "\(path)")
    }
  }

  @Test func everyResourceTakesItsMethods() throws {
    for method in Method.allCases {
      let isRead = method == .get || method == .head
      #expect(AdminResource.pools.takes(method) == isRead)
      #expect(AdminResource.reload.takes(method) == (method == .post))
      let isTaken = [.get, .head, .post].contains(method)
      #expect(AdminResource.upgrade.takes(method) == isTaken)
    }
    #expect(AdminResource.pool("a", verb: "set").methods == "POST")
    #expect(AdminResource.endpointDiscovery.methods == "POST")
    #expect(AdminResource.endpointDiscovery.need(of: .post) == .read)
    let member = AdminResource.member("a", pool: "b")
    #expect(
      Method.allCases.filter(member.takes) == [.put, .delete] && member.need(of: .put) == .write)
    #expect(AdminResource.metrics.methods == "GET, HEAD")
  }

  @Test(
    arguments: [
      ("pools/text/freeze", "", .init(pool: "text", .freeze)),
      ("pools/text/freeze", "for=1.5m", .init(pool: "text", .freeze, lasts: .seconds(90))),
      ("pools/text/reset", "", .init(pool: "text", .reset)),
      ("pools/te%78t/set", "law=steps", .init(pool: "text", .set(.law(.steps)))),
      (
        "pools/text/set", "floor=0.5&for=1s",
        .init(pool: "text", .set(.floor(0.5)), lasts: .seconds(1))
      ),
      ("pools/text/set", "slew=1e1", .init(pool: "text", .set(.slew(10)))),
      ("pools/text/set", "dry%5Frun=true", .init(pool: "text", .set(.dryRun(true)))),
      (
        "pools/text/endpoints/10.0.0.1:80/pin", "weight=0",
        .init(pool: "text", endpoint: at, .pin(0))
      ),
      (
        "pools/text/endpoints/10.0.0.1:80/scale", "factor=1000",
        .init(pool: "text", endpoint: at, .scale(1_000))
      ),
      (
        "pools/text/endpoints/10.0.0.1%3A80/drain", "deadline=1m&for=1h",
        .init(
          pool: "text", endpoint: at, .drain, lasts: .seconds(3_600), deadline: .seconds(60))
      ),
      ("pools/text/endpoints/10.0.0.1:80/reset", "", .init(pool: "text", endpoint: at, .reset)),
    ] as [(String, String, TuningRequest)])
  func anOrderIs(_ path: String, _ query: String, _ order: TuningRequest) throws {
    let resource = try AdminResource.find(AdminResource.apiPrefix + path)
    #expect(try TuningRequest(resource, query) == order)
  }

  private static var at: SocketAddress { SocketAddress(bytes: [10, 0, 0, 1], port: 80) }

  @Test(arguments: [
    ("freeze", "for=", "duration"), ("freeze", "for=1", "duration"),
    ("freeze", "for=-1s", "duration"),
    ("freeze", "for=0s", "duration"), ("freeze", "for=8761h", "duration"),
    ("freeze", "for=1s&for=1s", "twice"), ("freeze", "f%6Fr=1s&for=1s", "twice"),
    ("freeze", "colour=red", "no parameter colour"), ("freeze", "weight=1", "no parameter weight"),
    ("freeze", "%zz=1", "escape"), ("freeze", "for=%00", "escape"), ("freeze", "=", "no parameter"),
    ("reset", "for=1s", "no parameter for"), ("set", "", "set what"),
    ("set", "dry_run=1", "set what"),
    ("set", "law=best", "law is one of"), ("set", "law=steps&floor=1", "no parameter floor"),
    ("set", "floor=1.1", "0 to 1"), ("set", "floor=-1", "0 to 1"), ("set", "slew=0", "0.01 to 100"),
    ("endpoints/10.0.0.1:80/pin", "", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=nan", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=inf", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=0x10", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=1e7", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=%201", "weight must be"),
    ("endpoints/10.0.0.1:80/pin", "weight=1+1", "weight must be"),
    ("endpoints/10.0.0.1:80/drain", "deadline=1h&for=1h", "deadline"),
    ("endpoints/10.0.0.1/drain", "", "no address"), ("endpoints/host:80/drain", "", "no address"),
    ("freeze", String(repeating: "a", count: 4_097), "4096 bytes"),
  ])
  func anOrderIsRefused(_ path: String, _ query: String, _ part: String) throws {
    let resource = try AdminResource.find("/api/v1/pools/text/\(path)")
    do throws(Problem) {
      _ = try TuningRequest(resource, query)
      Issue.record("\(query) was taken")
    } catch {
      #expect(error.detail.contains(part), "\(error.detail)")
      #expect((400...414).contains(error.status))
    }
  }

  @Test func aLongTextOfAClientIsNotGivenBackWhole() {
    let long = String(repeating: "x", count: 1_000)
    do throws(Problem) {
      _ = try TuningRequest(.pool("a", verb: "set"), "law=\(long)")
      Issue.record("taken")
    } catch {
      #expect(error.detail.utf8.count < 200)
    }
  }

  @Test func aProblemIsReadBack() throws {
    var problem = Problem(422, "a \"quoted\" \u{1} text")
    problem.errors = ["one\ntwo"]
    let text = String(decoding: problem.json, as: UTF8.self)
    #expect(text.contains(#""type" : "about:blank""#) && text.contains(#""status" : 422"#))
    #expect(text.contains(#""title" : "Unprocessable Content""#))
    #expect(Problem.read(problem.json) == problem)
    #expect(Problem.read(Array("not found\n".utf8)) == nil)
    #expect(!String(decoding: Problem(404, "x").json, as: UTF8.self).contains("errors"))
  }
}
