// `tls` of a listener and of `admin`: the certificates that clients are shown, what is offered, and
// which clients have to show one.
import Fleet
import Primitives

extension Decoder {
  private static let certificatesMax = 256

  /// Absent or `none`: connections come in the clear. `isAdmin`: the keys that concern forwarded
  /// requests and browsers are refused.
  func decodeServerTLS(in scope: inout Scope, isAdmin: Bool = false) -> ServerTLS? {
    let isNone = scope.isWord("none", at: "tls")
    guard let node = scope.node("tls"), !isNone else {
      scope.claim("tls")
      scope.put("tls", .value("none", isDefault: !isNone))
      return nil
    }
    guard case .mapping = node.content else {
      scope.claim("tls")
      report.error(
        at: node.offset, "`tls` must be `none` or a mapping, not \(node.kind)",
        hint: "write `tls: {cert: FILE, key: FILE}`")
      return nil
    }
    var tls = ServerTLS(certificates: [])
    scope.section("tls") { section in
      decodeCertificates(&tls, in: &section)
      section.read("min_version", &tls.versionMin, .tlsVersion)
      decodeCiphers(&tls, in: &section)
      section.read("groups", &tls.groups, Form.groups.or("auto"))
      decodeClients(&tls, isAdmin: isAdmin, in: &section)
      decodeTickets(&tls.tickets, in: &section)
      if isAdmin {
        refuseOnAdmin("hsts", in: &section)
      } else {
        section.read("hsts", &tls.strictTransport, Form.strictTransport.or("none"))
      }
    }
    return tls
  }

  // `cert` and `key`, or `certificates`.
  private func decodeCertificates(_ tls: inout ServerTLS, in section: inout Scope) {
    guard section.has("certificates") else {
      section.claim("certificates")
      tls.certificates = decodePair(in: &section).map { [.files($0)] } ?? []
      return
    }
    for key in ["cert", "key"] {
      guard let node = section.claim(key) else { continue }
      report.error(
        at: node.offset, "`tls` has `cert` and `key`, or `certificates`, not both",
        hint: "a pair in the list is written `{cert: FILE, key: FILE}`")
    }
    let nodes = section.items("certificates", required: true) ?? []
    if nodes.count > Self.certificatesMax {
      report.error(
        at: nodes[Self.certificatesMax].offset,
        "`certificates` has at most \(Self.certificatesMax) items",
        hint: "an item `{directory: PATH}` has every pair of a directory")
    }
    var outputs: [Output] = []
    for node in nodes.prefix(Self.certificatesMax) {
      var item = Scope(node, "this certificate", report)
      if item.has("directory") {
        for key in ["cert", "key"] {
          guard let extra = item.claim(key) else { continue }
          report.error(at: extra.offset, "`directory` and `\(key)` exclude each other")
        }
        let directory = item.require("directory", .pemPath("the path of a directory"))
        if let directory { tls.certificates.append(.directory(directory)) }
      } else {
        item.claim("directory")
        if let pair = decodePair(in: &item) { tls.certificates.append(.files(pair)) }
      }
      outputs.append(item.finish().inline)
    }
    section.put("certificates", .sequence(outputs))
  }

  // A pair that has to be there; the key may be in the certificate's file.
  private func decodePair(in scope: inout Scope) -> CertificateFiles? {
    if refuseLoneKey(in: &scope) { return nil }
    guard let certificate = scope.require("cert", .pemPath()) else {
      scope.claim("key")
      return nil
    }
    var key = certificate
    scope.read("key", &key, .pemPath())
    return CertificateFiles(certificate: certificate, key: key)
  }

  /// Reports `key` without `cert`, and declares both then.
  func refuseLoneKey(in scope: inout Scope) -> Bool {
    guard scope.has("key"), !scope.has("cert"), !scope.isWord("none", at: "key") else {
      return false
    }
    scope.claim("cert")
    scope.claim("key")
    report.error(
      at: scope.offset(of: "key"), "`key` needs `cert`",
      hint: "`cert` is the file of the certificate and its chain")
    return true
  }

