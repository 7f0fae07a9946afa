// Inputs to begin with, read from where they stand in the repository: the table of malformed
// requests and the example configurations. What is missing gives no inputs.
import FoundationEssentials

/// The repository's files that seeds are made of.
struct SeedFiles {
  let root: String

  /// The bytes of one file.
  func bytes(_ path: String) -> [UInt8]? {
    FileManager.default.contents(atPath: "\(root)/\(path)").map { Array($0) }
  }

  /// The files of a folder and below it whose names end so.
  func files(in folder: String, suffix: String) -> [[UInt8]] {
    let names = try? FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")
    return (names ?? []).filter { $0.hasSuffix(suffix) }.sorted().compactMap {
      bytes("\(folder)/\($0)")
    }
  }

  /// The table of requests that are malformed, or odd but clear.
  var framingRows: [[UInt8]] {
    guard let bytes = bytes("Tests/corpus/framing.json"),
      let rows = try? JSONDecoder().decode([Row].self, from: Data(bytes))
    else { return [] }
    return rows.map(\.data)
  }

  /// A row of the table.
  private struct Row: Decodable {
    /// Text whose characters are bytes (Latin-1), or a character and how often.
    enum Part: Decodable {
      case text(String)
      case run(String, Int)

      init(from decoder: any Decoder) throws {
        if let text = try? decoder.singleValueContainer().decode(String.self) {
          self = .text(text)
        } else {
          var items = try decoder.unkeyedContainer()
          self = .run(try items.decode(String.self), try items.decode(Int.self))
        }
      }
    }

    let bytes: [Part]

    var data: [UInt8] {
      bytes.flatMap { part in
        let text =
          switch part {
          case .text(let text): text
          case .run(let text, let count): String(repeating: text, count: count)
          }
        return text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
      }
    }
  }
}
