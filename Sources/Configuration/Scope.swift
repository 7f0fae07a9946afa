// One mapping of the file while it is decoded. A key is declared once, by reading it: that one call
// decodes and checks the value, keeps the default where there is none, writes the value for the
// effective configuration, and makes the key one of those an unknown key is compared with.

/// A mapping node, or the absence of one (then every value is its default).
package struct Scope {
  package let report: Report
  /// What this is, for messages: "pool `text`".
  var title: String
  /// Where a missing key is reported.
  private let anchor: Int
  private let entries: [String: Node.Entry]
  /// False where there is no mapping to have keys in; the reason is already reported.
  private let isMapping: Bool
  private var declared: [String] = []
  private var missing: [String] = []
  /// Keys whose value was refused; checks between keys leave them out.
  package private(set) var refused: Set<String> = []
  private var outputs: [Output.Entry] = []

  /// A node that is no mapping is reported here. `anchor` is where missing keys are reported, nil
  /// for the node itself.
  package init(_ node: Node?, _ title: String, anchor: Int? = nil, _ report: Report) {
    self.report = report
    self.title = title
    self.anchor = anchor ?? node?.offset ?? 0
    if let node, case .mapping(let entries) = node.content {
      self.entries = Dictionary(entries.map { ($0.key.text, $0) }, uniquingKeysWith: { a, _ in a })
      isMapping = true
    } else {
      if let node { Self.complain(node, title, "a mapping", empty: "{}", report) }
      entries = [:]
      isMapping = false
    }
  }

  /// Declares a key and gives its value's node, nil where it is absent. For keys that no other
  /// method fits; the caller writes the output with `put`.
  @discardableResult
  package mutating func claim(_ key: String, required: Bool = false) -> Node? {
    declared.append(key)
    if required, !has(key) { missing.append(key) }
    return entries[key]?.value
  }

  /// The key's value, nil where it is absent. The key is to be declared by another call.
  package func node(_ key: String) -> Node? { entries[key]?.value }

  /// Whether this is a mapping all of whose keys are declared by now.
  var isUnderstood: Bool { isMapping && entries.keys.allSatisfy(declared.contains) }

  /// Whether the mapping has no keys at all.
  package var isEmpty: Bool { entries.isEmpty }

  /// Whether the file gives the key.
  package func has(_ key: String) -> Bool { entries[key] != nil }

  /// Where the key's value stands, else the key of the scope.
  package func offset(of key: String) -> Int { entries[key]?.value.offset ?? anchor }

  /// Writes a value for the effective configuration.
  package mutating func put(_ key: String, _ output: Output) { outputs.append(.init(key, output)) }

  /// Reads a scalar; where the key is absent or wrong, `value` stays what it is: the default.
  package mutating func read<Value>(_ key: String, _ value: inout Value, _ form: Form<Value>) {
    let node = claim(key)
    if let node {
      if let given = decode(node, "`\(key)`", form) { value = given } else { refused.insert(key) }
    }
    put(key, .value(form.write(value), isDefault: node == nil))
  }

  /// Reads a scalar that has no default; nil where it is missing or wrong.
  package mutating func require<Value>(_ key: String, _ form: Form<Value>) -> Value? {
    guard let node = claim(key, required: true),
      let value = decode(node, "`\(key)`", form)
    else { return nil }
    put(key, .value(form.write(value), isDefault: false))
    return value
  }

  /// Reads a mapping below this one; absent, its values are the defaults.
  package mutating func section(_ key: String, _ body: (inout Scope) -> Void) {
    let node = claim(key)
    var scope = Scope(node, "`\(key)`", anchor: entries[key]?.key.offset, report)
    body(&scope)
    put(key, scope.finish())
  }

  /// The items of a list, nil where the key is absent or no list.
  package mutating func items(_ key: String, required: Bool = false) -> [Node]? {
    guard let node = claim(key, required: required) else { return nil }
    guard case .sequence(let items) = node.content else {
      Self.complain(node, "`\(key)`", "a list", empty: required ? nil : "[]", report)
      return nil
    }
    if required, items.isEmpty {
      report.error(at: node.offset, "`\(key)` needs at least one item")
    }
    return items
  }

  /// The entries of a mapping whose keys are names that the operator chose; nil as for `items`.
  mutating func named(_ key: String, required: Bool = false) -> [Node.Entry]? {
    guard let node = claim(key, required: required) else { return nil }
    guard case .mapping(let entries) = node.content else {
      Self.complain(node, "`\(key)`", "a mapping", empty: required ? nil : "{}", report)
      return nil
    }
    if required, entries.isEmpty {
      report.error(at: node.offset, "`\(key)` needs at least one entry")
    }
    return entries
  }

  /// A scalar that has no key of its own; `name` is what the message calls it. nil: reported.
  package func decode<Value>(_ node: Node, _ name: String, _ form: Form<Value>) -> Value? {
    decode(node, name, form, isSecret: false)
  }

  /// The same where no error may show the text.
  func decodeSecret<Value>(_ node: Node, _ name: String, _ form: Form<Value>) -> Value? {
    decode(node, name, form, isSecret: true)
  }

  private func decode<Value>(
    _ node: Node, _ name: String, _ form: Form<Value>, isSecret: Bool
  ) -> Value? {
    // A form that has no use for a null gets one that it cannot read, and says what it expects.
    let scalar: Scalar
    switch node.content {
    case .unusable: return nil
    case .scalar(let found): scalar = found
    default: scalar = Scalar(text: "", isPlain: true)
    }
    do throws(Misfit) {
      return try form.read(scalar)
    } catch {
      let variable = scalar.text.contains("${") ? YAMLDocument.variableHint : nil
      switch error {
      case .expected(let what, let hint):
        let kind = isSecret ? node.kindWithoutText : node.kind
        report.error(
          at: node.offset, "\(name) must be \(what), not \(kind)", hint: variable ?? hint)
      case .problem(let message, let hint):
        report.error(at: node.offset, message, hint: variable ?? hint)
      }
    }
    return nil
  }

  /// Reports unknown and missing keys. No key is declared after this. Requires: called once.
  package consuming func finish() -> Output {
    var meant: Set<String> = []
    let unused = declared.filter { !has($0) }
    for entry in entries.values where !declared.contains(entry.key.text) {
      let key = entry.key
      let suggestion =
        Suggestion.best(for: key.text, among: unused)
        ?? Suggestion.best(for: key.text, among: declared)
      if let suggestion { meant.insert(suggestion) }
      report.error(
        at: key.offset, "unknown key \(Printable.quoted(key.text)) in \(title)",
        hint: suggestion.map { "did you mean `\($0)`?" }
          ?? "its keys are \(Suggestion.names(declared))")
    }
    // A key that is there but misspelt is one error, not two.
    for key in missing where isMapping && !meant.contains(key) {
      report.error(at: anchor, "`\(key)` is missing in \(title)")
    }
    return .mapping(outputs)
  }

  private static func complain(
    _ node: Node, _ name: String, _ what: String, empty: String?, _ report: Report
  ) {
    if node.isUnusable { return }
    if case .scalar(let scalar) = node.content, scalar.isNull {
      let hint = empty.map { "remove it, or write `\($0)`" }
      report.error(at: node.offset, "\(name) has no value", hint: hint)
    } else {
      report.error(at: node.offset, "\(name) must be \(what), not \(node.kind)")
    }
  }
}
