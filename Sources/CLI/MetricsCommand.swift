// `steelyard metrics`: the catalogue of /metrics, as a table or as the document made from it.
import Exposition
import Metrics

enum MetricsCommand {
  static func run(_ arguments: CommandArguments) -> ExitCode {
    Console.out(
      arguments.has("--markdown") ? MetricsDocument.markdown : table, terminator: "")
    return .ok
  }

  private static var table: String {
    let families = Catalogue.families
    let width = families.map(\.name.count).max() ?? 0
    return families.reduce(into: "") { text, family in
      let name = family.name + String(repeating: " ", count: width - family.name.count)
      let type = family.type.rawValue
      let gap = String(repeating: " ", count: max(0, 9 - type.count))
      let labels = family.labels.joined(separator: ",")
      text += "\(name)  \(type)" + (labels.isEmpty ? "" : "\(gap)  \(labels)") + "\n"
    }
  }
}
