// Metrics pages in the format that the client prefers, and the state that is kept from page to
// page.
package import Exposition
import HTTP

/// Makes pages. Control thread only.
package struct MetricsPages {
  /// The formats. The text format comes first: a client gets it if it prefers none.
  private static let formats: [(format: MetricsWriter.Format, offer: QualityList.Offer)] = [
    (.text, offer("text/plain", version: "0.0.4")),
    (.openMetrics, offer("application/openmetrics-text", version: "1.0.0")),
  ]

  private var labels = EndpointLabels()
  /// State for the next page.
  private var byteCapacity = 65_536
  /// What the process before this one has counted, as a page, and read when it is first needed.
  private var inheritedPage: [UInt8] = []
  private var inherited: InheritedCounters?

  package init() {}

  /// The format for a client whose Accept field is `accept`, and the answer's Content-Type.
  package static func format(accept: String) -> (format: MetricsWriter.Format, contentType: String)
  {
    let choice = QualityList(accept).best(of: formats.map(\.offer))
    // If none is acceptable the text format is sent all the same: a scraper may still read it.
    let format = choice.map { formats[$0.index].format } ?? .text
    var contentType = format.contentType
    if let escaping = choice?.parameters["escaping"] {
      // Classic names are the same in all escaping schemes except `dots`, which doubles
      // underscores.
      let isKnown = ["allow-utf-8", "underscores", "values"].contains(escaping)
      contentType += "; escaping=\(isKnown ? escaping : "underscores")"
    }
    return (format, contentType)
  }

  /// Adds the counts of another process to those of this one from now on: `page` is that process's
  /// page in the text format, instead of the last one that was given here.
  package mutating func inherit(_ page: [UInt8]) {
    inheritedPage = page
    inherited = nil
  }

  /// The present page.
  package mutating func page(_ format: MetricsWriter.Format, _ state: ProgramState) -> [UInt8] {
    labels.update(state.table)
    var page = MetricsPage(format, state, labels: labels, byteCapacity: byteCapacity)
    let bytes = page.render()
    // The capacity for the next page: it is about as large.
    byteCapacity = bytes.count + bytes.count / 8 + 4_096
    if inheritedPage.isEmpty { return bytes }
    if inherited == nil { inherited = InheritedCounters(inheritedPage) }
    return inherited?.added(to: bytes, state.table) ?? bytes
  }

  private static func offer(_ type: String, version: String) -> QualityList.Offer {
    QualityList.Offer(
      type, ["version": version, "charset": "utf-8"], indifferent: ["escaping"])
  }
}
