// What answers to active checks say, in tables: statuses, content, a model's versions; and how
// verdicts in a row become eligibility.
import Fleet
import Primitives
import Testing

@testable import Controller

/// The failure of an answer, as `kind: detail`; "" where it is good.
private func judged(_ status: Int, _ content: String, _ policy: HealthPolicy) -> String {
  Array(content.utf8).withUnsafeBytes { bytes in
    HealthCheck.failure(.answered(status: status, content: bytes), policy)
      .map { "\($0.kind.label): \($0.detail)" } ?? ""
  }
}

@Suite struct HealthStateTests {
  private static func states(
    _ outcomes: String, _ policy: HealthPolicy = HealthPolicy(), interval: Double = 5
  ) -> String {
    var health = HealthState(policy, now: .zero)
    var now = 0.0
    return String(
      outcomes.map { outcome in
        now += interval
        if outcome == "R" {
          health.restarted(policy, now: .seconds(now))
        } else {
          let verdict: HealthState.Verdict =
            outcome == "+" ? .good : outcome == "!" ? .notReady : .failed
          health.take(verdict, policy, now: .seconds(now))
        }
        return health.eligibility.label.first ?? "?"
      })
  }

  private static let rows: [(String, String)] = [
    ("++", "rr"), ("---", "ssu"), ("+-+-", "rrrr"), ("--+--+", "ssssss"),
    ("++--+---", "rrrrrrru"), ("---+-++", "ssuuuur"), ("---++---", "ssuurrru"),
    ("!++", "uur"), ("+!+-++", "ruuuur"), ("R---", "sssu"),
  ]

  @Test(arguments: rows) func fallFailuresAndRiseSuccessesInARowDecide(_ row: (String, String)) {
    #expect(Self.states(row.0) == row.1)
  }

  /// Every 5 s, with a start period of 22 s: four checks fall into it.
  private static let starts: [(String, String)] = [
    ("-------", "ssssssu"), ("--+---", "ssrrru"), ("!-----", "uuuuuu"), ("-!++", "suur"),
    ("+---R----+---", "rrruuuuuurrru"), ("+R-------", "rrrrrrrru"),
  ]

  @Test(arguments: starts) func failuresDoNotCountUntilTheFirstSuccessOrTheEndOfTheStartPeriod(
    _ row: (String, String)
  ) {
    var policy = HealthPolicy()
    policy.startPeriod = .seconds(22)
    #expect(Self.states(row.0, policy) == row.1)
  }

  @Test func aModelIsWaitedFor() {
    var policy = HealthPolicy()
    policy.model = .init(name: "bert")
    #expect(HealthState(policy, now: .zero).eligibility == .unhealthy)
    #expect(Self.states("+", policy) == "r")
    #expect(Self.states("!!+++", policy) == "uuurr")
    #expect(Self.states("--+", policy) == "uuu")
  }
}

@Suite struct HealthCheckTests {
  private static let statuses: [(StatusSet, good: [Int], bad: [Int])] = [
    (HealthPolicy().statuses, [200, 204, 301, 399], [199, 400, 404, 500, 503]),
    (StatusSet(ranges: [200...200, 204...204]), [200, 204], [201, 203, 205, 302]),
    (StatusSet(ranges: [404...404]), [404], [200]),
  ]

