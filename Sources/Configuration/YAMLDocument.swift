// Turns bytes into one tree of nodes, through libyaml's events. Depth, nodes and size are bounded;
// features that a configuration does not need (anchors, tags, directives, several documents) are
// rejected, so that a small file cannot become a large tree.
import CYAML

/// The document of a configuration file.
struct YAMLDocument {
  let root: Node

  static let byteCountMax = 1 << 20
  static let depthMax = 32
  static let nodesMax = 100_000

  /// Parses the only document of the report's source. nil: there is none; the report has the
  /// reason. Errors that leave a usable tree (duplicate keys, tags) are reported, and the tree is
  /// returned. Requires: well-formed UTF-8 without NUL, at most `byteCountMax` bytes.
  static func parse(_ report: Report, needs: String = "one value") -> YAMLDocument? {
    let source = report.source
    precondition(source.bytes.count <= byteCountMax)
    if let directive = Self.directive(source.bytes) {
      report.error(
        at: report.start + directive, "YAML directives are not supported", hint: "remove this line")
      return nil
    }
    var builder = TreeBuilder(report: report)
    let isRead = source.bytes.withUnsafeBufferPointer { bytes in
      // The parser holds pointers to itself and needs a fixed address.
      let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
      defer { parser.deallocate() }
      guard yaml_parser_initialize(parser) == 1 else { fatalError("out of memory") }
      defer { yaml_parser_delete(parser) }
      yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
      return Self.feed(&builder, from: parser, report)
    }
    guard isRead else { return nil }
    guard let root = builder.root else {
      report.error(at: report.start, "the file is empty", hint: "it needs at least \(needs)")
      return nil
    }
    return YAMLDocument(root: root)
  }

  // Returns true after a whole document. libyaml is not called afterwards: its cost for many
  // directives before a second document is quadratic.
  private static func feed(
    _ builder: inout TreeBuilder, from parser: UnsafeMutablePointer<yaml_parser_t>,
    _ report: Report
  ) -> Bool {
    while true {
      var event = yaml_event_t()
      guard yaml_parser_parse(parser, &event) == 1 else {
        Self.report(parser.pointee, to: report)
        return false
      }
      defer { yaml_event_delete(&event) }
      switch event.type {
      case YAML_STREAM_END_EVENT:
        return true
      case YAML_DOCUMENT_END_EVENT:
        let end = report.source.offset(ofScalar: event.end_mark.index)
        guard let rest = Self.content(report.source.bytes, after: end) else { return true }
        report.error(
          at: report.start + rest, "the document has ended before this",
          hint: "a configuration is one YAML document: no second `---`, one value at the top")
        return false
      default:
        guard builder.take(event) else { return false }
      }
    }
  }

  private static func report(_ parser: yaml_parser_t, to report: Report) {
    let source = report.source
    let problem = parser.problem.map { String(cString: $0) } ?? "unreadable"
    if parser.error == YAML_READER_ERROR {
      // Only control characters remain: the bytes are valid UTF-8.
      report.error(
        at: report.start + min(Int(parser.problem_offset), source.bytes.count),
        "the file holds a control character", hint: "in double quotes it can be written `\\xNN`")
      return
    }
    let offset = source.offset(ofScalar: parser.problem_mark.index)
    let isJSON = Self.content(source.bytes, after: 0).map { source.bytes[$0] == 0x7B } ?? false
    var message = "not \(isJSON ? "JSON or YAML" : "YAML"): \(problem)"
    if let context = parser.context.map({ String(cString: $0) }) {
      let began = source.position(of: source.offset(ofScalar: parser.context_mark.index)).line
      message += " \(context)"
      if began != source.position(of: offset).line { message += " that began in line \(began)" }
    }
    report.error(
      at: report.start + offset, message, hint: Self.hint(problem, at: offset, isJSON, source))
  }

  /// The hint for `${PORT}` within a collection of YAML's flow style.
  private static let variableHint = "within `[ ]` and `{ }` a value with `${…}` needs quotes"

  /// Whether the file has nothing but blanks and comments.
  static func isBlank(_ bytes: [UInt8]) -> Bool {
    content(bytes, after: 0) == nil
  }

  /// What the operator probably has to correct. libyaml reports what its grammar expected.
  private static func hint(
    _ problem: String, at offset: Int, _ isJSON: Bool, _ source: SourceText
  ) -> String? {
    if offset < source.bytes.count, source.bytes[offset] == 0x09 {
      return "YAML is indented with spaces; this is a tab"
    }
    if source.line(at: offset).contains("${") { return variableHint }
    if isJSON { return "look for a comma, quote or brace that is missing or too much before this" }
    switch problem {
    case "did not find expected key", "did not find expected '-' indicator",
      "mapping values are not allowed in this context":
      return "look at the indentation: the keys of one mapping, and the `-` of one list, begin in "
        + "the same column"
    default: return nil
    }
  }

