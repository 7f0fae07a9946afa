// `admin`: the address of steelyard's own server, and its tokens.
import Fleet
import Primitives

extension Decoder {
  mutating func decodeAdmin(_ scope: inout Scope) {
    scope.section("admin") { admin in
      admin.read("listen", &fleet.admin, .listenAddress)
      note(fleet.admin, at: admin.node("listen")?.offset)
      fleet.adminTLS = decodeServerTLS(in: &admin, isAdmin: true)
      fleet.adminTokens.read = decodeToken("read_token", in: &admin)
      fleet.adminTokens.write = decodeToken("write_token", in: &admin)
      readyNodes = admin.items("ready_unless_empty") ?? []
      let names = readyNodes.map { $0.scalarText ?? "" }
      admin.put(
        "ready_unless_empty",
        .value(
          "[" + names.map(YAMLText.scalar).joined(separator: ", ") + "]",
          isDefault: !admin.has("ready_unless_empty")))
      let tokens = fleet.adminTokens
      if tokens.read != nil, tokens.read == tokens.write {
        report.error(
          at: admin.offset(of: "write_token"), "`read_token` and `write_token` are the same",
          hint: "who may read could change things too: give each a token of its own")
      }
      let given = ["read_token", "write_token"].first {
        admin.has($0) && !admin.isWord("none", at: $0)
      }
      if let given, fleet.adminTLS == nil, !fleet.admin.isLoopback {
        report.warn(
          at: admin.offset(of: given),
          "tokens come to `\(fleet.admin)` in the clear: anybody on the way can read them",
          hint: "write `tls: {cert: FILE, key: FILE}` in `admin`, or listen on 127.0.0.1")
      }
    }
  }

  mutating func decodeAgentCheck(_ scope: inout Scope) {
    scope.section("agent_check") { section in
      section.read(
        "listen", &fleet.agentCheck, Form<SocketAddress>.listenAddress.or("none"))
      if let address = fleet.agentCheck {
        note(address, at: section.node("listen")?.offset)
      }
    }
  }

  /// Decodes the pools that `ready_unless_empty` names. Call after the pools were decoded.
  mutating func decodeReadiness() {
    let scope = Scope(nil, "`admin`", report)
    fleet.readyUnlessEmpty = readyNodes.compactMap { poolIndex($0, scope) }
  }

  /// `{file: PATH}` or `{env: NAME}`: a token, a password. Absent or `none`: there is none, unless
  /// it is required.
  func decodeToken(
    _ key: String, in scope: inout Scope, isRequired: Bool = false
  ) -> TokenSource? {
    let isNone = !isRequired && scope.isWord("none", at: key)
    guard let node = scope.node(key), !isNone else {
      scope.claim(key, required: isRequired)
      if !isRequired { scope.put(key, .value("none", isDefault: !isNone)) }
      return nil
    }
    guard case .mapping = node.content else {
      scope.claim(key)
      let choice = isRequired ? "a mapping" : "`none` or a mapping"
      report.error(
        at: node.offset, "`\(key)` must be \(choice), not \(node.kindWithoutText)",
        hint: "a secret does not stand in this file: write `{file: PATH}` or `{env: NAME}`")
      return nil
    }
    var source: TokenSource?
    scope.section(key) { source = $0.decodeSource(node, "`\(key)`") }
    return source
  }
}

extension Scope {
  /// `{file: PATH}` or `{env: NAME}`; nil: it is wrong. `node` is the mapping.
  mutating func decodeSource(_ node: Node, _ title: String) -> TokenSource? {
    var file: String?
    var variable: String?
    read("file", &file, Form<String>.text("the path of a file").or("none"))
    read("env", &variable, Form<String>.variableName.or("none"))
    if refused.isEmpty, (file == nil) == (variable == nil) {
      report.error(
        at: node.offset, "\(title) has one of `file` and `env`",
        hint: "write `{file: PATH}` or `{env: NAME}`")
      return nil
    }
    return file.map(TokenSource.file) ?? variable.map(TokenSource.environment)
  }
}

extension Form<String> {
  /// The name of an environment variable.
  fileprivate static var variableName: Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.utf8.enumerated().allSatisfy { index, byte in
          switch byte {
          case 0x41...0x5A, 0x61...0x7A, 0x5F: true
          case 0x30...0x39: index > 0
          default: false
          }
        }
        guard isGood, (1...128).contains(scalar.text.utf8.count), !scalar.isNull else {
          throw .expected("the name of an environment variable: letters, digits and `_`")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }
}
