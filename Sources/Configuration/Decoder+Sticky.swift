// `hash` and `affinity` of a pool: what leads related requests to the same endpoint.
import Fleet
import Primitives

extension Decoder {
  // Absent or `none`: the default, if the policy uses a hash at all.
  func decodeHash(_ pool: inout Pool, in scope: inout Scope) {
    let isUsed = pool.balance == .hash || pool.balance == .ipHash
    let isNone = scope.isWord("none", at: "hash")
    guard isUsed else {
      let node = scope.claim("hash")
      scope.put("hash", .value("none", isDefault: !isNone))
      if let node, !isNone, !scope.refused.contains("balance") {
        report.error(
          at: node.offset, "`hash` is of no use with `balance: \(pool.balance.rawValue)`",
          hint: "it is for `balance: hash` and `balance: ip_hash`")
      }
      return
    }
    // `hash: path` is short for the mapping.
    if scope.isWord("path", at: "hash") {
      let offset = scope.claim("hash")?.offset ?? 0
      pool.hash.source = .path
      scope.put("hash", HashKeys.output(ofPath: pool.hash.loadFactor))
      if pool.balance == .ipHash { report.error(at: offset, HashKeys.uselessMessage) }
      return
    }
    var isReadable = true
    if let node = scope.node("hash") {
      if case .mapping = node.content {} else { isReadable = false }
    }
    let anchor = scope.offset(of: scope.has("hash") ? "hash" : "balance")
    scope.section("hash") { section in
      var keys = HashKeys()
      keys.read(in: &section)
      section.read("load_factor", &pool.hash.loadFactor, .number(1...10))
      pool.hash.source = keys.given.first
      if isReadable { check(keys, pool.balance, section, anchor) }
    }
  }

  private func check(_ keys: HashKeys, _ balance: BalancePolicy, _ section: Scope, _ anchor: Int) {
    let names = HashKeys.names + ["path"]
    if names.contains(where: section.refused.contains) { return }
    let offset = names.first(where: section.has).map { section.offset(of: $0) } ?? anchor
    switch (balance, keys.given.count) {
    case (.ipHash, 0), (.hash, 1): break
    case (.ipHash, _): report.error(at: offset, HashKeys.uselessMessage)
    case (_, 0):
      report.error(
        at: offset, "`balance: hash` needs `hash` with what is hashed",
        hint: "such as `hash: {header: x-user}`, `{cookie: NAME}`, `{query: NAME}` or `path`")
    default:
      report.error(
        at: offset,
        "`hash` has one of `header`, `cookie`, `query`, `path` and `client_certificate`")
    }
  }

  // Absent or `none`: no cookie.
  func decodeAffinity(_ pool: inout Pool, in scope: inout Scope) {
    let isNone = scope.isWord("none", at: "affinity")
    guard scope.has("affinity"), !isNone else {
      _ = scope.claim("affinity")
      scope.put("affinity", .value("none", isDefault: !isNone))
      return
    }
    var policy = AffinityPolicy(cookie: "")
    scope.section("affinity") { section in
      policy.cookie = section.require("cookie", .token("the name of a cookie")) ?? ""
      section.read("max_age", &policy.maxAge, .duration(.zero ... .seconds(31_536_000)))
      section.read("path", &policy.path, .cookiePath)
      section.read("same_site", &policy.sameSite, .choice)
      section.read("secure", &policy.secure, .choice)
      if policy.sameSite == .none, policy.secure != .always, !section.refused.contains("secure") {
        report.error(
          at: section.offset(of: "same_site"), "`same_site: none` needs `secure: true`",
          hint: "browsers drop such a cookie without it")
      }
    }
    pool.affinity = policy
  }

  // Backups need a primary that they can replace.
  func requirePrimary(_ pool: Pool, _ scope: Scope) {
    let all = pool.endpoints + pool.names.map(\.template)
    guard !all.isEmpty, pool.sources.isEmpty, all.allSatisfy(\.isBackup) else { return }
    report.error(
      at: scope.offset(of: "endpoints"), "every endpoint of this pool is a `backup`",
      hint: "leave `backup` out of those that are to be used first")
  }
}

/// The keys of `hash`, of which exactly one is given.
private struct HashKeys {
  static let uselessMessage = "`balance: ip_hash` takes the client's address, `hash` names no key"

  private var header: String?
  private var cookie: String?
  private var query: String?
  private var path = false
  private var certificate: ClientCertificatePart?

  static let names = ["header", "cookie", "query", "client_certificate"]

  mutating func read(in scope: inout Scope) {
    scope.read("header", &header, Form<String>.token("the name of a field").or("none"))
    scope.read("cookie", &cookie, Form<String>.token("the name of a cookie").or("none"))
    scope.read("query", &query, Form<String>.parameter.or("none"))
    scope.read("path", &path, .truth)
    scope.read("client_certificate", &certificate, Form<ClientCertificatePart>.choice.or("none"))
  }

  /// The full form of `hash: path`.
  static func output(ofPath loadFactor: Double) -> Output {
    .mapping(
      names.map { .init($0, .value("none", isDefault: true)) } + [
        .init("path", .value("true", isDefault: false)),
        .init("load_factor", .value(Decimal.text(loadFactor), isDefault: true)),
      ])
  }

  var given: [HashSource] {
    [
      header.map(HashSource.header), cookie.map(HashSource.cookie), query.map(HashSource.query),
      path ? .path : nil, certificate.map(HashSource.clientCertificate),
    ].compactMap { $0 }
  }
}

extension Form<String> {
  /// A token (RFC 9110 §5.6.2) of at most 64 bytes.
  fileprivate static func token(_ what: String) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.utf8.allSatisfy { byte in
          switch byte {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
          default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
          }
        }
        guard isGood, (1...64).contains(scalar.text.utf8.count), !scalar.isNull else {
          throw .expected("\(what): 1 to 64 letters, digits or `!#$%&'*+-.^_|~`")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// The name of a query parameter as in a request: visible ASCII except `&`, `=`, `#`.
  fileprivate static var parameter: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text.utf8
        let isGood = text.allSatisfy { (0x21...0x7E).contains($0) && !"&=#".utf8.contains($0) }
        guard isGood, (1...64).contains(text.count), !scalar.isNull else {
          throw .expected(
            "the name of a query parameter", hint: "other characters are written as in a URL: `%20`"
          )
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// A path that is allowed in a cookie's attribute (RFC 6265 §4.1.1).
  fileprivate static var cookiePath: Form {
    let path = Form.path(query: false)
    return Form(
      read: { scalar throws(Misfit) in
        let text = try path.read(scalar)
        guard !text.utf8.contains(UInt8(ascii: ";")), text.utf8.count <= 256 else {
          throw .expected("a path of at most 256 characters without `;`")
        }
        return text
      },
      write: path.write)
  }
}
