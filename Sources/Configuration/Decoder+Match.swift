// `match` of a route: hosts, path, methods, header fields. Two routes with the same conditions are
// an error, because the second one would never be used.
import Fleet
import Primitives

/// One combination of a route's conditions; each may occur once in a listener.
struct RouteKey: Hashable {
  let host: HostPattern?
  let path: PathPattern
  let method: String?
  let fields: Set<FieldCondition>
}

extension Decoder {
  private static let hostsMax = 32
  private static let methodsMax = 8
  private static let fieldsMax = 16

  func decodeMatch(
    _ scope: inout Scope, _ match: inout RouteMatch, _ seen: inout [RouteKey: Int]
  ) {
    var offset = scope.offset(of: "match")
    let errorCount = report.count
    scope.section("match") { section in
      match.hosts = decodeWords("host", .hostPattern, Self.hostsMax, &section)
      decodePath(&match, &section)
      match.methods = decodeWords("method", .methodName, Self.methodsMax, &section)
      match.fields = decodeFields(&section)
      for key in ["path_prefix", "path"] where section.has(key) { offset = section.offset(of: key) }
    }
    // Conditions with errors must not count as a second "any".
    if report.count == errorCount { note(match, at: offset, &seen) }
  }

  // `path` or `path_prefix`; only the one in force is written.
  private func decodePath(_ match: inout RouteMatch, _ section: inout Scope) {
    var path = "/"
    if section.has("path") {
      section.read("path", &path, .path(query: false))
      match.path = .exact(path)
      if let prefix = section.claim("path_prefix") {
        report.error(at: prefix.offset, "a route has `path` or `path_prefix`, not both")
      }
    } else {
      section.read("path_prefix", &path, .path(query: false))
      match.path = .prefix(path)
      _ = section.claim("path")
    }
  }

  // One word or a list of distinct words.
  private func decodeWords<Value: Hashable>(
    _ key: String, _ form: Form<Value>, _ countMax: Int, _ section: inout Scope
  ) -> [Value] {
    var values: [Value] = []
    var nodes: [Node] = []
    if let node = section.claim(key) {
      if case .sequence(let items) = node.content { nodes = items } else { nodes = [node] }
    }
    if nodes.count > countMax {
      report.error(at: nodes[countMax].offset, "`\(key)` has at most \(countMax) items")
    }
    for node in nodes.prefix(countMax) {
      guard let value = section.decode(node, "`\(key)`", form) else { continue }
      if values.contains(value) {
        report.error(at: node.offset, "\(form.write(value)) is already in this list")
      } else {
        values.append(value)
      }
    }
    let outputs = values.map { Output.value(form.write($0), isDefault: false) }
    section.put(key, .value(Output.sequence(outputs).text, isDefault: !section.has(key)))
    return values
  }

  // Header names with their conditions.
  private func decodeFields(_ section: inout Scope) -> [FieldCondition] {
    var outputs: [Output.Entry] = []
    var fields: [FieldCondition] = []
    for entry in section.named("headers") ?? [] {
      let key = entry.key
      let keyNode = Node(
        offset: key.offset, content: .scalar(Scalar(text: key.text, isPlain: true)))
      if fields.count == Self.fieldsMax {
        report.error(at: key.offset, "`headers` has at most \(Self.fieldsMax) entries")
        break
      }
      guard let name = section.decode(keyNode, "the name of a header", .fieldName) else { continue }
      if fields.contains(where: { $0.name == name }) {
        report.error(at: key.offset, "header `\(name)` is already given: names have no case")
        continue
      }
      guard let (test, output) = decodeTest(entry.value, name, section) else { continue }
      fields.append(FieldCondition(name: name, test))
      outputs.append(.init(name, output))
    }
    let isDefault = !section.has("headers")
    section.put("headers", .value(Output.mapping(outputs).text, isDefault: isDefault))
    return fields
  }

  private func decodeTest(
    _ node: Node, _ name: String, _ section: Scope
  ) -> (FieldCondition.Test, Output)? {
    let text = Form<String>.text("text of at most 256 bytes")
    guard case .mapping(let entries) = node.content else {
      return section.decode(node, "header `\(name)`", text).map {
        (.exact($0), .value(text.write($0), isDefault: false))
      }
    }
    var scope = Scope(node, "header `\(name)`", report)
    var test: FieldCondition.Test?
    if scope.has("prefix") {
      test = scope.require("prefix", text).map { .prefix($0) }
      _ = scope.claim("present")
    } else {
      test = scope.require("present", .truth).map { .present($0) }
      _ = scope.claim("prefix")
    }
    if entries.count > 1, scope.has("present"), scope.has("prefix") {
      report.error(
        at: scope.offset(of: "present"), "header `\(name)` has `present` or `prefix`, not both")
    }
    let output = scope.finish()
    return test.map { ($0, output) }
  }

  private func note(_ match: RouteMatch, at offset: Int, _ seen: inout [RouteKey: Int]) {
    var first: Int?
    for host in match.hosts.isEmpty ? [nil] : match.hosts.map({ Optional($0) }) {
      for method in match.methods.isEmpty ? [nil] : match.methods.map({ Optional($0) }) {
        let key = RouteKey(
          host: host, path: match.path, method: method, fields: Set(match.fields))
        if let old = seen[key] { first = first ?? old } else { seen[key] = offset }
      }
    }
    guard let first else { return }
    let line = report.line(of: first, from: offset)
    let kind = if case .exact = match.path { "path" } else { "prefix" }
    let isPathAlone = match.hosts.isEmpty && match.furtherCount == 0
    report.error(
      at: offset,
      "\(Printable.quoted(match.path.text)) is already the \(kind) of the route in \(line)"
        + (isPathAlone ? "" : ", with the same conditions"))
  }
}
