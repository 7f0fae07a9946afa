// Files of targets in YAML: a list of groups, of which only `targets` and `labels` count.

extension YAMLFile {
  /// A group of targets as it stands in the file.
  package struct TextGroup: Sendable, Equatable {
    package var targets: [String] = []
    package var labels: [String: String] = [:]
  }

  /// The groups of a file. `path` is only used in messages.
  package static func textGroups(
    _ bytes: [UInt8], path: String
  ) throws(ConfigurationErrors) -> [TextGroup] {
    let (report, root) = try open(bytes, path: path, needs: "a list of `targets`")
    var groups: [TextGroup] = []
    if case .sequence(let nodes) = root.content {
      for node in nodes { groups.append(group(node, report)) }
    } else {
      report.error(at: root.offset, "the file must be a list, not \(root.kind)")
    }
    guard report.isEmpty else { throw report.errors }
    return groups
  }

  private static func group(_ node: Node, _ report: Report) -> TextGroup {
    var group = TextGroup()
    var scope = Scope(node, "this group", report)
    for item in scope.items("targets", required: true) ?? [] {
      if let text = item.scalarText {
        group.targets.append(text)
      } else {
        report.error(at: item.offset, "a target must be an address, not \(item.kind)")
      }
    }
    for entry in scope.named("labels") ?? [] {
      if let text = entry.value.scalarText {
        group.labels[entry.key.text] = text
      } else {
        report.error(at: entry.value.offset, "a label must be text, not \(entry.value.kind)")
      }
    }
    _ = scope.finish()
    return group
  }
}

extension Diagnostic {
  /// The place and the message in one line.
  package var shortText: String { "\(path):\(line):\(column): \(message)" }
}
