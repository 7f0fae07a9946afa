// The recipes of docs/tls.md and docs/http2.md load, as a whole file or with what they leave out.
import FoundationEssentials
import Testing

@testable import Configuration

@Suite struct DocumentRecipeTests {
  private static let recipes = ["tls", "http2"].flatMap(recipes(of:))

  /// The blocks of YAML in a document that are for steelyard.
  private static func recipes(of document: String) -> [String] {
    let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "docs/\(document).md")
    guard let data = try? Data(contentsOf: path) else { return [] }
    let text = String(decoding: data, as: UTF8.self)
    return text.components("```yaml\n").dropFirst().map { $0.components("```")[0] }
      .filter { !$0.hasPrefix("scrape_configs") }
  }

  @Test(arguments: recipes) func aRecipeLoads(_ recipe: String) throws {
    let listener = "listeners: [{listen: \":8080\"}]\n"
    let pools = "pools:\n  a:\n    endpoints: [\"10.0.0.1:8000\"]\n"
    let text =
      if recipe.contains("listeners:") {
        recipe.contains("pools:") ? recipe : recipe + pools
      } else if recipe.hasPrefix("pools:") {
        listener + recipe
      } else if recipe.hasPrefix("admin:") {
        listener + pools + recipe
      } else if recipe.contains("ca: /etc/steelyard/internal") {
        listener + pools + recipe
      } else {
        "listeners:\n  - listen: \":443\"\n" + recipe + pools
      }
    let file = try load(text)
    #expect(file.warnings.isEmpty, "\(file.warnings.map(\.rendered))")
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func thereAreRecipes() { #expect(Self.recipes.count >= 8) }
}

extension String {
  fileprivate func components(_ separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}
