// `discover` of a pool: every kind of source, and what is refused.
import Fleet
import Primitives
import Testing

@testable import Configuration

private func file(_ sources: String, endpoints: String = "") -> String {
  "listeners: [{listen: \":80\"}]\npools:\n  a:\n\(endpoints)    discover:\n"
    + sources.split(separator: "\n").map { "      \($0)\n" }.joined()
}

@Suite struct DiscoveryDecoderTests {
  @Test func everyKindHasItsKeys() throws {
    let fleet = try load(
      file(
        """
        - {file: "/t/*.json", weight: 3, backup: true, interval: 1s}
        - {http: "https://[fd00::1]/sd?a=b", headers: {x-a: b}, empty: accept}
        - {srv: _X._tcp.models.internal., name: records}
        - {consul: vllm, tags: [gpu, big], datacenter: dc1, token: {file: /t/token}}
        - {etcd: /s/, server: "http://etcd.internal:2380", token: {env: TOKEN}}
        - {kubernetes: vllm, namespace: ml, port: http}
        - {kubernetes: vllm, server: "https://api.internal:6443/k", tls: {ca: /ca.pem}}
        """)
    ).fleet
    let sources = fleet.pools[0].sources
    #expect(
      sources.map(\.label) == [
        "file", "http", "records", "consul", "etcd", "kubernetes", "kubernetes-2",
      ])
    #expect(
      sources.map(\.target) == [
        "/t/*.json", "/sd?a=b", "_x._tcp.models.internal", "vllm", "/s/", "vllm", "vllm",
      ])
    #expect(sources[0].template.baseWeight == 3 && sources[0].template.isBackup)
    #expect(sources[0].interval == .seconds(1) && sources[1].interval == .seconds(60))
    #expect(sources[1].tls == ClientTLS() && sources[1].acceptsEmpty)
    #expect(sources[1].server?.port == 443 && sources[1].fields.count == 1)
    #expect(sources[3].server == .init(host: "127.0.0.1", port: 8_500))
    #expect(sources[3].tags == ["gpu", "big"] && sources[3].token == .file("/t/token"))
    #expect(sources[4].server == .init(host: "etcd.internal", port: 2_380))
    #expect(sources[4].token == .environment("TOKEN") && sources[4].tls == nil)
    #expect(sources[5].server == nil && sources[5].namespace == "ml")
    #expect(sources[5].tls?.ca == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
    #expect(sources[6].server == .init(host: "api.internal", port: 6_443, path: "/k"))
    #expect(sources[6].tls?.ca == "/ca.pem")
  }

  @Test func aPoolWithoutEndpointsNeedsSources() throws {
    #expect(try load(file("- {file: /t}")).fleet.pools[0].endpoints.isEmpty)
    let empty = "listeners: [{listen: \":80\"}]\npools: {a: {discover: []}}"
    #expect(try load(empty).fleet.pools[0].sources.isEmpty)
    #expect(rendered("listeners: [{listen: \":80\"}]\npools: {a: {}}").contains("`endpoints`"))
  }

  @Test func theEffectiveConfigurationReadsAsTheSame() throws {
    let text = file(
      """
      - {http: "http://10.0.0.1:8080/sd", timeout: 2s, concurrency: 4}
      - {consul: vllm, tags: [gpu]}
      - {kubernetes: vllm}
      """)
    let first = try load(text)
    #expect(try load(first.effective).fleet == first.fleet)
  }

  @Test(arguments: [
    ("- {}", "a source has one of"), ("- {file: /t, http: \"http://a/\"}", "a source has one of"),
    ("- {http: \"ftp://a/\"}", "a URL like"), ("- {http: \"http://a:0/\"}", "a URL like"),
    ("- {http: \"http://a b/\"}", "a URL like"), ("- {srv: nodots}", "a name like"),
    ("- {srv: \"a..b\"}", "a name like"), ("- {consul: \"a b\"}", "visible"),
    ("- {consul: a, token: secret-in-the-file}", "does not stand in this file"),
    ("- {consul: a, tls: {ca: /x}}", "`tls` is for URLs with `https`"),
    ("- {http: \"https://a/\", tls: false}", "which is TLS"),
    ("- {file: /t, empty: maybe}", "`keep` or `accept`"),
    ("- {file: /t, tags: [x]}", "unknown key"),
    ("- {file: /t, name: x}\n- {http: \"http://a/\", name: x}", "another source"),
    ("- {etcd: a, interval: 1ms}", "`interval`"),
    ("- {etcd: a, name: api}", "no name for a source"),
    ("- {etcd: a, name: list}", "no name for a source"),
  ])
  func whatIsWrongIsSaid(_ source: String, _ words: String) {
    let text = rendered(file(source))
    #expect(text.contains(words) && text.contains("a.yaml:"), "\(text)")
    #expect(!text.contains("secret-in-the-file"))
  }
}
