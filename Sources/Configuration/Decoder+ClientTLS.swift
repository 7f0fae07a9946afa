// `tls` of connections that steelyard opens: to the endpoints of a pool, to their pages and checks,
// to the targets of hooks. A page or check at the port of the endpoint inherits the pool's `tls`;
// at another port it is plain unless the file says otherwise.
import Fleet
import Primitives

/// A value of `tls` that is a word.
enum TLSWord: String, CaseIterable {
  /// TLS with every default.
  case on = "true"
  case off = "false"
  /// The same as the pool's.
  case pool
}

extension Decoder {
  /// Absent: `word`, marked as a default. `pool`: what the word `pool` stands for; nil: the word
  /// is not known here.
  func decodeClientTLS(
    in scope: inout Scope, default word: TLSWord = .off, pool: ClientTLS?? = nil
  ) -> ClientTLS? {
    func value(_ word: TLSWord) -> ClientTLS? {
      switch word {
      case .on: ClientTLS()
      case .off: nil
      case .pool: pool ?? nil
      }
    }
    guard let node = scope.node("tls") else {
      scope.claim("tls")
      scope.put("tls", .value(word.rawValue, isDefault: true))
      return value(word)
    }
    if case .mapping = node.content {
      var tls = ClientTLS()
      scope.section("tls") { decodeClient(&tls, in: &$0) }
      return tls
    }
    scope.claim("tls")
    let words: [TLSWord] = pool == nil ? [.on, .off] : [.on, .off, .pool]
    guard let given = scope.decode(node, "`tls`", Form<TLSWord>.words(words)) else { return nil }
    scope.put("tls", .value(given.rawValue, isDefault: false))
    return value(given)
  }

  private func decodeClient(_ tls: inout ClientTLS, in section: inout Scope) {
    section.read("ca", &tls.ca, Form<String>.pemPath().or("system"))
    section.read("server_name", &tls.serverName, Form<String>.serverName.or("auto"))
    if !refuseLoneKey(in: &section) {
      var (certificate, key): (String?, String?) = (nil, nil)
      section.read("cert", &certificate, Form<String>.pemPath().or("none"))
      key = certificate
      section.read("key", &key, Form<String>.pemPath().or("none"))
      tls.certificate = certificate.map { CertificateFiles(certificate: $0, key: key ?? $0) }
    }
    section.read("crl", &tls.revocations, Form<String>.pemPath().or("none"))
    section.read("min_version", &tls.versionMin, .tlsVersion)
    section.read("insecure", &tls.isInsecure, .truth)
    checkTrust(tls, section)
  }

  private func checkTrust(_ tls: ClientTLS, _ section: Scope) {
    guard tls.isInsecure else {
      if tls.revocations != nil, tls.ca == nil, !section.refused.contains("ca") {
        report.error(
          at: section.offset(of: "crl"), "`crl` needs `ca`",
          hint: "it is the file of the authorities whose revocation lists these are")
      }
      return
    }
    for (key, isGiven) in [("ca", tls.ca != nil), ("crl", tls.revocations != nil)] where isGiven {
      report.error(
        at: section.offset(of: key),
        "`\(key)` and `insecure: true` exclude each other: then nothing is checked",
        hint: "remove `insecure`")
    }
    report.warn(
      at: section.offset(of: "insecure"),
      "certificates are not checked: anybody on the way can read and change what is sent",
      hint: "write `ca: FILE` with the authority that signed the servers' certificates")
  }
}

/// What a page or a check of a pool's endpoints inherits.
struct InheritedTLS {
  /// The pool's.
  let tls: ClientTLS?
  private let ports: Set<UInt16>
  /// Whether an endpoint has its first page at another address than its own, and whether one has
  /// it where the pool says.
  private let hasMovedPage: Bool
  private let hasUnmovedPage: Bool

  /// Where requests to a port arrive: at the ports of the endpoints, at none of them, or both.
  private enum Place { case own, other, mixed }

  init(_ pool: Pool) {
    tls = pool.tls
    let endpoints = pool.endpoints.map { ($0.address.port, $0.metrics) }
    let names = pool.names.map { ($0.port, $0.template.metrics) }
    ports = Set((endpoints + names).map(\.0))
    hasMovedPage = (endpoints + names).contains { $0.1 != nil }
    hasUnmovedPage = (endpoints + names).contains { $0.1 == nil }
  }

  /// `tls` of a request to `port` of each endpoint, nil: its own. `isFirstPage`: the endpoints'
  /// `metrics` apply.
  func read(
    in scope: inout Scope, _ decoder: Decoder, port: UInt16?, isFirstPage: Bool = false
  ) -> ClientTLS? {
    let place = place(port, isFirstPage: isFirstPage)
    if place == .mixed, tls != nil, !scope.has("tls") {
      decoder.report.error(
        at: scope.offset(of: "port"),
        "\(scope.title) is at the port of some endpoints and at another port of others: it needs"
          + " `tls`",
        hint: "write `tls: pool` if it is read with the pool's TLS, `tls: false` if it is plain")
    }
    return decoder.decodeClientTLS(
      in: &scope, default: place == .other ? .off : .pool, pool: .some(tls))
  }

  private func place(_ port: UInt16?, isFirstPage: Bool) -> Place {
    let moved = isFirstPage && hasMovedPage
    if moved, !hasUnmovedPage { return .other }
    guard let port else { return moved ? .mixed : .own }
    guard ports.contains(port) else { return .other }
    return ports.count == 1 && !moved ? .own : .mixed
  }
}

extension Form<TLSWord> {
  /// One of the words, or a mapping.
  fileprivate static func words(_ words: [TLSWord]) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        if let word = words.first(where: { $0.rawValue == scalar.text }), scalar.isPlain {
          return word
        }
        let known = words.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        throw .expected(
          "\(known) or a mapping",
          hint: scalar.text == "none"
            ? "in the clear is `tls: false`" : "with every default it is `tls: true`")
      },
      write: { $0.rawValue })
  }
}