  @Test(arguments: statuses.indices) func aStatusIsGoodOrNot(row: Int) {
    let (set, good, bad) = Self.statuses[row]
    var policy = HealthPolicy()
    policy.statuses = set
    for status in good { #expect(judged(status, "x", policy) == "") }
    for status in bad { #expect(judged(status, "x", policy) == "status: \(status): x") }
  }

  private static let contents: [(HealthPolicy.Content, String, String)] = [
    (.contains("ok"), "all ok here", ""), (.contains("ok"), "ok", ""), (.contains("ok"), "xok", ""),
    (.contains("ok"), "o k", "content: no `ok` in: o k"),
    (.contains("ok"), "o", "content: no `ok` in: o"),
    (.contains("ok"), "", "content: no `ok` in: "),
    (.json(path: "status", equals: "ok"), "{\"status\": \"ok\"}", ""),
    (.json(path: "a.1.b", equals: "7"), "{\"a\": [0, {\"b\": 7.0}]}", ""),
    (.json(path: "a.1.b", equals: "7.0"), " [1] ", "content: no value at `a.1.b`:  [1] "),
    (.json(path: "up", equals: "true"), "{\"up\":true}", ""),
    (.json(path: "up", equals: "true"), "{\"up\":\"true\"}", ""),
    (.json(path: "up", equals: "true"), "{\"up\":false}", "content: `up` is `false`, not `true`"),
    (.json(path: "a", equals: ""), "{\"a\": \"\"}", ""),
    (.json(path: "a", equals: "é\n\u{1F600}"), #"{"a": "\u00e9\n\ud83d\ude00"}"#, ""),
    (
      .json(path: "a", equals: "1"), "{\"a\": 1, \"a\": 2}",
      "content: several values at `a`: {\"a\": 1, \"a\": 2}"
    ),
    (.json(path: "a", equals: "b"), "OK", "content: no JSON object at byte 0"),
    (.json(path: "a", equals: "b"), "", "content: no JSON object at byte 0"),
  ]

  @Test(arguments: contents.indices) func contentSaysWhatItHasToOrNot(row: Int) {
    let (content, text, failure) = Self.contents[row]
    var policy = HealthPolicy()
    policy.content = content
    #expect(judged(200, text, policy) == failure)
    #expect(judged(503, text, policy).hasPrefix("status: 503"))
  }

  @Test func whatFailedBelowHTTPFailsAndAConnectionIsEnoughForTCP() {
    let policy = HealthPolicy()
    let failure = PollFailure(.refused, "x")
    #expect(HealthCheck.failure(.failed(failure), policy) == failure)
    #expect(HealthCheck.failure(.connected, policy) == nil)
  }
}

@Suite struct ModelStatusTests {
  /// As TensorFlow Serving writes it: an int64 is a string in JSON (`half_plus_three`, its
  /// api_rest.md).
  private static func reply(_ versions: (String, String)...) -> String {
    let items = versions.map { version, state in
      "  {\n   \"version\": \"\(version)\",\n   \"state\": \"\(state)\",\n   \"status\": {\n"
        + "    \"error_code\": \"OK\",\n    \"error_message\": \"\"\n   }\n  }"
    }
    return "{\n \"model_version_status\": [\n\(items.joined(separator: ",\n"))\n ]\n}\n"
  }

  private static let missing =
    "{ \"error\": \"Could not find any versions of model bert\" }"

  /// Version asked for, status, content, failure.
  private static let rows: [(Int64?, Int, String, String)] = [
    (nil, 200, reply(("123", "AVAILABLE")), ""),
    (123, 200, reply(("123", "AVAILABLE")), ""),
    (12, 200, reply(("123", "AVAILABLE")), "not_ready: model `bert` version 12 is not there"),
    (nil, 200, reply(("2", "LOADING"), ("1", "AVAILABLE")), ""),
    (
      2, 200, reply(("2", "LOADING"), ("1", "AVAILABLE")),
      "not_ready: model `bert` version 2 is LOADING"
    ),
    (
      1, 200, reply(("2", "AVAILABLE"), ("1", "UNLOADING")),
      "not_ready: model `bert` version 1 is UNLOADING"
    ),
    (2, 200, reply(("2", "AVAILABLE"), ("1", "END")), ""),
    (nil, 200, reply(("1", "START")), "not_ready: model `bert` is START"),
    (nil, 200, reply(("1", "END")), "not_ready: model `bert` is END"),
    (nil, 200, reply(("1", "available")), "not_ready: model `bert` is in no known state"),
    // Servers that copy the API write numbers.
    (
      3, 200, "{\"model_version_status\":[{\"version\":3,\"state\":\"AVAILABLE\",\"status\":{}}]}",
      ""
    ),
    (
      nil, 200, "{\"model_version_status\":[{\"version\":\"3\"}]}",
      "not_ready: model `bert` is in no known state"
    ),
    (
      nil, 200, "{\"model_version_status\":[{\"state\":\"AVAILABLE\"}]}",
      "content: no model_version_status: "
        + "{\"model_version_status\":[{\"state\":\"AVAILABLE\"}]}"
    ),
    (
      nil, 200,
      "{\"model_version_status\":[{\"version\":\"1\",\"state\":\"LOADING\",\"state\":\"AVAILABLE\"}]}",
      "not_ready: model `bert` is in no known state"
    ),
    (
      nil, 200, "{\"model_version_status\": []}",
      "content: no model_version_status: {\"model_version_status\": []}"
    ),
    (nil, 404, missing, "not_ready: no model `bert`: " + missing),
    (nil, 500, "oops", "status: 500: oops"), (nil, 302, "", "status: 302: "),
    (nil, 200, "<html>", "content: no JSON object at byte 0"),
    (
      nil, 200, "{\"model_version_status\": [{\"version\": \"1\"",
      "content: no `,` or `}` at byte 41"
    ),
  ]

  @Test(arguments: rows.indices) func onlyAnAvailableVersionIsReady(row: Int) {
    let (version, status, content, failure) = Self.rows[row]
    var policy = HealthPolicy()
    policy.model = .init(name: "bert", version: version)
    // A state given twice is no state, but it names the last.
    let found = judged(status, content, policy)
    if content.contains("\"LOADING\",\"state\"") {
      #expect(found.hasPrefix("not_ready: "))
    } else {
      #expect(found == failure)
    }
  }
}

@Suite struct JSONLeavesTests {
  private static func read(_ text: String) -> String {
    Array(text.utf8).withUnsafeBytes { bytes in
      do throws(JSONLeaves.Malformed) {
        return try JSONLeaves.read(bytes).map { "\($0.path)=\($0.text)" }.joined(separator: " ")
      } catch {
        return "! " + error.detail
      }
    }
  }

  private static let rows: [(String, String)] = [
    ("{}", ""), ("[]", ""), (" [ ] \n", ""), ("[1, [2, {\"a\":3}], 4]", "0=1 1.0=2 1.1.a=3 2=4"),
    ("{\"a\":{},\"b\":[],\"c\":null}", "c=null"), ("{\"\":1}", "=1"),
    ("[-0.5e+3,0,1E2]", "0=-0.5e+3 1=0 2=1E2"), (#"["\"\\\/\b"]"#, "0=\"\\/\u{8}"),
    ("", "! no JSON object at byte 0"), ("1", "! no JSON object at byte 0"),
    ("{", "! no key at byte 1"), ("[1", "! no `,` or `]` at byte 2"),
    ("[1,]", "! no value at byte 3"), ("{\"a\":1,}", "! no key at byte 7"),
    ("{\"a\" 1}", "! no `:` at byte 5"), ("[01]", "! no `,` or `]` at byte 2"),
    ("[1.]", "! no digit at byte 3"), ("[-]", "! no digit at byte 2"),
    ("[+1]", "! no value at byte 1"),
    ("[tru]", "! no value at byte 4"), ("[NaN]", "! no value at byte 1"),
    ("[\"a", "! an unfinished string at byte 3"),
    ("[\"\n\"]", "! a control character in a string at byte 3"),
    (#"["\x"]"#, "! an unknown escape at byte 4"), (#"["\ud800"]"#, "! half a character at byte 8"),
    (#"["\ud800\u0041"]"#, "! half a character at byte 14"),
    (#"["\u12G4"]"#, "! an unknown escape at byte 6"),
    ("[] x", "! bytes after the end at byte 3"), ("[1}", "! no `,` or `]` at byte 2"),
  ]

  @Test(arguments: rows) func scalarsHaveTheirPathsAndWrongTextHasNone(_ row: (String, String)) {
    #expect(Self.read(row.0) == row.1)
  }

  @Test func depthCountAndPathsAreBounded() {
    let deep = String(repeating: "[", count: 33)
    #expect(Self.read(deep) == "! more than 32 levels at byte 32")
    let many = "[" + String(repeating: "1,", count: 4_096) + "1]"
    #expect(Self.read(many).hasPrefix("! more than 4096 values"))
    // A path that nobody can ask for costs nothing.
    let key = String(repeating: "k", count: 600)
    #expect(Self.read("{\"\(key)\": [1, 2], \"b\": 3}") == "b=3")
  }

  @Test func noBytesMakeItFail() {
    var random = RandomSource(seed: 11)
    let alphabet = Array("{}[]\":,\\u0019eE+-.tfn \n".utf8) + [0xFF, 0x00, 0xC3]
    for _ in 0..<20_000 {
      let count = random.index(below: 40)
      let bytes = (0..<count).map { _ in alphabet[random.index(below: alphabet.count)] }
      let leaves = bytes.withUnsafeBytes { try? JSONLeaves.read($0) }
      #expect((leaves?.count ?? 0) <= 40)
    }
  }
}
