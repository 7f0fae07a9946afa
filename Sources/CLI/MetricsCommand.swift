// `steelyard metrics`: the catalogue of /metrics, as a table or as the document made from it.
import Exposition
import Metrics
import Terminal

enum MetricsCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    Console.out(
      arguments.has("--markdown") ? MetricsDocument.markdown : table, terminator: "")
    return .ok
  }

  private static var table: String {
    let rows = Catalogue.families.map {
      [$0.name, $0.type.rawValue, $0.labels.joined(separator: ",")]
    }
    return TableLayout.plain(rows).joined(separator: "\n") + "\n"
  }
}
