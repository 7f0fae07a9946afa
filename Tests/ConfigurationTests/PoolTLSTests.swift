// `tls` of the connections that steelyard opens: what pages and checks inherit, hooks, trust, and
// client certificates as keys.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct PoolTLSTests {
  private static let internalCA: ClientTLS = {
    var tls = ClientTLS()
    tls.ca = "/c/ca.pem"
    return tls
  }()

  @Test func aPoolsDefaultsArePrintedAndMarked() throws {
    let file = try load(pool("tls: {cert: /c/a.pem}"))
    #expect(
      file.effective.contains(
        """
            tls:
              ca: system # default
              server_name: auto # default
              cert: /c/a.pem
              key: /c/a.pem # default
              crl: none # default
              min_version: "1.2" # default
              insecure: false # default

        """))
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try !load(file.effective).effective.contains("# default"))
  }

  @Test func aPoolIsReadInFull() throws {
    let text =
      "tls: {ca: /c/ca.pem, server_name: Text.Example, cert: /c/a.pem, key: /c/a.key,"
      + " crl: /c/ca.crl, min_version: \"1.3\"}"
    let file = try load(pool(text))
    var tls = Self.internalCA
    tls.serverName = "text.example"
    tls.certificate = CertificateFiles(certificate: "/c/a.pem", key: "/c/a.key")
    tls.revocations = "/c/ca.crl"
    tls.versionMin = .tls13
    #expect(file.fleet.pools[0].tls == tls)
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try load(pool("tls: true")).fleet.pools[0].tls == ClientTLS())
    #expect(try load(pool("tls: false")).fleet.pools[0].tls == nil)
  }

  /// The pool's `tls`, the rest of the pool, then what the first page, the second page and the
  /// check have.
  private static let inherited: [(String, [Bool])] = [
    ("weights: {scrape: [{preset: vllm}, {preset: node}]}\nhealth: {}", [true, false, true]),
    (
      "weights: {scrape: [{preset: vllm, port: 9}, {preset: node, tls: pool}]}\nhealth: {port: 9}",
      [false, true, false]
    ),
    // The port of the endpoint, by its number.
    ("weights: {scrape: [{preset: vllm, port: 1}]}\nhealth: {port: 1}", [true, true]),
    (
      "weights: {scrape: [{preset: vllm, tls: false}]}\nhealth: {port: 9, tls: {ca: /c/ca.pem}}",
      [false, true]
    ),
    ("health: {type: tcp}\nweights: {scrape: [{preset: vllm}]}", [true, false]),
  ]

  @Test(arguments: inherited) func pagesAndChecksInherit(_ rest: String, _ expected: [Bool]) throws
  {
    let file = try load(pool("tls: {ca: /c/ca.pem}\n" + rest + "\ncanary: {path: /}"))
    let found = file.fleet.pools[0]
    let all = found.weights.scrapes.map(\.tls) + [found.health?.tls]
    #expect(all == expected.map { $0 ? Self.internalCA : nil })
    #expect(found.canary?.tls == Self.internalCA)
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try !load(file.effective).effective.contains("# default"))
    // In a plain pool nothing has TLS by itself.
    let plain = try load(pool(rest)).fleet.pools[0]
    let isSaid = rest.contains("tls: {")
    #expect(plain.weights.scrapes.allSatisfy { $0.tls == nil })
    #expect((plain.health?.tls == nil) == !isSaid)
  }

  @Test func aMovedFirstPageIsPlain() throws {
    func file(_ second: String, _ page: String) -> String {
      """
      listeners: [{listen: ":80"}]
      pools:
        a:
          endpoints: [{address: "10.0.0.1:1", metrics: 8002}, \(second)]
          tls: true
          weights: {scrape: [{\(page)}, {preset: vllm}]}
      """
    }
    let moved = "{address: \"10.0.0.2:1\", metrics: 8002}"
    let pages = try load(file(moved, "preset: triton")).fleet.pools[0].weights.scrapes
    #expect(pages.map(\.tls) == [nil, ClientTLS()])
    let mixed = file("\"10.0.0.2:1\"", "preset: vllm")
    #expect(
      messages(mixed) == [
        "6:24: this page is at the port of some endpoints and at another port of others: it needs"
          + " `tls`"
      ])
    let told = file("\"10.0.0.2:1\"", "preset: vllm, tls: pool")
    #expect(try load(told).fleet.pools[0].weights.scrapes[0].tls == ClientTLS())
  }

  private static let refused: [(String, String)] = [
    ("tls: yes", "5:10: `tls` must be `true`, `false` or a mapping, not `yes`"),
    ("tls: pool", "5:10: `tls` must be `true`, `false` or a mapping, not `pool`"),
    ("tls: {key: a}", "5:16: `key` needs `cert`"),
    ("tls: {crl: a}", "5:16: `crl` needs `ca`"),
    ("tls: {ca: a, insecure: true}", "5:15: `ca` and `insecure: true` exclude each other"),
    ("tls: {server_name: \"a:1\"}", "5:24: `server_name` must be a host name or an IP address"),
    ("tls: {hsts: 1d}", "5:11: unknown key `hsts` in `tls`"),
    ("tls: {verify: false}", "5:11: unknown key `verify` in `tls`"),
    ("health: {type: tcp, tls: true}", "5:30: `tls` needs `type: http`"),
    ("health: {tls: none}", "5:19: `tls` must be `true`, `false`, `pool` or a mapping"),
    (
      "balance: hash\nhash: {client_certificate: cn}",
      "6:32: `client_certificate` must be `subject`"
    ),
    (
      "balance: hash\nhash: {client_certificate: san}",
      "3:3: pool `a` has `client_certificate` as a key, and no listener asks clients for"
    ),
    (
      "rate_limits: [{key: {client_certificate: san}, rate: 1/s}]",
      "3:3: pool `a` has `client_certificate` as a key, and no listener asks clients for"
    ),
    (
      "rate_limits: [{key: {client_certificate: san, header: a}, rate: 1/s}]",
      "5:59: `key` has one of `header` and `client_certificate`"
    ),
  ]

  @Test(arguments: refused) func isRefused(_ text: String, _ message: String) {
    #expect(messages(pool(text)).contains { $0.hasPrefix(message) }, "\(messages(pool(text)))")
  }

  @Test func uncheckedCertificatesAreToldOf() throws {
    let file = try load(pool("tls: {insecure: true}\nhealth: {}"))
    #expect(
      file.warnings.map(\.rendered) == [
        """
        a.yaml:5:21: warning: certificates are not checked: anybody on the way can read and \
        change what is sent
            tls: {insecure: true}
                            ^
        hint: write `ca: FILE` with the authority that signed the servers' certificates
        """
      ])
    #expect(file.fleet.pools[0].health?.tls?.isInsecure == true)
  }

  // MARK: Hooks

  private func hook(_ text: String) -> String {
    pool("") + "hooks: [{on: [endpoint_ready], \(text)}]\n"
  }

  @Test func aHookHasTheTLSOfItsURL() throws {
    let short = try load(hook("post: \"https://10.0.0.9/x\""))
    let target = HookPolicy.WebTarget(
      address: .init("10.0.0.9:443")!, path: "/x", tls: ClientTLS())
    #expect(short.fleet.hooks[0].action == .post(target))
    #expect(short.effective.contains("tls: true # default"))
    #expect(try load(short.effective).fleet == short.fleet)
    let long = try load(hook("post: \"https://10.0.0.9:8443/\", tls: {ca: /c/ca.pem}"))
    guard case .post(let full) = long.fleet.hooks[0].action else { return #expect(Bool(false)) }
    #expect(full.url == "https://10.0.0.9:8443/" && full.tls == Self.internalCA)
    #expect(try load(long.effective).fleet == long.fleet)
    #expect(try load(hook("post: \"http://10.0.0.9/x\"")).effective.contains("tls: false # d"))
  }

  @Test(arguments: [
    ("post: \"http://10.0.0.9/\", tls: true", "`tls` is for URLs with `https`"),
    ("post: \"https://10.0.0.9/\", tls: false", "`post` is a URL with `https`, which is TLS"),
    ("run: [/bin/true], tls: true", "`tls` is for `post`"),
  ])
  func aHookIsRefused(_ text: String, _ message: String) {
    let found = messages(hook(text))
    #expect(found.count == 1 && found[0].hasSuffix(message), "\(found)")
  }

  // MARK: Keys

  @Test func aClientCertificateIsAKey() throws {
    let text = """
      listeners:
        - listen: ":443"
          tls: {cert: a, client_ca: b}
          routes: [{rate_limits: [{key: {client_certificate: subject}, rate: 1/s}]}]
      pools:
        a:
          endpoints: ["10.0.0.1:1"]
          balance: hash
          hash: {client_certificate: san}
          rate_limits: [{key: {client_certificate: san}, rate: 1/s}]
      """
    let file = try load(text)
    #expect(file.fleet.pools[0].hash.source == .clientCertificate(.names))
    #expect(file.fleet.pools[0].rateLimits.map(\.key) == [.clientCertificate(.names)])
    #expect(file.fleet.listeners[0].routes[0].rateLimits[0].key == .clientCertificate(.subject))
    #expect(file.fleet.pools[0].rateLimits[0].key.text == "client_certificate san")
    #expect(try load(file.effective).fleet == file.fleet)
    let plain = text.replacing("tls: {cert: a, client_ca: b}", with: "tls: {cert: a}")
    #expect(
      messages(plain).first
        == "4:28: `client_certificate` needs a listener with `client_ca`, which this one is not")
  }
}
