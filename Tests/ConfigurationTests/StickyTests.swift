// `hash`, `affinity` and `backup`: what is read, what is refused and in which words.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct StickyTests {
  @Test(
    arguments: [
      ("hash: {header: X-User}", .header("X-User")), ("hash: {cookie: id}", .cookie("id")),
      ("hash: {query: a%20b}", .query("a%20b")), ("hash: path", .path),
      ("hash: {path: true, load_factor: 2}", .path),
      ("hash: {header: none, cookie: __Host-id}", .cookie("__Host-id")),
    ] as [(String, HashSource)])
  func aHashIsOf(text: String, source: HashSource) throws {
    let file = try load(pool("balance: hash\n" + text))
    #expect(file.fleet.pools[0].hash.source == source)
    #expect(file.fleet.pools[0].hash.loadFactor == (text.contains("load_factor") ? 2 : 1.25))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func ipHashTakesALoadFactor() throws {
    let file = try load(pool("balance: ip_hash\nhash: {load_factor: 1}"))
    #expect(file.fleet.pools[0].hash.loadFactor == 1)
    #expect(try load(pool("balance: ip_hash")).fleet.pools[0].hash == HashPolicy())
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func anAffinityIsReadInFull() throws {
    let short = try load(pool("affinity: {cookie: sid}")).fleet.pools[0].affinity
    #expect(short == AffinityPolicy(cookie: "sid"))
    let text = "affinity: {cookie: s, max_age: 1h, path: /a, same_site: none, secure: true}"
    let file = try load(pool(text))
    let policy = try #require(file.fleet.pools[0].affinity)
    #expect(policy.maxAge == .seconds(3_600) && policy.path == "/a")
    #expect(policy.sameSite == .none && policy.secure == .always)
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try load(pool("affinity: none")).fleet.pools[0].affinity == nil)
  }

  @Test(arguments: [
    ("", AffinityPolicy.Secure.auto), (", secure: auto", .auto), (", secure: true", .always),
    (", secure: false", .never),
  ])
  func aCookieIsForHTTPSAlone(_ text: String, _ expected: AffinityPolicy.Secure) throws {
    let file = try load(pool("affinity: {cookie: sid\(text)}"))
    #expect(file.fleet.pools[0].affinity?.secure == expected)
    #expect(file.effective.contains("secure: \(expected.rawValue)"))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func aBackupIsAnEndpointThatWaits() throws {
    let text =
      "listeners: [{listen: \":80\"}]\n"
      + "pools: {a: {endpoints: [\"10.0.0.1:1\", {address: \"10.0.0.2:1\", backup: true}]}}"
    #expect(try load(text).fleet.pools[0].endpoints.map(\.isBackup) == [false, true])
  }

  @Test(
    arguments: [
      ("balance: hash", ["5:14: `balance: hash` needs `hash` with what is hashed"]),
      ("balance: hash\nhash: {}", ["6:11: `balance: hash` needs `hash` with what is hashed"]),
      (
        "balance: hash\nhash: {path: false}",
        ["6:18: `balance: hash` needs `hash` with what is hashed"]
      ),
      ("balance: hash\nhash: header", ["6:11: `hash` must be a mapping, not `header`"]),
      (
        "balance: hash\nhash: {header: a, cookie: b}",
        ["6:20: `hash` has one of `header`, `cookie`, `query`, `path` and `client_certificate`"]
      ),
      (
        "balance: ip_hash\nhash: {header: a}",
        ["6:20: `balance: ip_hash` takes the client's address, `hash` names no key"]
      ),
      (
        "balance: ip_hash\nhash: path",
        ["6:11: `balance: ip_hash` takes the client's address, `hash` names no key"]
      ),
      ("hash: {header: a}", ["5:11: `hash` is of no use with `balance: least_request`"]),
      (
        "balance: random\nhash: path",
        ["6:11: `hash` is of no use with `balance: random`"]
      ),
      (
        "balance: nix\nhash: path",
        [
          "5:14: `balance` must be `round_robin`, `least_request`, `random`, `ip_hash` or `hash`,"
            + " not `nix`"
        ]
      ),
      (
        "balance: hash\nhash: {header: \"a b\"}",
        [
          "6:20: `header` must be the name of a field: 1 to 64 letters, digits or "
            + "`!#$%&'*+-.^_|~`, or `none`, not `\"a b\"`"
        ]
      ),
      (
        "balance: hash\nhash: {query: \"a=b\"}",
        ["6:19: `query` must be the name of a query parameter, or `none`, not `\"a=b\"`"]
      ),
      (
        "balance: hash\nhash: {path: true, load_factor: 0.9}",
        ["6:37: `load_factor` must be 1 to 10, not `0.9`"]
      ),
      ("affinity: {}", ["5:5: `cookie` is missing in `affinity`"]),
      ("affinity: sid", ["5:15: `affinity` must be a mapping, not `sid`"]),
      (
        "affinity: {cookie: \"a;b\"}",
        [
          "5:24: `cookie` must be the name of a cookie: 1 to 64 letters, digits or "
            + "`!#$%&'*+-.^_|~`, not `\"a;b\"`"
        ]
      ),
      (
        "affinity: {cookie: a, path: \"/;x\"}",
        ["5:33: `path` must be a path of at most 256 characters without `;`, not `\"/;x\"`"]
      ),
      (
        "affinity: {cookie: a, same_site: none}",
        ["5:38: `same_site: none` needs `secure: true`"]
      ),
      (
        "affinity: {cookie: a, max_age: 1000d}",
        ["5:36: `max_age` must be a duration, not `1000d`"]
      ),
    ] as [(String, [String])])
  func isRefused(text: String, expected: [String]) {
    #expect(messages(pool(text)) == expected, "\(text)")
  }

  @Test func aPoolOfBackupsHasNobodyToTakeOverFrom() {
    let text =
      "listeners: [{listen: \":80\"}]\n"
      + "pools: {a: {endpoints: [{address: \"10.0.0.2:1\", backup: true}]}}"
    #expect(messages(text) == ["2:24: every endpoint of this pool is a `backup`"])
  }
}
