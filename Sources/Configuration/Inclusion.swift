// `include`: further files of the configuration. Their lists are appended and their mappings
// joined, one level deep; what two files give is an error that names both places.

/// Joins the files that a file includes with it.
struct Inclusion {
  static let filesMax = 256
  /// Of all files together.
  static let byteCountMax = 4 << 20

  private let report: Report
  private var entries: [Node.Entry]
  /// The paths of the files that were read.
  private(set) var paths: [String] = []
  private var identities: Set<String>
  private var bytesLeft: Int

  /// Requires: the report has the file of `root` alone.
  init(_ root: Node, path: String, _ report: Report) {
    self.report = report
    identities = [report.surroundings.identity(path)]
    bytesLeft = Self.byteCountMax - report.source.bytes.count
    guard case .mapping(let own) = root.content else {
      (self.root, entries) = (root, [])
      return
    }
    self.root = root
    entries = own
    guard let include = own.first(where: { $0.key.text == "include" })?.value else { return }
    guard case .sequence(let items) = include.content else {
      if !include.isUnusable {
        report.error(
          at: include.offset, "`include` must be a list of files, not \(include.kind)",
          hint: "write `include: [\"pools/*.yaml\"]`")
      }
      return
    }
    for item in items { read(item, near: path) }
    self.root = Node(offset: root.offset, content: .mapping(entries))
  }

  /// The file with everything that it includes.
  private(set) var root: Node

  private mutating func read(_ item: Node, near path: String) {
    if item.isUnusable { return }
    guard case .scalar(let scalar) = item.content, !scalar.isNull, !scalar.text.isEmpty else {
      report.error(at: item.offset, "an item of `include` must be a path or a pattern")
      return
    }
    // The second pattern matches what a path with the same text names.
    let isPattern = scalar.text.contains { "*?[".contains($0) }
    let place = Self.resolved(scalar.text, near: path, isPattern: isPattern)
    let found = isPattern ? report.surroundings.paths(place).sorted() : [place]
    if found.isEmpty {
      report.warn(at: item.offset, "no file matches \(Printable.quoted(scalar.text))")
    }
    for path in found {
      guard identities.insert(report.surroundings.identity(path)).inserted else { continue }
      guard paths.count < Self.filesMax else {
        report.error(at: item.offset, "more than \(Self.filesMax) files are included")
        return
      }
      read(path, for: item)
    }
  }

  private mutating func read(_ path: String, for item: Node) {
    let bytes: [UInt8]
    do throws(Surroundings.Unreadable) {
      bytes = try report.surroundings.contents(path, YAMLDocument.byteCountMax)
    } catch {
      report.error(at: item.offset, "cannot read \(Printable.path(path)): \(error.reason)")
      return
    }
    bytesLeft -= bytes.count
    guard bytesLeft >= 0 else {
      report.error(at: item.offset, "all files together have more than 4 MiB")
      return
    }
    paths.append(path)
    report.begin(SourceText(bytes), path: path)
    guard !YAMLDocument.isBlank(bytes), let tree = YAMLFile.tree(report, needs: "one key")
    else { return }
    let node = Variables.replaced(tree, report)
    guard case .mapping(let others) = node.content else {
      if !node.isUnusable {
        report.error(at: node.offset, "the file must be a mapping, not \(node.kind)")
      }
      return
    }
    for entry in others { join(entry) }
  }

  private mutating func join(_ entry: Node.Entry) {
    let key = entry.key
    if key.text == "include" {
      report.error(at: key.offset, "a file that is included cannot include others")
      return
    }
    guard let index = entries.firstIndex(where: { $0.key.text == key.text }) else {
      entries.append(entry)
      return
    }
    let own = entries[index]
    switch (own.value.content, entry.value.content) {
    case (.sequence(let first), .sequence(let second)):
      entries[index] = Node.Entry(
        key: own.key, value: Node(offset: own.value.offset, content: .sequence(first + second)))
    case (.mapping(let first), .mapping(let second)):
      var keys = Dictionary(
        first.map { ($0.key.text, $0.key.offset) }, uniquingKeysWith: { first, _ in first })
      var joined = first
      for entry in second {
        if let known = keys.updateValue(entry.key.offset, forKey: entry.key.text) {
          refuse(entry.key, known)
        } else {
          joined.append(entry)
        }
      }
      entries[index] = Node.Entry(
        key: own.key, value: Node(offset: own.value.offset, content: .mapping(joined)))
    case (.unusable, _), (_, .unusable): break
    default: refuse(key, own.key.offset)
    }
  }

  private func refuse(_ key: Node.Key, _ first: Int) {
    let line = report.line(of: first, from: key.offset)
    report.error(
      at: key.offset, "\(Printable.quoted(key.text)) is given twice; first in \(line)")
  }

  /// A path or pattern from the directory of the file that includes it.
  private static func resolved(_ text: String, near path: String, isPattern: Bool) -> String {
    guard !text.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return text }
    var directory = ""
    for character in path[...slash] {
      if isPattern, "*?[\\".contains(character) { directory += "\\" }
      directory.append(character)
    }
    return directory + text
  }
}
