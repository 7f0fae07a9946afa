import Fleet
import Primitives
import Testing

@testable import Configuration

/// Secrets of a file are in no error and not in the effective configuration, whatever is wrong.
@Suite struct SecretTextTests {
  private static let secret = "Zq7xSECRETvalue9"

  /// Files that hold the secret, each with an error somewhere near it.
  private static let files: [String] = [
    pool("health: {headers: {Authorization: \"Bearer \(secret)\"}, intervall: 5s}"),
    pool("health: {headers: {Authorization: Bearer \(secret)}, interval: 5x}"),
    pool("health:\n  headers:\n    X-Anything: \(secret)\t\n  interval: 5x"),
    pool("health:\n  headers:\n    X-Anything: \"\(secret)\\u0001\"\n  interval: 5s"),
    pool("health:\n  headers: {X-Key: '\(secret)', Host: x}"),
    pool("health:\n  headers: \(secret)"),
    pool("health:\n  headers:\n    - \(secret)"),
    pool("health:\n  headers: {Authorization: [\(secret)]}"),
    pool("health:\n  headers: {Authorization: {value: \(secret)}}"),
    pool("health:\n  headers:\n    Authorization: |\n      Bearer\n      \(secret)\n   bad"),
    pool("health:\n  headers:\n    Authorization: \"Bearer \(secret)\n  interval: 5s"),
    pool("health:\n  headers: {Authorization: \"\(secret)\""),
    pool("health: {path: \"/up?api_key=\(secret)\", intervall: 5s}"),
    pool("authorization: Bearer \(secret)"),
    "admin: {read_token: \(secret)}\n" + pool(""),
    "admin: {write_token: {value: \"\(secret)\"}}\n" + pool(""),
    "admin:\n  write_token: \(secret)\n" + pool(""),
    "{\"admin\": {\"read_token\": \"\(secret)\"}, \"listeners\": []}",
    "{\"pools\": {\"a\": {\"health\": {\"headers\": {\"A\": \"\(secret)\"}}, \"x\": 1}}}",
    pool("") + "hooks:\n  - {on: [pool_recovered], post: \"http://u:\(secret)@127.0.0.1/\"}\n",
    pool("") + "hooks:\n  - {on: [nothing], run: [/bin/x, \"Authorization: Bearer \(secret)\"]}\n",
    pool("password: \(secret)"),
    "proxy_password: \(secret): x",
  ]

  @Test(arguments: files)
  func noErrorShowsASecret(_ file: String) {
    let text = rendered(file)
    #expect(!text.isEmpty, "the file loads: it proves nothing\n\(file)")
    #expect(!text.contains(Self.secret), "\(text)")
    #expect(!text.contains(Self.secret.prefix(8)), "\(text)")
    // Place and key are shown.
    #expect(text.contains("a.yaml:"))
  }

