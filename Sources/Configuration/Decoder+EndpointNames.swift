// `name` and `labels` of an endpoint: how people call it, and what they know of it.
import Fleet
import Primitives

extension Decoder {
  /// Reads `name` and `labels`. `offsets` has the place of each name that the pool has already.
  func readIdentity(
    of endpoint: inout Endpoint, _ offsets: inout [String: Int], in scope: inout Scope
  ) {
    scope.read("name", &endpoint.name, Form<String>.name.or("none"))
    if let name = endpoint.name {
      let offset = scope.offset(of: "name")
      if let first = offsets.updateValue(offset, forKey: name) {
        let line = report.line(of: first, from: offset)
        report.error(
          at: offset,
          "\(Printable.quoted(name)) is already the name of an endpoint of this pool, in \(line)"
        )
      }
    }
    let entries = scope.named("labels") ?? []
    if entries.count > Endpoint.labelsMax {
      report.error(
        at: scope.offset(of: "labels"), "an endpoint has at most \(Endpoint.labelsMax) labels")
    }
    let helper = Scope(nil, "", report)
    for entry in entries {
      let key = entry.key.text
      guard Endpoint.isLabelName(key) else {
        report.error(
          at: entry.key.offset, "\(Printable.quoted(key)) cannot be the name of a label",
          hint:
            "it has 1 to \(Endpoint.labelBytesMax) letters, digits or `_`, and begins with none of "
            + "`__` and a digit")
        continue
      }
      endpoint.labels[key] = helper.decode(
        entry.value, "label \(Printable.quoted(key))", .endpointLabel)
    }
    scope.put(
      "labels", .value(endpoint.labelsOutput.text, isDefault: !scope.has("labels")))
  }
}

extension Endpoint {
  fileprivate var labelsOutput: Output {
    .mapping(
      labels.sorted { $0.key < $1.key }.map {
        .init($0.key, .value(Form.endpointLabel.write($0.value), isDefault: false))
      })
  }
}

extension Form<String> {
  /// The value of an endpoint's label. Numbers and truth values are their text.
  static var endpointLabel: Form {
    Form(
      read: { scalar throws(Misfit) in
        guard !scalar.isNull, Endpoint.isLabelValue(scalar.text) else {
          throw .expected(
            "text of at most \(Endpoint.labelBytesMax) bytes, without control characters")
        }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}
