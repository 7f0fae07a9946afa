// `${NAME}`, `${NAME:-default}` and `{file: PATH}`.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct VariableTests {
  private static let variables = [
    "PORT": "8080", "N": "4", "EMPTY": "", "HOST": "gpu.example", "API_TOKEN": "hunter2hunter2",
    "BAD": "x\ny", "LONG": String(repeating: "x", count: 600_000), "NESTED": "${N}",
  ]
  private static let files = [
    "n": "6\n", "host": "gpu.example\r\n", "secret": "hunter2hunter2\n", "empty": "",
  ]

  private func load(_ text: String) throws(ConfigurationErrors) -> ConfigurationFile {
    try ConfigurationFile.read(
      Array(text.utf8), path: "a.yaml",
      Surroundings(
        variable: { Self.variables[$0] },
        contents: { path, byteCountMax throws(Surroundings.Unreadable) in
          guard let text = Self.files[path] else { throw .init("no such file") }
          return Array(text.utf8)
        }))
  }

  private func messages(_ text: String) -> [String] {
    do throws(ConfigurationErrors) {
      _ = try load(text)
      return []
    } catch {
      return error.diagnostics.map { "\($0.line):\($0.column): \($0.message)" }
    }
  }

  private func rendered(_ text: String) -> String {
    do throws(ConfigurationErrors) {
      return try load(text).effective
    } catch {
      return error.rendered
    }
  }

  @Test func valuesReplaceVariables() throws {
    let file = try load(
      """
      workers: ${N}
      shutdown_timeout: ${TIMEOUT:-7s}
      listeners: [{listen: "127.0.0.1:${PORT}"}]
      pools:
        a:
          host: "${HOST}"
          endpoints: ["${HOST}:${OTHER:-90}${EMPTY}", "${EMPTY:-10.0.0.1}:1"]

      """)
    #expect(file.fleet.workerCount == 4)
    #expect(file.fleet.shutdownTimeout == .seconds(7))
    #expect(file.fleet.listeners[0].address == .loopback(port: 8080))
    #expect(file.fleet.pools[0].host == "gpu.example")
    #expect(file.fleet.pools[0].names.map(\.description) == ["gpu.example:90"])
    #expect(file.fleet.pools[0].endpoints.map(\.address.description) == ["10.0.0.1:1"])
    #expect(file.effective.contains("workers: 4\n"))
  }

  @Test(arguments: ["a$", "$1", "$$", "$$1", "a$b{c}", "{$}", "$"])
  func anyOtherDollarIsItself(_ text: String) throws {
    let file = try load(pool("health: {headers: {A: \"\(text)\"}}"))
    #expect(file.fleet.pools[0].health?.fields.first?.value == text)
  }

  @Test(arguments: [
    ("$${N}", "${N}"), ("$$${N}", "$${N}"), ("a$${", "a${"), ("${N}$${N}", "4${N}"),
  ])
  func twoDollarsAreTheTextOfAVariable(_ text: String, _ value: String) throws {
    let file = try load(pool("weights: {scrape: [{preset: vllm, path: \"/\(text)\"}]}"))
    #expect(file.fleet.pools[0].weights.scrapes[0].path == "/" + value)
    let again = try load(file.effective)
    #expect(again.fleet == file.fleet)
  }

  @Test func valuesAreNotReplacedAgainAndKeysNotAtAll() throws {
    let file = try load(pool("weights: {scrape: [{preset: vllm, path: \"/${NESTED}\"}]}"))
    #expect(file.fleet.pools[0].weights.scrapes[0].path == "/${N}")
    #expect(
      messages(pool("\"${N}\": 1")) == ["5:5: unknown key `${N}` in pool `a`"])
  }

  @Test func aKeyIsPrintedAsItIs() throws {
    let signal = "{name: x, metric: y, labels: {\"${N}\": \"$${N}\"}}"
    let file = try load(pool("weights: {scrape: [{port: 1, signals: [\(signal)]}]}"))
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(file.effective.contains("{\"${N}\": [\"$${N}\"]}"))
  }

  @Test func whatCannotBeReplacedIsReportedOnce() {
    #expect(
      messages("workers: ${NO}\n" + pool("")) == ["1:10: the environment variable `NO` is not set"])
    for text in ["${}", "${1}", "${A B}", "${N", "${N:}", "${N-4}", "${N:?}"] {
      let found = messages("workers: \"\(text)\"\n" + pool(""))
      #expect(found == ["1:10: `\(text)` is no variable"], "\(text)")
    }
    #expect(
      messages(
        "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"${LONG}\", \"${LONG}\"]}}\n"
      )
      .last?.hasSuffix("have more than 1 MiB") == true)
    #expect(
      rendered("listeners: [{listen: ${PORT}}]\n").contains("a value with `${…}` needs quotes"))
  }

  @Test func aSecretVariableIsNeverShown() throws {
    for text in [
      "workers: ${API_TOKEN}\n" + pool(""), pool("host: \"a b ${API_TOKEN}\""),
      "listeners: [{listen: \"${API_TOKEN}\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n",
      pool("host: ${API_TOKEN}"),
      pool("health: {headers: {Authorization: \"Bearer ${API_TOKEN}\"}}"),
      pool("host: {file: secret}"), pool("balance: {file: secret}"), "workers: {file: secret}\n",
      pool("weights: {scrape: [{preset: vllm, path: {file: secret}}]}"),
    ] {
      #expect(!rendered(text).contains("hunter2"), "\(text)")
    }
    #expect(rendered(pool("host: ${API_TOKEN}")).contains("host: \"${API_TOKEN}\"\n"))
  }

  @Test func aValueCanStandInAFile() throws {
    let file = try load("workers: {file: n}\n" + pool("host: {file: host}"))
    #expect(file.fleet.workerCount == 6)
    #expect(file.fleet.pools[0].host == "gpu.example")
    #expect(file.effective.contains("workers: {file: \"n\"}\n"))
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(
      messages("workers: {file: none}\n" + pool("")) == ["1:17: cannot read `none`: no such file"])
    #expect(messages("workers: {file: empty}\n" + pool("")).count == 1)
  }
}
