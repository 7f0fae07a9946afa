// One metrics page after another: the format that the client likes best, with what is kept from
// page to page.
package import Exposition
import HTTP

/// Makes pages. Control thread only.
package struct MetricsPages {
  /// The text format first: it is what a client gets that likes both as much, or neither.
  private static let formats: [(format: MetricsWriter.Format, offer: QualityList.Offer)] = [
    (.text, offer("text/plain", version: "0.0.4")),
    (.openMetrics, offer("application/openmetrics-text", version: "1.0.0")),
  ]

  private var labels = EndpointLabels()
  /// What the next page may need.
  private var byteCapacity = 65_536

  package init() {}

  /// The format for a client whose Accept field is `accept`, and the answer's Content-Type.
  package static func format(accept: String) -> (format: MetricsWriter.Format, contentType: String)
  {
    let choice = QualityList(accept).best(of: formats.map(\.offer))
    // A scraper that reads a page it did not ask for is better than one that reads nothing.
    let format = choice.map { formats[$0.index].format } ?? .text
    var contentType = format.contentType
    if let escaping = choice?.parameters["escaping"] {
      // Classic names are the same in all of them but in `dots`, which doubles underscores.
      let isKnown = ["allow-utf-8", "underscores", "values"].contains(escaping)
      contentType += "; escaping=\(isKnown ? escaping : "underscores")"
    }
    return (format, contentType)
  }

  /// The page of this moment.
  package mutating func page(_ format: MetricsWriter.Format, _ state: ProgramState) -> [UInt8] {
    labels.update(state.table)
    var page = MetricsPage(format, state, labels: labels, byteCapacity: byteCapacity)
    let bytes = page.render()
    // The next page is about as large.
    byteCapacity = bytes.count + bytes.count / 8 + 4_096
    return bytes
  }

  private static func offer(_ type: String, version: String) -> QualityList.Offer {
    QualityList.Offer(
      type, ["version": version, "charset": "utf-8"], indifferent: ["escaping"])
  }
}
