// What is allowed, but hardly meant: it is said, and the file loads.
import Testing

@testable import Configuration

@Suite struct WarningTests {
  private func warnings(_ text: String, programs: Set<String> = []) throws -> [String] {
    try ConfigurationFile.read(
      Array(text.utf8), path: "a.yaml", Surroundings(isProgram: { programs.contains($0) })
    )
    .warnings.map { "\($0.line):\($0.column): \($0.severity.rawValue): \($0.message)" }
  }

  @Test func aPoolWithoutARouteIsToldOf() throws {
    let text = """
      listeners:
        - listen: ":80"
          routes: [{pool: b}, {match: {path_prefix: /x}, respond: {status: 204}}]
      pools:
        a: {endpoints: ["10.0.0.1:1"]}
        b: {endpoints: ["10.0.0.1:1"]}
      """
    #expect(try warnings(text) == ["5:3: warning: no route leads to pool `a`"])
  }

  @Test func aHooksProgramThatIsNotThereIsToldOf() throws {
    let text = pool("") + "hooks:\n  - {on: [endpoint_unhealthy], run: [/bin/page, a]}\n"
    #expect(
      try warnings(text) == ["7:38: warning: `/bin/page` is no program that can be run here"])
    #expect(try warnings(text, programs: ["/bin/page"]) == [])
  }

  @Test(arguments: [
    ("listen: \"0.0.0.0:9900\", read_token: {env: A}", true),
    ("listen: \"127.0.0.1:9900\", read_token: {env: A}", false),
    ("listen: \"0.0.0.0:9900\"", false),
    ("listen: \"0.0.0.0:9900\", read_token: {env: A}, tls: {cert: /c/a.pem}", false),
  ])
  func tokensInTheClearAreToldOf(admin: String, isToldOf: Bool) throws {
    let told =
      "6:45: warning: tokens come to `0.0.0.0:9900` in the clear: anybody on the way can read them"
    #expect(try warnings(pool("") + "admin: {\(admin)}\n") == (isToldOf ? [told] : []))
  }

  @Test(arguments: [
    (":443", "tls: {cert: a}", "https://{host}{path}", true),
    (":8443", "tls: {cert: a}", "https://{host}:8443{path}", true),
    (":8443", "tls: {cert: a}", "https://{host}{path}", false),
    (":443", "tls: {cert: a}", "https://{host}/new{path}", false),
    (":80", "tls: none", "https://{host}{path}", false),
    (":80", "tls: none", "http://{host}{path}", true),
  ])
  func aRedirectToItselfIsToldOf(
    listen: String, tls: String, location: String, isToldOf: Bool
  ) throws {
    let text = """
      listeners:
        - listen: "\(listen)"
          \(tls)
          routes: [{match: {path_prefix: /a}, redirect: {location: "\(location)"}}, {pool: a}]
      pools: {a: {endpoints: ["10.0.0.1:1"]}}
      """
    let told = "4:51: warning: this redirect leads to its own listener, without end"
    #expect(try warnings(text) == (isToldOf ? [told] : []))
  }

  @Test(arguments: [(0, true), (1, true), (2, false), (3, false)])
  func retriesThatEndBeforeTheBackupsAreToldOf(max: Int, isToldOf: Bool) throws {
    let text = """
      listeners: [{listen: ":80"}]
      pools:
        a:
          endpoints:
            ["10.0.0.1:1", "10.0.0.2:1", {address: "10.0.0.3:1", backup: true}]
          retries: {max: \(max)}
      """
    let told =
      "6:14: warning: pool `a`: a request that fails at each of the 2 primaries is not tried at a "
      + "backup: `retries.max` is \(max)"
    #expect(try warnings(text) == (isToldOf ? [told] : []))
  }

  @Test(arguments: Example.names) func examplesHaveNone(_ name: String) throws {
    #expect(try ConfigurationFile.read(Example.bytes(name), path: "a").warnings == [])
  }

  @Test func aWarningIsPrintedAsOne() throws {
    let text = pool("") + "  b: {endpoints: [\"10.0.0.1:1\"]}\n"
    let file = try load(text.replacing("{listen: \":80\"}", with: "{listen: \":80\", pool: a}"))
    #expect(
      file.warnings.map(\.rendered) == [
        """
        a.yaml:6:3: warning: no route leads to pool `b`
          b: {endpoints: ["10.0.0.1:1"]}
          ^
        hint: its endpoints are scraped and checked, but get no request
        """
      ])
  }
}
