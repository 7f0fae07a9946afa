// `shared` and `rate_limits: [{shared: true}]`: what is read, and what is refused.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct SharedKeysTests {
  private func text(_ shared: String, limit: String = "") -> String {
    "listeners: [{listen: \":80\"}]\n" + (shared.isEmpty ? "" : "shared: \(shared)\n")
      + "pools: {a: {endpoints: [\"10.0.0.1:1\"]\(limit.isEmpty ? "" : ", rate_limits: [\(limit)]")}}\n"
  }

  private func shared(_ shared: String) throws -> SharedPolicy? {
    try load(text(shared)).fleet.shared
  }

  @Test func nothingIsSharedUnlessItIsSaid() throws {
    #expect(try shared("") == nil)
    #expect(try shared("none") == nil)
  }

  @Test func aServerHasAnAddressOrAName() throws {
    var expected = SharedPolicy()
    expected.server = .init(host: "10.0.0.5", port: 6_379)
    expected.secret = .environment("S")
    #expect(try shared("{redis: {address: \"10.0.0.5:6379\"}, secret: {env: S}}") == expected)
    expected.server = .init(host: "redis.internal", port: 7_000)
    #expect(
      try shared("{redis: {address: \"Redis.internal:7000\"}, secret: {env: S}}") == expected)
    expected.server = .init(host: "fd00::5", port: 1)
    #expect(try shared("{redis: {address: \"[fd00::5]:1\"}, secret: {env: S}}") == expected)
  }

  @Test func everyKeyIsRead() throws {
    let found = try #require(
      try shared(
        """
        {redis: {sentinel: {name: limits, addresses: ["a.b:26379", "10.0.0.7:26379"],
         username: w, password: {env: W}}, database: 3, username: u, password: {file: /p},
         tls: {ca: /ca.pem}, timeout: 50ms}, secret: {file: /s}, prefix: "lb:", replicas: 5}
        """))
    #expect(found.server == nil)
    #expect(found.sentinel?.name == "limits")
    #expect(
      found.sentinel?.servers == [
        .init(host: "a.b", port: 26_379), .init(host: "10.0.0.7", port: 26_379),
      ])
    #expect(found.sentinel?.login.username == "w")
    #expect(found.sentinel?.login.password == .environment("W"))
    #expect(found.login.username == "u")
    #expect(found.login.password == .file("/p"))
    #expect((found.database, found.prefix, found.replicas) == (3, "lb:", 5))
    #expect(found.timeout == .milliseconds(50))
    #expect(found.tls?.ca == "/ca.pem")
    #expect(found.secret == .file("/s"))
  }

  @Test func whatIsPrintedReadsTheSame() throws {
    let file = try load(
      text(
        "{redis: {address: \"[fd00::5]:1\", password: {env: P}, tls: true}, secret: {env: S}}",
        limit: "{key: none, rate: 10/s, shared: true}"))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test(arguments: [
    ("{redis: {}, secret: {env: S}}", "`address` is missing in `redis`"),
    ("{redis: {address: \"a.b:1\"}}", "`secret` is missing in `shared`"),
    ("{redis: {address: \"a.b:1\"}, secret: abcdefghijklmnop}", "`secret` must be a mapping"),
    ("{redis: {address: \"a.b\"}, secret: {env: S}}", "has no port"),
    (
      "{redis: {address: \"a.b:1\", sentinel: {name: m, addresses: [\"a.b:2\"]}}, secret: {env: S}}",
      "not both"
    ),
    ("{redis: {sentinel: {name: m, addresses: []}}, secret: {env: S}}", "at least one item"),
    ("{redis: {sentinel: {addresses: [\"a.b:2\"]}}, secret: {env: S}}", "`name` is missing"),
    ("{redis: {address: \"a.b:1\", username: u}, secret: {env: S}}", "`username` needs `password`"),
    ("{redis: {address: \"a.b:1\", timeout: 1ms}, secret: {env: S}}", "`timeout` must be"),
    ("{redis: {address: \"a.b:1\"}, secret: {env: S}, prefix: \"a b\"}", "`prefix` must be"),
  ])
  func refuses(shared: String, message: String) {
    #expect(messages(text(shared)).contains { $0.contains(message) }, "\(messages(text(shared)))")
  }

  @Test func aSharedLimitNeedsAStoreAndABurst() {
    let limit = "{key: none, rate: 100/s, burst: 49, shared: true}"
    let store = "{redis: {address: \"a.b:1\"}, secret: {env: S}}"
    #expect(messages(text("", limit: limit)).contains { $0.contains("needs a common store") })
    #expect(messages(text(store, limit: limit)).contains { $0.contains("at least 50") })
    #expect(messages(text(store, limit: "{key: none, rate: 1/h, shared: true}")).isEmpty)
  }
}
