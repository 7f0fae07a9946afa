// `tls` of listeners, `admin`, pools, pages, checks and hooks: what is read, what is inherited, and
// what is refused in which words.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct TLSKeysTests {
  /// A file whose listener has this `tls`, in line 1 from column 31 on.
  private func listener(_ tls: String) -> String {
    "listeners: [{listen: \":80\", tls: \(tls)}]\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n"
  }

  private func admin(_ tls: String) -> String {
    "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}\n"
      + "admin: {tls: \(tls)}\n"
  }

  private static let pair = CertificateFiles(certificate: "/c/a.pem", key: "/c/a.key")

  // MARK: Listeners

  @Test func aListenersDefaultsArePrintedAndMarked() throws {
    let file = try load(listener("{cert: /c/a.pem, key: /c/a.key, client_ca: /c/ca.pem}"))
    #expect(
      file.effective.contains(
        """
            tls:
              cert: /c/a.pem
              key: /c/a.key
              min_version: "1.2" # default
              ciphers: auto # default
              groups: auto # default
              client_ca: /c/ca.pem
              client_auth: require # default
              crl: none # default
              subject_field: none # default
              names_field: none # default
              tickets: made # default
              hsts: none # default

        """))
    var tls = ServerTLS(certificates: [.files(Self.pair)])
    tls.clientCA = "/c/ca.pem"
    #expect(file.fleet.listeners[0].tls == tls)
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try !load(file.effective).effective.contains("# default"))
  }

  @Test func aListenerIsReadInFull() throws {
    let file = try load(
      """
      listeners:
        - listen: ":443"
          tls:
            certificates: [{cert: /c/a.pem, key: /c/a.key}, {directory: /c/more}, {cert: /c/b.pem}]
            min_version: "1.2"
            ciphers: "ECDHE+AESGCM:!aNULL:@SECLEVEL=2"
            groups: "X25519:P-256"
            client_ca: /c/ca.pem
            client_auth: optional
            crl: /c/ca.crl
            tickets: {file: /c/tickets}
            subject_field: X-Client-Subject
            names_field: X-Client-Names
            hsts: 180d
      pools: {a: {endpoints: ["10.0.0.1:1"]}}
      """)
    var tls = ServerTLS(certificates: [
      .files(Self.pair), .directory("/c/more"),
      .files(CertificateFiles(certificate: "/c/b.pem", key: "/c/b.pem")),
    ])
    tls.ciphers = "ECDHE+AESGCM:!aNULL:@SECLEVEL=2"
    tls.groups = "X25519:P-256"
    tls.clientCA = "/c/ca.pem"
    tls.clientAuthentication = .optional
    tls.revocations = "/c/ca.crl"
    tls.tickets = .file("/c/tickets")
    tls.subjectField = "x-client-subject"
    tls.namesField = "x-client-names"
    tls.strictTransport = .seconds(180 * 86_400)
    #expect(file.fleet.listeners[0].tls == tls)
    #expect(file.effective.contains("hsts: 180d\n"))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test(arguments: [
    ("{cert: a.pem, min_version: 1.3}", "min_version: \"1.3\""),
    ("{cert: a.pem}", "key: a.pem"),
    ("{cert: a.pem, tickets: none}", "tickets: none"), ("none", "tls: none"),
    ("{cert: a.pem, hsts: 0s}", "hsts: 0s"), ("{cert: a.pem, hsts: 90m}", "hsts: 90m"),
  ])
  func whatIsPrintedLoadsAgain(_ tls: String, _ line: String) throws {
    let file = try load(listener(tls))
    #expect(file.effective.contains(line), "\(file.effective)")
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try !load(file.effective).effective.contains("# default"))
  }

  @Test func theAdminAddressHasTheSameBlock() throws {
    let file = try load(admin("{cert: /c/a.pem, key: /c/a.key, client_ca: ca, crl: b}"))
    var tls = ServerTLS(certificates: [.files(Self.pair)])
    tls.clientCA = "ca"
    tls.revocations = "b"
    #expect(file.fleet.adminTLS == tls)
    #expect(try load(file.effective).fleet == file.fleet)
  }

  private static let refused: [(String, String)] = [
    ("true", "`tls` must be `none` or a mapping, not `true`"),
    ("[a]", "`tls` must be `none` or a mapping, not a list"),
    ("{}", "`cert` is missing in `tls`"),
    ("{key: a}", "`key` needs `cert`"),
    ("{cert: }", "`cert` must be the path of a file, not nothing"),
    ("{cert: a, certificates: [{cert: b}]}", "`tls` has `cert` and `key`, or `certificates`"),
    ("{key: a, certificates: [{cert: b}]}", "`tls` has `cert` and `key`, or `certificates`"),
    ("{certificates: []}", "`certificates` needs at least one item"),
    ("{certificates: [{}]}", "`cert` is missing in this certificate"),
    ("{certificates: [{key: a}]}", "`key` needs `cert`"),
    ("{certificates: [{directory: a, key: b}]}", "`directory` and `key` exclude each other"),
    ("{cert: a, min_version: 1.1}", "`min_version` must be `1.2` or `1.3`, not `1.1`"),
    ("{cert: a, min_version: 1.3, ciphers: AES}", "`ciphers` is for TLS 1.2, and `min_version`"),
    ("{cert: a, ciphers: \"A;B\"}", "`ciphers` must be a list of TLS 1.2 cipher suites"),
    ("{cert: a, ciphers: \"A::B\"}", "`ciphers` must be a list of TLS 1.2 cipher suites"),
    (
      "{cert: a, ciphers: \"A:TLS_AES_128_GCM_SHA256\"}",
      "`TLS_AES_128_GCM_SHA256` is a cipher suite of TLS 1.3: those cannot be chosen"
    ),
    ("{cert: a, groups: \"X25519,P-256\"}", "`groups` must be a list of groups as OpenSSL"),
    (
      "{cert: a, groups: \(String(repeating: "a", count: 257))}",
      "`groups` must be a list of groups as OpenSSL writes it, at most 256 characters"
    ),
    ("{cert: a, client_auth: require}", "`client_auth` needs `client_ca`"),
    ("{cert: a, crl: b}", "`crl` needs `client_ca`"),
    ("{cert: a, subject_field: X-A}", "`subject_field` needs `client_ca`"),
    ("{cert: a, names_field: X-A}", "`names_field` needs `client_ca`"),
    ("{cert: a, client_ca: b, client_auth: none}", "`client_auth` must be `require` or `optional`"),
    (
      "{cert: a, client_ca: b, subject_field: \"a b\"}", "`subject_field` must be a name of letters"
    ),
    (
      "{cert: a, client_ca: b, subject_field: X-Forwarded-Client}",
      "the field `x-forwarded-client` has a meaning of its own on the way to endpoints"
    ),
    ("{cert: a, client_ca: b, names_field: Host}", "the field `host` has a meaning of its own"),
    (
      "{cert: a, client_ca: b, names_field: X-A, subject_field: x-a}",
      "`subject_field` and `names_field` are both `x-a`"
    ),
    ("{cert: a, tickets: /c/t}", "`tickets` must be `made`, `none` or `{file: PATH}`, not `/c/t`"),
    ("{cert: a, tickets: {}}", "`file` is missing in `tickets`"),
    ("{cert: a, hsts: 180}", "`hsts` must be a duration, or `none`, not `180`"),
    ("{cert: a, hsts: 3000d}", "`hsts` must be 0s to 732d, in whole seconds, or `none`"),
    ("{cert: a, cipher: b}", "unknown key `cipher` in `tls`"),
    ("{cert: a, ca: b}", "unknown key `ca` in `tls`"),
  ]

  @Test(arguments: refused) func isRefused(_ tls: String, _ message: String) {
    let found = messages(listener(tls))
    #expect(found.count == 1 && found[0].contains(message), "\(found)")
    #expect(found[0].hasPrefix("1:"))
  }

  @Test(arguments: [
    ("{cert: a, hsts: 1d}", "3:30: `hsts` is for listeners: `admin` forwards no requests"),
    ("{cert: a, client_ca: b, subject_field: X-A}", "3:53: `subject_field` is for listeners"),
    ("{cert: a, names_field: X-A}", "3:37: `names_field` is for listeners"),
    ("{cert: a, client_auth: optional}", "3:37: `client_auth` needs `client_ca`"),
  ])
  func isRefusedOnTheAdminAddress(_ tls: String, _ message: String) {
    let found = messages(admin(tls))
    #expect(found.count == 1 && found[0].hasPrefix(message), "\(found)")
  }

  @Test func aKeyInTheFileIsNotShown() {
    let key = "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMGByqGSM49\\n-----END PRIVATE KEY-----"
    for text in [listener("{cert: a, key: \"\(key)\"}"), pool("tls: {cert: \"\(key)\"}")] {
      let shown = rendered(text)
      #expect(shown.contains("certificates and keys do not stand in this file"))
      #expect(!shown.contains("MIGH"), "\(shown)")
    }
  }
}
