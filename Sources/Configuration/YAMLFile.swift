// A YAML file of any kind: bytes → one tree → the keys that the caller declares, with every error
// at once. `ConfigurationFile` uses it for fleets, others for their own files (scenarios).

/// Reads files that are one YAML document.
package enum YAMLFile {
  /// Reads the text of a file, YAML or JSON, at most 1 MiB. `path` is only used in messages;
  /// `needs` says what an empty file lacks. `decode` declares the keys of the root and returns a
  /// value, which is used only if there is no error. `effective` is every value in force.
  package static func read<Value>(
    _ bytes: [UInt8], path: String, needs: String, _ decode: (inout Scope) -> Value
  ) throws(ConfigurationErrors) -> (value: Value, effective: String) {
    let (report, root) = try open(bytes, path: path, needs: needs)
    var scope = Scope(root, "the file", report)
    let value = decode(&scope)
    let output = scope.finish()
    guard report.isEmpty else { throw report.errors }
    return (value, output.yaml)
  }

  /// The tree of a file, and the report for further errors; it may already hold some.
  static func open(
    _ bytes: [UInt8], path: String, needs: String, _ surroundings: Surroundings = Surroundings()
  ) throws(ConfigurationErrors) -> (Report, Node) {
    let isLong = bytes.count > YAMLDocument.byteCountMax
    let report = Report(SourceText(isLong ? [] : bytes), path: path, surroundings)
    if isLong {
      report.error(at: 0, "the file has \(bytes.count) bytes; at most 1 MiB is read")
      throw report.errors
    }
    guard isText(bytes, report), let document = YAMLDocument.parse(report, needs: needs) else {
      throw report.errors
    }
    return (report, document.root)
  }

  /// The tree of the report's file; nil: the report says why there is none. Requires: at most 1
  /// MiB.
  static func tree(_ report: Report, needs: String) -> Node? {
    guard isText(report.source.bytes, report) else { return nil }
    return YAMLDocument.parse(report, needs: needs)?.root
  }

  // Checks what YAMLDocument requires of the bytes.
  private static func isText(_ bytes: [UInt8], _ report: Report) -> Bool {
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      report.error(at: report.start, "the file is UTF-16", hint: "save it as UTF-8")
    } else if let offset = report.source.invalidOffset {
      report.error(
        at: report.start + offset, "the file is not UTF-8 from here on", hint: "save it as UTF-8")
    } else if let offset = report.source.bytes.firstIndex(of: 0) {
      report.error(at: report.start + offset, "the file holds a NUL byte")
    } else {
      return true
    }
    return false
  }
}