  // TLS 1.3 has three suites, all good.
  private func decodeCiphers(_ tls: inout ServerTLS, in section: inout Scope) {
    guard tls.versionMin == .tls13 else {
      section.read("ciphers", &tls.ciphers, Form.ciphers.or("auto"))
      return
    }
    guard let node = section.claim("ciphers"), !section.isWord("auto", at: "ciphers") else {
      return
    }
    report.error(
      at: node.offset, "`ciphers` is for TLS 1.2, and `min_version` is 1.3",
      hint: "remove it: every cipher suite of TLS 1.3 is good")
  }

  // Which certificates clients show, and what is sent on of them.
  private func decodeClients(_ tls: inout ServerTLS, isAdmin: Bool, in section: inout Scope) {
    section.read("client_ca", &tls.clientCA, Form<String>.pemPath().or("none"))
    let sent = ["subject_field", "names_field"]
    if isAdmin { for key in sent { refuseOnAdmin(key, in: &section) } }
    guard tls.clientCA != nil || section.refused.contains("client_ca") else {
      for key in ["client_auth", "crl"] + (isAdmin ? [] : sent) {
        guard let node = section.claim(key), !section.isWord("none", at: key) else { continue }
        report.error(
          at: node.offset, "`\(key)` needs `client_ca`",
          hint: "it is the file of the authorities that clients' certificates are checked against")
      }
      return
    }
    section.read("client_auth", &tls.clientAuthentication, .choice)
    section.read("crl", &tls.revocations, Form<String>.pemPath().or("none"))
    if isAdmin { return }
    section.read("subject_field", &tls.subjectField, Form.sentField.or("none"))
    section.read("names_field", &tls.namesField, Form.sentField.or("none"))
    if let name = tls.namesField, name == tls.subjectField {
      report.error(
        at: section.offset(of: "names_field"),
        "`subject_field` and `names_field` are both `\(name)`")
    }
  }

  private func refuseOnAdmin(_ key: String, in section: inout Scope) {
    guard let node = section.claim(key), !section.isWord("none", at: key) else { return }
    report.error(
      at: node.offset, "`\(key)` is for listeners: `admin` forwards no requests",
      hint: "remove it, or write it in the `tls` of a listener")
  }

  // `made`, `none` or `{file: PATH}`.
  private func decodeTickets(_ tickets: inout ServerTLS.TicketKeys, in section: inout Scope) {
    guard let node = section.node("tickets"), case .mapping = node.content else {
      section.read("tickets", &tickets, .ticketKeys)
      return
    }
    var path: String?
    section.section("tickets") { path = $0.require("file", .pemPath()) }
    if let path { tickets = .file(path) }
  }
}

extension Decoder {
  /// Reports pools whose hash or rate limits are by client certificate where no listener asks for
  /// one. Requires: listeners and pools are decoded.
  func requireClientCertificates() {
    guard !fleet.listeners.contains(where: { $0.tls?.clientCA != nil }) else { return }
    for (index, pool) in fleet.pools.enumerated() {
      var isUsed = pool.rateLimits.contains(where: \.key.isOfCertificate)
      if case .clientCertificate = pool.hash.source { isUsed = true }
      guard isUsed else { continue }
      report.error(
        at: offsets.pools[index].name,
        "pool \(Printable.quoted(pool.name)) has `client_certificate` as a key, and no listener"
          + " asks clients for certificates",
        hint: "write `tls: {…, client_ca: FILE}` in a listener")
    }
  }
}

extension RateKey {
  /// Whether the key is of the client's certificate.
  var isOfCertificate: Bool { if case .clientCertificate = self { true } else { false } }
}

extension Form<ServerTLS.TicketKeys> {
  /// The words.
  fileprivate static var ticketKeys: Form {
    Form(
      read: { scalar throws(Misfit) in
        switch scalar.text {
        case "made": return .made
        case "none": return .off
        default:
          throw .expected(
            "`made`, `none` or `{file: PATH}`",
            hint: scalar.text.contains("/") && Printable.isTame(scalar.text)
              ? "write `{file: \(scalar.text)}`" : nil)
        }
      },
      write: {
        switch $0 {
        case .made: "made"
        case .off: "none"
        case .file(let path): "{file: \(YAMLText.scalar(path))}"
        }
      })
  }
}
