// `log` and `hooks`: what is read, and what is refused.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct HookKeysTests {
  private func file(_ text: String) -> String {
    "listeners: [{listen: \":80\"}]\npools: {text: {endpoints: [\"10.0.0.1:1\"]}}\n\(text)\n"
  }

  @Test func theLogHasALevelAndAFormat() throws {
    #expect(try load(file("")).fleet.log == LogPolicy())
    for level in LogPolicy.Level.allCases {
      for format in LogPolicy.Format.allCases {
        let log = try load(file("log: {level: \(level.rawValue), format: \(format.rawValue)}"))
        #expect((log.fleet.log.level, log.fleet.log.format) == (level, format))
      }
    }
  }

  @Test func aHookHasDefaults() throws {
    let text = "hooks: [{on: [endpoint_ejected], run: [/bin/true]}]"
    let hooks = try load(file(text)).fleet.hooks
    #expect(hooks == [HookPolicy(events: [.endpointEjected], action: .run(["/bin/true"]))])
    #expect(hooks[0].timeout == .seconds(10) && hooks[0].concurrency == 1)
    #expect(hooks[0].cooldown == .seconds(60) && hooks[0].pools == nil)
  }

  @Test func whatIsPrintedLoadsAgain() throws {
    let text = """
      hooks:
        - on: [endpoint_ejected, endpoint_ready]
          pools: [text]
          run: [/usr/bin/env, "a \\"quoted\\" 'word'", "{endpoint}", "$(rm -rf /)", "a\\nb", "{print}"]
          timeout: 2s
          concurrency: 16
          cooldown: 0s
        - {on: [config_reloaded], post: "http://localhost:9000/x?y=z", pools: any}
        - {on: [pool_recovered], post: "http://[::1]:80"}
        - {on: [pool_recovered], post: "http://127.0.0.1/x"}
      """
    let read = try load(file(text))
    let hooks = read.fleet.hooks
    #expect(try load(read.effective).fleet.hooks == hooks)
    #expect(
      hooks[0].action
        == .run([
          "/usr/bin/env", "a \"quoted\" 'word'", "{endpoint}", "$(rm -rf /)", "a\nb", "{print}",
        ]))
    let addresses = ["127.0.0.1:9000", "[::1]:80", "127.0.0.1:80"]
    let paths = ["/x?y=z", "/", "/x"]
    for (index, hook) in hooks.dropFirst().enumerated() {
      let address = try #require(SocketAddress(addresses[index]))
      #expect(hook.action == .post(.init(address: address, path: paths[index])))
    }
  }

  private static let refused: [(String, String)] = [
    ("log: {level: verbose}", "`level` must be `debug`, `info`, `warning` or `error`"),
    ("log: {format: xml}", "`format` must be `logfmt` or `json`"),
    ("hooks: {}", "`hooks` must be a list"),
    ("hooks: [{run: [/bin/true]}]", "`on` is missing in this hook"),
    ("hooks: [{on: [], run: [/bin/true]}]", "`on` needs at least one item"),
    ("hooks: [{on: [boom], run: [/bin/true]}]", "an event must be `endpoint_ejected`"),
    ("hooks: [{on: [pool_recovered]}]", "a hook has one of `run` and `post`"),
    (
      "hooks: [{on: [pool_recovered], run: [/a], post: \"http://127.0.0.1:1/\"}]",
      "a hook has one of `run` and `post`, not both"
    ),
    ("hooks: [{on: [pool_recovered], run: []}]", "`run` needs at least one item"),
    ("hooks: [{on: [pool_recovered], run: /bin/true}]", "`run` must be a list"),
    (
      "hooks: [{on: [pool_recovered], run: [restart]}]",
      "the first item of `run` must be the whole path of a program"
    ),
    (
      "hooks: [{on: [pool_recovered], run: [/a, \"{endpoit}\"]}]",
      "`run` has no placeholder `{endpoit}`"
    ),
    ("hooks: [{on: [pool_recovered], run: [/a, \"\\0\"]}]", "a word of `run` must be text"),
    (
      "hooks: [{on: [pool_recovered], run: [/a, \"\(String(repeating: "x", count: 1_025))\"]}]",
      "a word of `run` must be text of at most 1024 bytes"
    ),
    ("hooks: [{on: [pool_recovered], post: \"ftp://a/\"}]", "`post` must be a URL like"),
    ("hooks: [{on: [pool_recovered], post: \"http://a.test/\"}]", "is not an IP address"),
    ("hooks: [{on: [pool_recovered], post: \"http://127.0.0.1:0/\"}]", "the port in"),
    ("hooks: [{on: [pool_recovered], post: \"http://127.0.0.1:1/a#b\"}]", "`post` must be a path"),
    ("hooks: [{on: [pool_recovered], run: [/a], pools: [txt]}]", "there is no pool `txt`"),
    ("hooks: [{on: [pool_recovered], run: [/a], pools: []}]", "`pools` needs at least one item"),
    ("hooks: [{on: [pool_recovered], run: [/a], timeout: 1ms}]", "`timeout` must be 100ms to 1h"),
    ("hooks: [{on: [pool_recovered], run: [/a], concurrency: 0}]", "`concurrency` must be"),
    ("hooks: [{on: [pool_recovered], run: [/a], concurrency: 17}]", "`concurrency` must be"),
    ("hooks: [{on: [pool_recovered], run: [/a], cooldown: 25h}]", "`cooldown` must be"),
    ("hooks: [{on: [pool_recovered], run: [/a], shell: true}]", "unknown key `shell`"),
  ]

  @Test(arguments: refused.indices)
  func whatIsWrongIsRefused(_ index: Int) {
    let (text, message) = Self.refused[index]
    let found = messages(file(text))
    #expect(found.contains { $0.contains(message) }, "\(found)")
  }

  @Test func listsHaveAnEnd() {
    let hook = "{on: [pool_recovered], run: [/a]}"
    let many = "hooks: [\(Array(repeating: hook, count: 33).joined(separator: ", "))]"
    #expect(messages(file(many)).contains { $0.contains("`hooks` has more than 32 items") })
    let words = Array(repeating: "/a", count: 65).joined(separator: ", ")
    let long = "hooks: [{on: [pool_recovered], run: [\(words)]}]"
    #expect(messages(file(long)).contains { $0.contains("`run` has more than 64 items") })
  }
}
