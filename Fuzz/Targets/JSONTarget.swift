// Laws of JSON that foreign servers send: limits kept, numbers that are numbers, what is read and
// written again reads the same, and a metrics page in JSON gives finite values under names that the
// other reader has too.
import Controller

enum JSONTarget {
  static let target = FuzzTarget(
    "json", byteCountMax: 1_000,
    words: [
      "{\"a\":", "[", "]", "}", "\"", "\\u", "\\ud83d\\udc0e", "null", "true", "false", "1e308",
      "-0.5E-3", ",", ":", "{}", "[]", "\\n", "é",
    ],
    check: { data throws(Finding) in try JSONTarget.check(data) },
    seeds: { _ in
      [
        "{\"a\": {\"b\": [1, 2.5e-3, {\"c\": null}]}, \"d\": \"\\u00e9\\ud83d\\udc0e\\n\", \"e\": true}",
        "[[], {}, [[[-0.0]]], \"\"]", "{\"status\":\"ok\",\"queue\":{\"running\":3,\"waiting\":0}}",
      ].map { Array($0.utf8) }
    })

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let leaves = leaves(of: data)
    if let leaves {
      try checkLeaves(leaves)
    }
    let page: JSONPage
    do throws(PageError) {
      page = try JSONPage.read(data)
    } catch {
      // What the checks' reader takes, a page is refused for its limits only.
      return try require(leaves == nil || error != .badJSON, "only one reader takes it")
    }
    try require(page.values.count <= JSONPage.valueMax, "\(page.values.count) values")
    for value in page.values {
      try require(value.number?.isFinite != false, "\(value.name) is \(value.number ?? 0)")
    }
  }

  private static func leaves(of data: UnsafeRawBufferPointer) -> [JSONLeaves.Leaf]? {
    do throws(JSONLeaves.Malformed) {
      return try JSONLeaves.read(data)
    } catch {
      return nil
    }
  }

  private static func checkLeaves(_ leaves: [JSONLeaves.Leaf]) throws(Finding) {
    try require(leaves.count <= JSONLeaves.countMax, "\(leaves.count) leaves")
    for leaf in leaves {
      try require(leaf.path.utf8.count <= JSONLeaves.pathBytesMax, "a path: \(leaf.path)")
      switch leaf.kind {
      case .number: try require(Double(leaf.text) != nil, "a number: \(leaf.text)")
      case .word: try require(["true", "false", "null"].contains(leaf.text), "\(leaf.text)")
      case .text: break
      }
    }
    let written = "[" + leaves.map(text).joined(separator: ",") + "]"
    var again: [JSONLeaves.Leaf]?
    Array(written.utf8).withUnsafeBytes { again = Self.leaves(of: $0) }
    try require(
      again?.map(\.text) == leaves.map(\.text) && again?.map(\.kind) == leaves.map(\.kind),
      "written and read: \(written)")
  }

  private static func text(_ leaf: JSONLeaves.Leaf) -> String {
    guard leaf.kind == .text else { return leaf.text }
    var text = "\""
    for scalar in leaf.text.unicodeScalars {
      switch scalar.value {
      case 0x22, 0x5C: text += "\\" + String(scalar)
      case 0..<0x20:
        text += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
