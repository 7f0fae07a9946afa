// `headers` of requests that steelyard makes itself. Values may be secret: they can come from a
// file or the environment, and neither errors nor the effective configuration show them.
import Fleet
import Primitives

extension Decoder {
  private static let fieldsMax = 16

  /// A mapping of names to values: text, `{file: PATH}` or `{env: NAME}`. `reserved`: further names
  /// that steelyard sets itself, in lower case.
  func decodeFields(
    _ key: String, in scope: inout Scope, reserved: [String] = []
  ) -> [HealthPolicy.Field] {
    guard let entries = scope.named(key) else {
      scope.put(key, .value("{}", isDefault: !scope.has(key)))
      return []
    }
    var fields: [HealthPolicy.Field] = []
    var outputs: [Output.Entry] = []
    for entry in entries {
      let helper = Scope(nil, "", report)
      let keyNode = Node(
        offset: entry.key.offset, content: .scalar(Scalar(text: entry.key.text, isPlain: true)))
      let form = Form<String>.requestFieldName(reserved)
      guard let name = helper.decode(keyNode, "the name of a header", form) else { continue }
      if case .mapping = entry.value.content {
        var section = Scope(entry.value, "header `\(name)`", report)
        let source = section.decodeSource(entry.value, "header `\(name)`")
        let output = section.finish()
        guard let source else { continue }
        fields.append(HealthPolicy.Field(name: name, source: source))
        outputs.append(.init(name, output.inline))
      } else if let value = helper.decodeSecret(entry.value, "header `\(name)`", .fieldValue) {
        fields.append(HealthPolicy.Field(name: name, value: value))
        outputs.append(
          .init(name, .value(YAMLText.quoted(SecretText.mask), isDefault: false)))
      }
    }
    if entries.count > Self.fieldsMax {
      report.error(at: scope.offset(of: key), "at most \(Self.fieldsMax) headers")
    }
    scope.put(key, .value(Output.mapping(outputs).text, isDefault: false))
    return fields
  }
}

extension Form<String> {
  /// A token (RFC 9110 §5.6.2) that is not a name which steelyard sets itself.
  fileprivate static func requestFieldName(_ reserved: [String]) -> Form {
    let own =
      ["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"] + reserved
    return Form(
      read: { scalar throws(Misfit) in
        let name = try visible(
          "a token of at most 64 bytes", max: 64, refuses: "\"(),/:;<=>?@[\\]{} "
        ).read(scalar)
        if own.contains(name.lowercased()) {
          throw .problem(
            "header `\(name)` is set by steelyard",
            hint: name.lowercased() == "host" ? "use `host`" : nil)
        }
        return name
      },
      write: YAMLText.scalar)
  }

  /// Visible ASCII, with blanks only between it (RFC 9110 §5.5).
  fileprivate static var fieldValue: Form {
    Form(
      read: { scalar throws(Misfit) in
        guard !scalar.isNull, HealthPolicy.Field.isValue(scalar.text.utf8) else {
          throw .expected("1 to 1024 bytes of visible ASCII, or `{file: PATH}` or `{env: NAME}`")
        }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}
