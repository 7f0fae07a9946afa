// One mapping of the file while it is decoded. Reading a key declares it: that one call decodes and
// checks the value, keeps the default if the key is absent, writes the value for the effective
// configuration, and makes the key known for suggestions.

/// A mapping node, or none (then every value is its default).
package struct Scope {
  package let report: Report
  /// The scope's name in messages: "pool `text`".
  var title: String
  /// Whether keys of this mapping may come from `defaults.pool`.
  var isPool = false
  /// Where a missing key is reported.
  private let anchor: Int
  private let entries: [String: Node.Entry]
  /// False if the node is not a mapping; that is already reported.
  private let isMapping: Bool
  private var declared: [String] = []
  private var missing: [String] = []
  /// Keys whose values were rejected; checks between keys skip them.
  package private(set) var refused: Set<String> = []
  private var outputs: [Output.Entry] = []
  /// Of a file with one value.
  private static let fileBytesMax = 65_536

  /// Reports a node that is not a mapping. `anchor` is where missing keys are reported, nil for the
  /// node itself.
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

  /// Declares a key and returns the node of its value; nil: it is absent. For keys that no other
  /// method fits; the caller writes the output with `put`.
  @discardableResult
  package mutating func claim(_ key: String, required: Bool = false) -> Node? {
    declared.append(key)
    if required, !has(key) { missing.append(key) }
    return entries[key]?.value
  }

  /// The value of the key; nil: it is absent. Another call has to declare the key.
  package func node(_ key: String) -> Node? { entries[key]?.value }

  /// Whether this is a mapping and all its keys are declared by now.
  var isUnderstood: Bool { isMapping && entries.keys.allSatisfy(declared.contains) }

  /// Whether the mapping has no keys at all.
  package var isEmpty: Bool { entries.isEmpty }

  /// Whether the key is in the file.
  package func has(_ key: String) -> Bool { entries[key] != nil }

  /// The position of the key's value, or of the scope if the key is absent.
  package func offset(of key: String) -> Int { entries[key]?.value.offset ?? anchor }

  /// Adds a value to the effective configuration.
  package mutating func put(_ key: String, _ output: Output) { outputs.append(.init(key, output)) }

  /// Reads a scalar; if the key is absent or wrong, `value` keeps its default.
  package mutating func read<Value>(_ key: String, _ value: inout Value, _ form: Form<Value>) {
    let node = claim(key).map(fetched)
    if let node {
      if let given = decode(node, "`\(key)`", form) { value = given } else { refused.insert(key) }
    }
    put(key, .value(node?.shown ?? form.write(value), isDefault: node == nil))
  }

  /// Reads a scalar that has no default; nil: it is missing or wrong.
  package mutating func require<Value>(_ key: String, _ form: Form<Value>) -> Value? {
    guard let node = claim(key, required: true).map(fetched),
      let value = decode(node, "`\(key)`", form)
    else { return nil }
    put(key, .value(node.shown ?? form.write(value), isDefault: false))
    return value
  }

  /// The value of `{file: PATH}`: the text of that file, without the line break at its end. Any
  /// other node is itself. A file that cannot be read is reported.
  private func fetched(_ node: Node) -> Node {
    guard case .mapping(let entries) = node.content, entries.count == 1,
      entries[0].key.text == "file", case .scalar(let path) = entries[0].value.content
    else { return node }
    var bytes: [UInt8]
    do throws(Surroundings.Unreadable) {
      bytes = try report.surroundings.contents(path.text, Self.fileBytesMax)
    } catch {
      report.error(
        at: entries[0].value.offset,
        "cannot read \(Printable.path(path.text)): \(error.reason)")
      return Node(offset: node.offset, content: .unusable)
    }
    if bytes.last == 0x0A { bytes.removeLast() }
    if bytes.last == 0x0D { bytes.removeLast() }
    let scalar = Scalar(
      text: String(decoding: bytes, as: UTF8.self), isPlain: !bytes.isEmpty,
      shown: "{file: \(YAMLText.literal(path.text))}")
    return Node(offset: node.offset, content: .scalar(scalar))
  }

  /// Reads a nested mapping; if it is absent, its values are the defaults.
  package mutating func section(_ key: String, _ body: (inout Scope) -> Void) {
    let node = claim(key)
    var scope = Scope(node, "`\(key)`", anchor: entries[key]?.key.offset, report)
    body(&scope)
    put(key, scope.finish())
  }

  /// The items of a list; nil: the key is absent or its value is not a list.
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

  /// The entries of a mapping whose keys are names chosen by the operator; nil as in `items`.
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

  /// Decodes a scalar that has no key of its own; `name` is its name in messages. nil: the error is
  /// reported.
  package func decode<Value>(_ node: Node, _ name: String, _ form: Form<Value>) -> Value? {
    decode(node, name, form, isSecret: false)
  }

  /// The same for values that errors must not show.
  func decodeSecret<Value>(_ node: Node, _ name: String, _ form: Form<Value>) -> Value? {
    decode(node, name, form, isSecret: true)
  }

  private func decode<Value>(
    _ node: Node, _ name: String, _ form: Form<Value>, isSecret: Bool
  ) -> Value? {
    // A form that does not accept null gets text that it cannot read, and reports what it expects.
    let scalar: Scalar
    switch node.content {
    case .unusable: return nil
    case .scalar(let found): scalar = found
    default: scalar = Scalar(text: "", isPlain: true)
    }
    do throws(Misfit) {
      return try form.read(scalar)
    } catch {
      let isSecret = isSecret || scalar.shown != nil
      switch error {
      case .expected(let what, let hint):
        let kind = isSecret ? node.kindWithoutText : node.kind
        report.error(
          at: node.offset, "\(name) must be \(what), not \(kind)",
          hint: scalar.shown != nil ? nil : hint)
      case .problem where isSecret && scalar.shown != nil:
        report.error(at: node.offset, "\(name) cannot have this value, which is not shown")
      case .problem(let message, let hint):
        report.error(at: node.offset, message, hint: hint)
      }
    }
    return nil
  }

  /// Reports unknown and missing keys. No key may be declared afterwards. Requires: called once.
  package consuming func finish() -> Output {
    var meant: Set<String> = []
    let unused = declared.filter { !has($0) }
    for entry in entries.values where !declared.contains(entry.key.text) {
      let key = entry.key
      let suggestion =
        Suggestion.best(for: key.text, among: unused)
        ?? Suggestion.best(for: key.text, among: declared)
      if let suggestion { meant.insert(suggestion) }
      let place = isPool && report.isDefault(key.offset) ? "`defaults.pool`" : title
      report.error(
        at: key.offset, "unknown key \(Printable.quoted(key.text)) in \(place)",
        hint: suggestion.map { "did you mean `\($0)`?" }
          ?? "its keys are \(Suggestion.names(declared))")
    }
    // A misspelt key is one error, not two.
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
