// `canary`: what the keys give, what is refused, and that what is printed loads again.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct CanaryKeysTests {
  @Test func thereIsNoneUnlessTheFileSaysSo() throws {
    for text in ["", "canary: none"] {
      #expect(try load(pool(text)).fleet.pools[0].canary == nil)
    }
    #expect(try load(pool("")).effective.contains("canary: none # default"))
    #expect(try load(pool("canary: {path: /}")).fleet.pools[0].canary == CanaryPolicy())
  }

  @Test func everyKeyIsReadAndWritten() throws {
    let file = try load(
      pool(
        """
        canary:
          method: POST
          path: /v1/completions?a=b
          host: "a.b:80"
          headers: {Content-Type: application/json, Authorization: "Bearer a b", X-K: {env: K}}
          body: '{"prompt": "höi\\n", "max_tokens": 1}'
          timeout: 1500ms
        """))
    var expected = CanaryPolicy()
    expected.method = .post
    expected.path = "/v1/completions?a=b"
    expected.host = "a.b:80"
    expected.fields = [
      .init(name: "Content-Type", value: "application/json"),
      .init(name: "Authorization", value: "Bearer a b"),
      .init(name: "X-K", source: .environment("K")),
    ]
    expected.content = "{\"prompt\": \"höi\\n\", \"max_tokens\": 1}"
    expected.timeout = .milliseconds(1_500)
    #expect(file.fleet.pools[0].canary == expected)
    #expect(!file.effective.contains("Bearer"))
    var shown = file.fleet
    for index in 0..<2 { shown.pools[0].canary?.fields[index].value = SecretText.mask }
    #expect(try load(file.effective).fleet == shown)
  }

  @Test func theDefaultsAreMarked() throws {
    let effective = try load(pool("canary: {path: /x}")).effective
    let lines = effective.split(separator: "\n").map { $0.drop { $0 == " " } }
    let start = try #require(lines.firstIndex(of: "canary:"))
    #expect(
      lines[(start + 1)...].prefix(6) == [
        "method: GET # default", "path: /x", "host: address # default", "headers: {} # default",
        "body: none # default", "timeout: 10s # default",
      ])
  }

  private static let good = [
    "canary: {path: /, method: POST, body: \"a\\tb\\r\\nc\\u2028\\u0085\"}",
    "canary: {path: /, method: POST, body: ' '}",
    "canary: {path: /, method: POST}", "canary: {path: /, method: HEAD, body: none}",
    "canary:\n  path: /\n  method: POST\n  body: |\n    {\"a\": 1}\n\n    # b",
  ]

  @Test(arguments: good) func whatIsPrintedLoadsAgain(text: String) throws {
    let file = try load(pool(text))
    let again = try load(file.effective)
    #expect(again.fleet == file.fleet)
    #expect(!again.effective.contains("# default"))
  }

  private static let content = "text of 1 to 65536 bytes, or `none`"
  private static let bad: [(String, [String])] = [
    ("{}", ["5:5: `path` is missing in `canary`"]),
    ("[]", ["5:13: `canary` must be a mapping, not a list"]),
    ("", ["5:12: `canary` has no value"]),
    ("{path: x}", ["5:20: `path` must be a path, not `x`"]),
    (
      "{path: \"/ HTTP/1.1\\r\\nX: y\"}",
      [
        "5:20: `path` must be a path of at most 2048 visible ASCII characters, without `#`, "
          + "not `\"/ HTTP/1.1\\u{D}\\u{A}X: y\"`"
      ]
    ),
    (
      "{path: /, method: PUT}",
      ["5:31: `method` must be `GET`, `HEAD`, `OPTIONS` or `POST`, not `PUT`"]
    ),
    ("{path: /, body: x}", ["5:29: `body` needs `method: POST`"]),
    ("{path: /, method: GET, body: x}", ["5:42: `body` needs `method: POST`"]),
    (
      "{path: /, method: POST, body: {a: 1}}",
      ["5:43: `body` must be \(content), not a mapping"]
    ),
    ("{path: /, method: POST, body: \"\"}", ["5:43: `body` must be \(content), not empty text"]),
    ("{path: /, method: POST, body: ~}", ["5:43: `body` must be \(content), not nothing"]),
    (
      "{path: /, method: POST, body: \"a\\0b\"}",
      ["5:43: `body` must be \(content), not `\"a\\u{0}b\"`"]
    ),
    (
      "{path: /, headers: {content-length: 5}}",
      ["5:33: header `content-length` is set by steelyard"]
    ),
    ("{path: /, headers: {Host: x}}", ["5:33: header `Host` is set by steelyard"]),
    (
      "{path: /, headers: {Transfer-Encoding: chunked}}",
      ["5:33: header `Transfer-Encoding` is set by steelyard"]
    ),
    (
      "{path: /, headers: {a: \"x\\r\\ny: z\"}}",
      [
        "5:36: header `a` must be 1 to 1024 bytes of visible ASCII, or `{file: PATH}` or "
          + "`{env: NAME}`, not text"
      ]
    ),
    ("{path: /, timeout: 0s}", ["5:32: `timeout` must be 1ms to 24h, not `0s`"]),
    ("{path: /, statuses: 200}", ["5:23: unknown key `statuses` in `canary`"]),
  ]

  @Test(arguments: bad) func whatMakesNoSenseIsRefused(_ row: (String, [String])) {
    #expect(messages(pool("canary: " + row.0)) == row.1)
  }

  @Test func aBodyHasAnEnd() throws {
    func text(_ count: Int) -> String {
      pool("canary: {path: /, method: POST, body: \(String(repeating: "x", count: count))}")
    }
    #expect(try load(text(65_536)).fleet.pools[0].canary?.content?.utf8.count == 65_536)
    #expect(messages(text(65_537)).count == 1)
  }

  @Test func secretsAreReadForTheCanaryToo() throws {
    var fleet = try load(pool("canary: {path: /, headers: {A: {env: K}}}")).fleet
    var asked: [String] = []
    fleet.readSecrets { _, what in
      asked.append(what)
      return "value"
    }
    #expect(asked == ["header `A` of the canary of pool `a`"])
    #expect(fleet.pools[0].canary?.fields[0].value == "value")
  }
}
