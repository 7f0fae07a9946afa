import FoundationEssentials
import Testing

@testable import Configuration

/// The examples for autoscalers cannot be run here; that they are YAML, say so, and name families
/// that exist can be seen.
@Suite struct AutoscalingExamplesTests {
  private static func text(_ path: String) throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
  }

  private static func root(_ yaml: String) throws -> Node {
    let report = Report(SourceText(Array(yaml.utf8)), path: "example.yaml")
    let document = YAMLDocument.parse(report)
    #expect(report.count == 0)
    return try #require(document).root
  }

  private static func value(_ node: Node, _ keys: [String]) throws -> Node {
    try keys.reduce(node) { node, key in
      guard case .mapping(let entries) = node.content else { throw Missing(key: key) }
      return try #require(entries.first { $0.key.text == key }, "\(key)").value
    }
  }

  private struct Missing: Error { let key: String }

  private static let files: [(name: String, kinds: [String])] = [
    ("keda-scaledobject", ["ScaledObject"]),
    ("hpa-prometheus-adapter", ["ConfigMap", "HorizontalPodAutoscaler"]),
  ]

  @Test(arguments: files) func anExampleIsWellFormed(name: String, kinds: [String]) throws {
    let text = try Self.text("config/autoscaling/\(name).yaml")
    #expect(text.hasPrefix("# UNTESTED on Kubernetes."))
    let documents = text.split(separator: "\n---\n").map(String.init)
    #expect(documents.count == kinds.count)
    for (document, kind) in zip(documents, kinds) {
      let root = try Self.root(document)
      guard case .scalar(let found) = try Self.value(root, ["kind"]).content else {
        throw Missing(key: "kind")
      }
      #expect(found.text == kind)
      guard kind == "ConfigMap" else { continue }
      guard case .scalar(let inner) = try Self.value(root, ["data", "config.yaml"]).content else {
        throw Missing(key: "config.yaml")
      }
      _ = try Self.value(try Self.root(inner.text), ["externalRules"])
    }
  }

  @Test(arguments: files) func anExampleNamesFamiliesThatExist(name: String, kinds: [String]) throws
  {
    let documented = try Self.text("docs/metrics.md")
    let words = try Self.text("config/autoscaling/\(name).yaml")
      .split { !($0.isLetter || $0 == "_") }.filter { $0.hasPrefix("steelyard_") }
    #expect(words.count >= 2)
    // The name that the adapter gives to what it computes.
    for word in words where word != "steelyard_pool_demand_endpoints" {
      #expect(documented.contains("| `\(word)` |"), "\(word)")
    }
  }
}
