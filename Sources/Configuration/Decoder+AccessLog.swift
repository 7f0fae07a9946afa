// `access_log`: where the line for each exchange is written.
import Fleet
import Primitives

extension Decoder {
  mutating func decodeAccessLog(_ scope: inout Scope) {
    scope.section("access_log") { log in
      log.read("path", &fleet.accessLog.destination, .logDestination)
      log.read("format", &fleet.accessLog.format, .choice)
      log.read("query", &fleet.accessLog.hasQuery, .truth)
    }
  }
}

extension Form<AccessLogPolicy.Destination> {
  /// `none`, `stdout`, `stderr` or the path of a file. A path needs a `/`, so that a misspelt word
  /// is not taken for one.
  static var logDestination: Form {
    Form(
      read: { scalar throws(Misfit) in
        switch scalar.text {
        case "none": return .none
        case "stdout": return .standardOutput
        case "stderr": return .standardError
        default: break
        }
        let words = ["none", "stdout", "stderr"]
        let path = try text("the path of a file, or `stdout`, `stderr` or `none`").read(scalar)
        guard path.contains("/") else {
          throw .expected(
            "the path of a file, or `stdout`, `stderr` or `none`",
            hint: Suggestion.hint(for: path, among: words)
              ?? (Printable.isTame(path) ? "a file here is `./\(path)`" : nil))
        }
        guard !path.hasSuffix("/") else { throw .expected("the path of a file") }
        return .file(path)
      },
      write: {
        switch $0 {
        case .none: "none"
        case .standardOutput: "stdout"
        case .standardError: "stderr"
        case .file(let path): YAMLText.scalar(path)
        }
      })
  }

  private static func text(_ what: String) -> Form<String> { Form<String>.text(what) }
}
