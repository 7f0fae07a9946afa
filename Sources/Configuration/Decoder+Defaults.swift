// `defaults`: keys that every pool has unless it says otherwise.
import Primitives

extension Decoder {
  /// Keys that make one pool different from another.
  private static let ownKeys: Set<String> = ["endpoints", "discover"]

  /// The pools with the defaults that they do not change.
  func withDefaults(_ pools: [Node.Entry], in scope: inout Scope) -> [Node.Entry] {
    guard let node = scope.claim("defaults") else { return pools }
    var section = Scope(node, "`defaults`", report)
    guard let defaults = section.claim("pool") else {
      _ = section.finish()
      return pools
    }
    _ = section.finish()
    guard case .mapping(let entries) = defaults.content else {
      // Reports it.
      _ = Scope(defaults, "`pool`", report)
      return pools
    }
    for entry in entries where Self.ownKeys.contains(entry.key.text) {
      report.error(
        at: entry.key.offset, "\(Printable.quoted(entry.key.text)) cannot be a default",
        hint: "each pool has its own")
    }
    let usable = entries.filter { !Self.ownKeys.contains($0.key.text) }
    let general = Node(offset: defaults.offset, content: .mapping(usable))
    for entry in usable { report.noteDefault(entry.key, entry.value) }
    return pools.map { Node.Entry(key: $0.key, value: $0.value.merged(over: general)) }
  }
}

extension Node {
  /// This node with what another one adds: mappings are merged, everything else is replaced.
  func merged(over other: Node) -> Node {
    guard case .mapping(let own) = content, case .mapping(let others) = other.content,
      !isValue, !other.isValue
    else { return self }
    var entries = own
    for entry in others {
      if let index = own.firstIndex(where: { $0.key.text == entry.key.text }) {
        let value = own[index].value.merged(over: entry.value)
        entries[index] = Entry(key: own[index].key, value: value)
      } else {
        entries.append(entry)
      }
    }
    return Node(offset: offset, content: .mapping(entries))
  }

  /// Whether it stands for one value: `{file: PATH}` or `{env: NAME}`.
  private var isValue: Bool {
    guard case .mapping(let entries) = content, entries.count == 1 else { return false }
    return ["file", "env"].contains(entries[0].key.text)
  }
}
