// `canary` of a pool: the operator's own request that tries ejected and sick endpoints.
import Fleet
import Primitives

extension Decoder {
  private static let contentBytesMax = 65_536

  // Absent or `none`: requests of clients try them.
  func decodeCanary(_ pool: inout Pool, in scope: inout Scope) {
    let isNone = scope.isWord("none", at: "canary")
    guard scope.has("canary"), !isNone else {
      _ = scope.claim("canary")
      scope.put("canary", .value("none", isDefault: !isNone))
      return
    }
    var canary = CanaryPolicy()
    scope.section("canary") { section in
      section.read("method", &canary.method, .choice)
      if let path = section.require("path", .path(query: true)) { canary.path = path }
      section.read("host", &canary.host, Form.hostField.or("address"))
      canary.fields = decodeFields("headers", in: &section)
      section.read(
        "body", &canary.content, Form.content(bytesMax: Self.contentBytesMax).or("none"))
      section.read("timeout", &canary.timeout, .duration(Self.timeoutRange))
      if canary.content != nil, canary.method != .post, !section.refused.contains("method") {
        report.error(
          at: section.offset(of: "body"), "`body` needs `method: POST`",
          hint: section.has("method") ? nil : "without `method` it is GET")
      }
    }
    canary.tls = pool.tls
    pool.canary = canary
  }
}

extension Form<String> {
  /// The content of a request.
  fileprivate static func content(bytesMax: Int) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let isText = scalar.text.unicodeScalars.allSatisfy {
          $0.value >= 0x20 && $0.value != 0x7F || [0x09, 0x0A, 0x0D].contains($0.value)
        }
        guard !scalar.isNull, isText, (1...bytesMax).contains(scalar.text.utf8.count) else {
          throw .expected(
            "text of 1 to \(bytesMax) bytes", hint: "JSON stands in quotes: `'{\"a\": 1}'`")
        }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}