  // The offset of a directive (a `%` that begins a line) before the document.
  private static func directive(_ bytes: [UInt8]) -> Int? {
    guard let start = content(bytes, after: 0), bytes[start] == 0x25 else { return nil }
    return start == 0 || bytes[start - 1] == 0x0A || bytes[start - 1] == 0x0D ? start : nil
  }

  // The offset of the first byte at or after `start` that is neither blank nor part of a comment or
  // of an end mark (`...`).
  private static func content(_ bytes: [UInt8], after start: Int) -> Int? {
    var index = start
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0A, 0x0D:
        index += 1
      case 0x23:
        while index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x0D { index += 1 }
      case 0x2E where bytes[index...].starts(with: [0x2E, 0x2E, 0x2E]):
        index += 3
      default:
        return index
      }
    }
    return nil
  }
}

/// Builds a tree from libyaml's events.
private struct TreeBuilder {
  /// A collection that is still open.
  private struct Frame {
    let offset: Int
    let isMapping: Bool
    var items: [Node] = []
    var entries: [Node.Entry] = []
    /// The first position of each key of the mapping.
    var keys: [String: Int] = [:]
    /// What the next value belongs to; nil: a key comes next.
    var pending: Pending?
  }

  private enum Pending {
    case key(Node.Key)
    /// Already reported; its value is dropped.
    case unusable
  }

  private let report: Report
  private var frames: [Frame] = []
  private var nodeCount = 0
  private(set) var root: Node?

  init(report: Report) { self.report = report }

  /// Returns false if a limit was exceeded and nothing more should be read.
  mutating func take(_ event: yaml_event_t) -> Bool {
    let offset = report.start + report.source.offset(ofScalar: event.start_mark.index)
    switch event.type {
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      refuse(anchor: scalar.anchor, tag: scalar.tag, at: offset)
      let text = String(
        decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
      let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
      return count(offset)
        && add(Node(offset: offset, content: .scalar(Scalar(text: text, isPlain: isPlain))))
    case YAML_ALIAS_EVENT:
      report.error(
        at: offset, "YAML aliases are not supported", hint: "write the value out again")
      return count(offset) && add(Node(offset: offset, content: .unusable))
    case YAML_SEQUENCE_START_EVENT:
      let start = event.data.sequence_start
      refuse(anchor: start.anchor, tag: start.tag, at: offset)
      return open(Frame(offset: offset, isMapping: false))
    case YAML_MAPPING_START_EVENT:
      let start = event.data.mapping_start
      refuse(anchor: start.anchor, tag: start.tag, at: offset)
      return open(Frame(offset: offset, isMapping: true))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      let frame = frames.removeLast()
      let content = frame.isMapping ? Node.Content.mapping(frame.entries) : .sequence(frame.items)
      return add(Node(offset: frame.offset, content: content))
    default:
      return true
    }
  }

  private func refuse(
    anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?,
    at offset: Int
  ) {
    if anchor != nil {
      report.error(at: offset, "YAML anchors are not supported", hint: "remove it")
    }
    if tag != nil { report.error(at: offset, "YAML tags are not supported", hint: "remove it") }
  }

  private mutating func open(_ frame: Frame) -> Bool {
    guard frames.count < YAMLDocument.depthMax else {
      report.error(
        at: frame.offset, "more than \(YAMLDocument.depthMax) levels, one inside the other")
      return false
    }
    frames.append(frame)
    return count(frame.offset)
  }

  private mutating func count(_ offset: Int) -> Bool {
    nodeCount += 1
    if nodeCount <= YAMLDocument.nodesMax { return true }
    report.error(at: offset, "more than \(YAMLDocument.nodesMax) values in one file")
    return false
  }

  // Adds a finished node to the collection that contains it.
  private mutating func add(_ node: Node) -> Bool {
    guard let top = frames.indices.last else {
      root = node
      return true
    }
    guard frames[top].isMapping else {
      frames[top].items.append(node)
      return true
    }
    switch frames[top].pending {
    case nil:
      frames[top].pending = pending(from: node)
      return true
    case .key(let key):
      enter(key, node, in: top)
    case .unusable:
      break
    }
    frames[top].pending = nil
    return true
  }

  private mutating func enter(_ key: Node.Key, _ value: Node, in frame: Int) {
    if let first = frames[frame].keys[key.text] {
      let line = report.line(of: first, from: key.offset)
      report.error(
        at: key.offset, "\(Printable.quoted(key.text)) is given twice; first in \(line)")
    } else {
      frames[frame].keys[key.text] = key.offset
      frames[frame].entries.append(Node.Entry(key: key, value: value))
    }
  }

  private func pending(from node: Node) -> Pending {
    if case .scalar(let scalar) = node.content, !scalar.isNull {
      return .key(Node.Key(text: scalar.text, offset: node.offset))
    }
    if !node.isUnusable { report.error(at: node.offset, "a key must be text, not \(node.kind)") }
    return .unusable
  }
}
