// What the suites of this room share: reading text, and the example files.
import FoundationEssentials
import Testing

@testable import Configuration

/// The file that a text describes.
func load(_ text: String) throws(ConfigurationErrors) -> ConfigurationFile {
  try ConfigurationFile.read(Array(text.utf8), path: "a.yaml")
}

/// The diagnostics of a text as they are printed, "" where it loads.
func rendered(_ text: String) -> String {
  do throws(ConfigurationErrors) {
    _ = try load(text)
    return ""
  } catch {
    return error.rendered
  }
}

/// The messages alone, `line:column: message`.
func messages(_ text: String) -> [String] {
  do throws(ConfigurationErrors) {
    _ = try load(text)
    return []
  } catch {
    return error.diagnostics.map { "\($0.line):\($0.column): \($0.message)" }
  }
}

/// A whole file around the body of its one pool, which begins in line 4.
func pool(_ body: String) -> String {
  let lines = body.split(separator: "\n", omittingEmptySubsequences: false)
  return "listeners: [{listen: \":80\"}]\npools:\n  a:\n"
    + (["endpoints: [\"10.0.0.1:1\"]"] + lines).map { "    \($0)\n" }.joined()
}

/// The package's example files.
enum Example {
  static let names = ["minimal", "example", "node-exporter", "tls"]

  static func bytes(_ name: String) throws -> [UInt8] {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return Array(try Data(contentsOf: root.appending(path: "config/\(name).yaml")))
  }
}

/// A text and the diagnostics that it is answered with, "" where it loads.
struct Golden: Sendable, CustomTestStringConvertible {
  let text: String
  let expected: String
  let location: SourceLocation

  init(_ text: String, _ expected: String, _ location: SourceLocation = #_sourceLocation) {
    self.text = text
    self.expected = expected
    self.location = location
  }

  var testDescription: String { "line \(location.line)" }
}
