// GET /sd/prometheus: the metrics pages that steelyard reads, as targets of a Prometheus of the
// operator's own (HTTP service discovery), so that a new endpoint is in one file only. Pages in
// JSON are left out: Prometheus cannot read them.
import Fleet
import HTTP
import FoundationEssentials
import Primitives

/// A group of the answer: one page.
struct DiscoveredPage: Codable, Equatable {
  var targets: [String]
  var labels: [String: String]

  /// Every page of every endpoint, in configuration order. A page that several endpoints of a pool
  /// share (a host's) stands there once, as the first one's; one of several pools once for each.
  static func all(of fleet: Fleet) -> [DiscoveredPage] {
    var pages: [DiscoveredPage] = []
    var known: Set<[String]> = []
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        for (index, source) in pool.weights.scrapes.enumerated()
        where source.format == .prometheus {
          let address = endpoint.pageAddress(source, index: index)
          let preset = source.preset ?? "custom"
          let identity = [pool.name, "\(address)", source.path, preset]
          guard known.insert(identity).inserted else { continue }
          var labels = [
            "pool": pool.name,
            "__meta_steelyard_pool": pool.name,
            "__meta_steelyard_endpoint": "\(endpoint.address)",
            "__meta_steelyard_preset": preset,
          ]
          labels.merge(place(of: source.path)) { first, _ in first }
          pages.append(DiscoveredPage(targets: ["\(address)"], labels: labels))
        }
      }
    }
    return pages
  }

  /// The answer's content.
  static func json(_ pages: [DiscoveredPage]) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // Strings only: nothing can fail here.
    guard let data = try? encoder.encode(pages) else { return Array("[]".utf8) }
    return Array(data) + [0x0A]
  }

  // Prometheus has the query in labels of its own. Names that are no part of a label's name
  // cannot be said to it; of several values of one name it takes the first.
  private static func place(of target: String) -> [String: String] {
    let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var labels = ["__metrics_path__": String(halves[0])]
    guard halves.count == 2 else { return labels }
    for pair in halves[1].split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentText.decoded(parts[0]) ?? String(parts[0])
      let isLabel = name.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
        default: false
        }
      }
      guard isLabel, !name.isEmpty, labels["__param_\(name)"] == nil else { continue }
      labels["__param_\(name)"] =
        parts.count == 2 ? PercentText.decoded(parts[1]) ?? String(parts[1]) : ""
    }
    return labels
  }
}

extension [DiscoveredPage] {
  /// Every page that a fleet's endpoints are asked for.
  static func all(of fleet: Fleet) -> [DiscoveredPage] { DiscoveredPage.all(of: fleet) }
}
