// `steelyard rules`: alert rules, or a dashboard, with all links to runbooks changed to one
// address, by default `Version.runbooks`. In the source tree the links of rules are relative.
import Configuration

enum RulesCommand {
  /// The path of the rules in the package.
  private static let packaged = "/usr/share/steelyard/prometheus/alerts.yml"
  private static let relative = "docs/runbooks.md"

  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let address = arguments.text("--runbooks") ?? Version.runbooks
    guard isAddress(address) else {
      throw arguments.refusal(
        "--runbooks", takes: "an http:// or https:// address without #", not: address)
    }
    let path = arguments.words.first ?? packaged
    do throws(ConfigurationLoader.Failure) {
      let text = String(decoding: try ConfigurationLoader.bytes(path), as: UTF8.self)
      guard let made = rendered(text, address) else {
        Console.error("steelyard: \(path) has no link to runbooks")
        return .refused
      }
      Console.out(made, terminator: "")
      return .ok
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }

  /// Whether the text is an http(s) address without characters that YAML, JSON or templates of
  /// Prometheus would interpret.
  private static func isAddress(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard text.hasPrefix("http://") || text.hasPrefix("https://"), bytes.count <= 1_024 else {
      return false
    }
    return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"'#<>\\^`{|}".utf8.contains($0) }
  }

  /// The text with changed links; nil: it has no link.
  private static func rendered(_ text: String, _ address: String) -> String? {
    var changed = text
    for old in [relative, Version.runbooks] {
      changed = changed.replacing("runbook_url: \(old)#", with: "runbook_url: \(address)#")
      changed = changed.replacing("\"url\": \"\(old)\"", with: "\"url\": \"\(address)\"")
    }
    return changed.contains("runbook_url: \(address)#")
      || changed.contains("\"url\": \"\(address)\"")
      ? changed : nil
  }
}