  @Test func placeAndKeyAreShownAndTheCaretIsTrue() {
    let text = rendered(
      pool("health: {headers: {Authorization: \"Bearer abcdefghij\"}, intervall: 5s}"))
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines[0].hasSuffix("unknown key `intervall` in `health`"))
    #expect(
      lines[1] == "    health: {headers: {Authorization: \"*****************\"}, intervall: 5s}")
    let caret = lines[2].count - 1
    #expect(lines[1].dropFirst(caret).hasPrefix("intervall"))
  }

  private static let lines: [(String, above: [String], String)] = [
    ("a: b", [], "a: b"),
    ("  key: {header: authorization}", [], "  key: {header: authorization}"),
    ("sticky: {cookie: srv}", [], "sticky: {cookie: srv}"),
    ("read_token: none", [], "read_token: none"),
    ("read_token: {file: /etc/x}", [], "read_token: {file: /etc/x}"),
    ("headers: {A: {env: NAME}, B: c}", [], "headers: {A: {env: NAME}, B: *}"),
    ("match: {headers: {x-tier: gold}}", [], "match: {headers: {x-tier: gold}}"),
    ("match: {headers: {x-api-key: gold}}", [], "match: {headers: {x-api-key: ****}}"),
    ("      x-tier: gold", ["    headers:", "  match:"], "      x-tier: gold"),
    ("      x-tier: gold", ["    headers:", "  health:"], "      x-tier: ****"),
    ("      gold", ["    Authorization: |", "  headers:"], "      ****"),
    ("  a: b # Bearer abcdefgh", [], "  a: b # Bearer ********"),
    ("ssl_key: 'it''s'", [], "ssl_key: '**''s'"),
    ("- X-Auth-Token: abc  # why", [], "- X-Auth-Token: ***  # why"),
    ("", ["headers:"], ""),
  ]

  @Test(arguments: lines.indices)
  func linesKeepAllButSecrets(_ index: Int) {
    let (line, above, expected) = Self.lines[index]
    let masked = SecretText.masked(line: line) { above.indices.contains($0) ? above[$0] : nil }
    #expect(masked == expected)
    #expect(masked.unicodeScalars.count == line.unicodeScalars.count)
  }

  @Test func hostileLinesEndAndKeepTheirLength() {
    var random = RandomSource(seed: 11)
    let alphabet = Array("abK:{}[],'\"\\ #-|\tBearer authorization: headers: \u{E9}\u{1F600}?&=/@")
    for _ in 0..<3_000 {
      let line = String(
        (0..<random.index(below: 60)).map { _ in
          alphabet[random.index(below: alphabet.count)]
        })
      let masked = SecretText.masked(line: line) { $0 < 3 ? line : nil }
      #expect(masked.unicodeScalars.count == line.unicodeScalars.count)
    }
    let long = String(repeating: "headers: {a: ", count: 20_000)
    #expect(SecretText.masked(line: long, above: { _ in nil }).count == long.count)
  }

  @Test func theEffectiveConfigurationShowsNoValue() throws {
    let file = try load(
      pool(
        """
        health:
          path: "/up?token=\(Self.secret)"
          headers:
            Authorization: "Bearer \(Self.secret)"
            X-Team: blue
            X-File: {file: /etc/steelyard/key}
            X-Env: {env: SERVER_KEY}
        """)
        + "hooks: [{on: [pool_recovered], post: \"http://127.0.0.1/\", headers: {K: {env: H}}}]\n")
    #expect(!file.effective.contains(Self.secret) && !file.effective.contains("blue"))
    for part in ["Authorization: \"********\"", "X-File: {file: /etc/steelyard/key, env: none}"] {
      #expect(file.effective.contains(part), "\(file.effective)")
    }
    let fields = try #require(file.fleet.pools[0].health).fields
    #expect(fields[0].value == "Bearer \(Self.secret)" && fields[0].source == nil)
    #expect(fields[2].source == .file("/etc/steelyard/key") && fields[2].value.isEmpty)
    #expect(fields[3].source == .environment("SERVER_KEY"))
    #expect(file.fleet.hooks[0].fields.map(\.source) == [.environment("H")])
  }

  @Test func valuesArePutInPlaceOrNothingIs() throws {
    struct Missing: Error {}
    var fleet = try load(
      pool("health: {headers: {A: {env: ONE}, B: plain}}")
        + "hooks: [{on: [pool_recovered], post: \"http://127.0.0.1/\", headers: {K: {env: TWO}}}]\n"
    ).fleet
    let before = fleet
    #expect(throws: Missing.self) {
      try fleet.readSecrets { source, _ throws(Missing) in
        if source == .environment("TWO") { throw Missing() }
        return "x"
      }
    }
    #expect(fleet == before)
    var asked: [String] = []
    fleet.readSecrets { source, what in
      asked.append(what)
      return "value of \(source)"
    }
    #expect(asked == ["header `A` of the checks of pool `a`", "header `K` of hook 1"])
    #expect(
      fleet.pools[0].health?.fields.map(\.value) == ["value of environment(\"ONE\")", "plain"])
  }
}
