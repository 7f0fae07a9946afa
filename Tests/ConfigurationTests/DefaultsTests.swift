// `defaults.pool`.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct DefaultsTests {
  private func file(_ defaults: String, _ first: String = "", _ second: String = "") -> String {
    """
    defaults: {pool: \(defaults)}
    listeners: [{listen: ":80", pool: a}]
    pools:
      a: {endpoints: ["10.0.0.1:1"]\(first)}
      b: {endpoints: ["10.0.0.2:1"]\(second)}

    """
  }

  @Test func poolsHaveThemUnlessTheySayOtherwise() throws {
    let loaded = try load(
      file(
        "{balance: random, timeouts: {connect: 1s, idle: 9s}, retries: {max: 3}, "
          + "health: {path: /up, headers: {A: {file: x}}}}",
        ", balance: ip_hash, timeouts: {connect: 2s}",
        ", health: {headers: {A: {env: Y}}}"))
    let pools = loaded.fleet.pools
    #expect(pools.map(\.balance) == [.ipHash, .random])
    #expect(pools.map(\.timeouts.connect) == [.seconds(2), .seconds(1)])
    #expect(pools.map(\.timeouts.idle) == [.seconds(9), .seconds(9)])
    #expect(pools.map(\.retries.retriesMax) == [3, 3])
    #expect(pools.map { $0.health?.path } == ["/up", "/up"])
    #expect(pools.map { $0.health?.fields.first?.source } == [.file("x"), .environment("Y")])
    #expect(!loaded.effective.contains("defaults"))
    #expect(try load(loaded.effective).fleet == loaded.fleet)
  }

  @Test func listsAndOtherKindsAreReplaced() throws {
    let pools = try load(
      file(
        "{rate_limits: [{key: client_ip, rate: 10/s}], health: {path: /up}}",
        ", rate_limits: [], health: none")
    ).fleet.pools
    #expect(pools.map(\.rateLimits.count) == [0, 1])
    #expect(pools.map { $0.health != nil } == [false, true])
  }

  @Test func aFaultIsShownOnceWhereItStands() {
    #expect(
      rendered(file("{blance: random}")) == """
        a.yaml:1:19: error: unknown key `blance` in `defaults.pool`
        defaults: {pool: {blance: random}}
                          ^
        hint: did you mean `balance`?
        """)
    #expect(
      messages(file("{timeouts: {connect: 1}}")) == [
        "1:39: `connect` must be a duration, not `1`"
      ])
    #expect(
      messages(file("{timeouts: {conect: 1s}}")) == ["1:30: unknown key `conect` in `timeouts`"])
  }

  @Test func aFaultOfAPoolIsItsOwn() {
    #expect(
      messages(file("{timeouts: {connect: 1s}}", ", timeouts: {connect: 2}")).map { $0.prefix(2) }
        == ["4:"])
  }

  @Test(arguments: [
    ("{endpoints: [\"10.0.0.1:1\"]}", "1:19: `endpoints` cannot be a default"),
    ("{discover: []}", "1:19: `discover` cannot be a default"),
    ("[]", "1:18: `pool` must be a mapping, not a list"),
    ("1", "1:18: `pool` must be a mapping, not `1`"),
  ])
  func whatCannotBeADefaultIsRefused(_ defaults: String, _ message: String) {
    #expect(messages(file(defaults)) == [message])
  }

  @Test func onlyPoolsHaveDefaults() {
    #expect(
      messages(file("{}").replacing("{pool: {}}", with: "{listener: {}}"))
        == ["1:12: unknown key `listener` in `defaults`"])
  }
}
