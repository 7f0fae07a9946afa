// The request of a health check and the conditions of a good answer: statuses, content, model,
// fields, the service of gRPC.
import Fleet
import Primitives

extension Decoder {
  /// Decodes the keys of `health` that describe the request and a good answer.
  func decodeCheck(
    _ health: inout HealthPolicy, _ inherited: InheritedTLS, in scope: inout Scope
  ) {
    scope.read("type", &health.kind, .choice)
    scope.read("path", &health.path, .path(query: true))
    scope.read("port", &health.port, Form.port.or("endpoint"))
    scope.read("method", &health.method, .choice)
    scope.read("host", &health.host, Form.hostField.or("address"))
    let isCall = health.kind == .grpc
    health.fields = decodeFields(
      "headers", in: &scope, reserved: isCall ? ["content-type", "te", "grpc-timeout"] : [])
    health.tls =
      health.kind == .tcp
      ? decodeClientTLS(in: &scope) : inherited.read(in: &scope, self, port: health.port)
    decodeStatuses(&health.statuses, in: &scope)
    decodeContent(&health, in: &scope)
    decodeModel(&health, in: &scope)
    scope.read("service", &health.service, .serviceName)
    refuseForeignKeys(health, in: scope)
    if health.kind == .http, health.content != nil, health.method == .head {
      report.error(
        at: scope.offset(of: "body"), "the answer to HEAD has no content",
        hint: "use `method: GET`")
    }
    if health.kind == .http, health.model != nil {
      for key in ["path", "method", "statuses", "body"]
      where scope.has(key) && !scope.isDefaultCheck(key, health) {
        report.error(
          at: scope.offset(of: key), "`model` says by itself what is asked and what is good",
          hint: "remove `\(key)`")
      }
    }
  }

  /// Refuses keys of other types of checks.
  private func refuseForeignKeys(_ health: HealthPolicy, in scope: Scope) {
    func isForeign(_ key: String) -> Bool {
      scope.has(key) && !scope.isWord("none", at: key) && !scope.isDefaultCheck(key, health)
    }
    if health.kind != .grpc, isForeign("service") {
      report.error(at: scope.offset(of: "service"), "`service` needs `type: grpc`")
    }
    let (keys, reason): ([String], String) =
      switch health.kind {
      case .http: ([], "")
      case .tcp:
        (
          ["path", "method", "host", "headers", "statuses", "body", "model", "tls"],
          "a TCP check only connects"
        )
      case .grpc:
        (["path", "method", "statuses", "body", "model"], "a gRPC check calls grpc.health.v1")
      }
    for key in keys where isForeign(key) {
      report.error(at: scope.offset(of: key), "`\(key)` needs `type: http`: \(reason)")
    }
  }

  private func decodeStatuses(_ set: inout StatusSet, in scope: inout Scope) {
    let node = scope.claim("statuses")
    if let node {
      let helper = Scope(nil, "", report)
      var ranges: [ClosedRange<Int>?] = []
      if case .sequence(let items) = node.content {
        ranges = items.map { helper.decode($0, "a status", .statuses()) }
        if items.isEmpty || items.count > 64 {
          report.error(at: node.offset, "`statuses` needs 1 to 64 items")
          ranges = [nil]
        }
      } else {
        ranges = [helper.decode(node, "`statuses`", .statuses())]
      }
      if !ranges.contains(nil) { set = StatusSet(ranges: ranges.compactMap(\.self)) }
    }
    let items = set.ranges.map {
      Output.value(Form<ClosedRange<Int>>.statuses().write($0), isDefault: node == nil)
    }
    scope.put("statuses", items.count == 1 ? items[0] : Output.sequence(items).inline)
  }

  private func decodeContent(_ health: inout HealthPolicy, in scope: inout Scope) {
    guard let node = scope.claim("body"), !scope.isWord("none", at: "body") else {
      scope.put("body", .value("none", isDefault: !scope.has("body")))
      return
    }
    var body = Scope(node, "`body`", report)
    let text = Form<String>.text("text of 1 to 256 bytes")
    if body.has("contains") {
      if let found = body.require("contains", text) { health.content = .contains(found) }
      for key in ["json", "equals"] {
        guard let extra = body.claim(key) else { continue }
        report.error(at: extra.offset, "`contains` and `\(key)` exclude each other")
      }
    } else if body.has("json") {
      let path = body.require("json", text)
      let equals = body.require("equals", .scalarText)
      if let path, let equals { health.content = .json(path: path, equals: equals) }
      _ = body.claim("contains")
    } else {
      for key in ["contains", "json", "equals"] { _ = body.claim(key) }
      report.error(
        at: node.offset, "`body` needs `contains`, or `json` and `equals`",
        hint: "such as `{json: status, equals: ok}`")
    }
    scope.put("body", body.finish())
  }

  private func decodeModel(_ health: inout HealthPolicy, in scope: inout Scope) {
    guard let node = scope.claim("model"), !scope.isWord("none", at: "model") else {
      scope.put("model", .value("none", isDefault: !scope.has("model")))
      return
    }
    var section = Scope(node, "`model`", report)
    let name = section.require("name", .modelName)
    var version: Int64?
    section.read("version", &version, Form.modelVersion.or("any"))
    scope.put("model", section.finish())
    if let name { health.model = HealthPolicy.Model(name: name, version: version) }
  }
}

extension Scope {
  /// Whether the file's value for the key equals the default.
  fileprivate func isDefaultCheck(_ key: String, _ health: HealthPolicy) -> Bool {
    let plain = HealthPolicy()
    return switch key {
    case "path": health.path == plain.path
    case "method": health.method == plain.method
    case "host": health.host == nil
    case "headers": health.fields.isEmpty
    case "statuses": health.statuses == plain.statuses
    case "body": health.content == nil
    case "model": health.model == nil
    case "tls": health.tls == nil
    case "service": health.service.isEmpty
    default: false
    }
  }
}

extension Form<String> {
  /// Text that may stand between two slashes of a path without encoding (RFC 3986 §3.3).
  fileprivate static var modelName: Form {
    visible("the name of a model", max: 256, refuses: " /?#:%\"<>\\^`{|}")
  }

  /// The full name of a service of gRPC, or nothing.
  fileprivate static var serviceName: Form {
    let name = visible("the name of a gRPC service", max: 256, refuses: "")
    return Form(
      read: { scalar throws(Misfit) in scalar.text.isEmpty ? "" : try name.read(scalar) },
      write: YAMLText.scalar)
  }

  /// A word, a number, `true`: anything that a JSON value can be compared with.
  fileprivate static var scalarText: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        guard text.utf8.count <= 256,
          !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { throw .expected("text of at most 256 bytes") }
        return text
      },
      write: YAMLText.quoted)
  }

  static func visible(_ what: String, max: Int, refuses: String) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let bytes = scalar.text.utf8
        guard !scalar.isNull, (1...max).contains(bytes.count),
          bytes.allSatisfy({ (0x21...0x7E).contains($0) && !refuses.utf8.contains($0) })
        else { throw .expected(what) }
        return scalar.text
      },
      write: YAMLText.scalar)
  }
}

extension Form<Int64> {
  /// The version of a model.
  fileprivate static var modelVersion: Form {
    Form(
      read: { scalar throws(Misfit) in
        guard Decimal.isInteger(scalar.text), let version = Int64(scalar.text), version >= 0 else {
          throw .expected("a version such as `3`")
        }
        return version
      },
      write: { "\($0)" })
  }
}
