// GET /sd/prometheus: the metrics pages that steelyard scrapes, as targets for a Prometheus of the
// operator (HTTP service discovery), so that a new endpoint is added in one file only. Pages in
// JSON are left out: Prometheus cannot read them.
import Fleet
import HTTP
import FoundationEssentials
import Primitives

/// A group of targets: one page.
struct DiscoveredPage: Codable, Equatable {
  var targets: [String]
  var labels: [String: String]

  /// Every page of every endpoint, in the order of the configuration. A page that several endpoints
  /// of a pool share (that of a host) is listed once, as that of the first one; a page in several
  /// pools once for each.
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
          if source.tls != nil { labels["__scheme__"] = source.scheme }
          labels.merge(place(of: source.path)) { first, _ in first }
          pages.append(DiscoveredPage(targets: ["\(address)"], labels: labels))
        }
      }
    }
    return pages
  }

  /// The groups as JSON.
  static func json(_ pages: [DiscoveredPage]) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // There are only strings, so that encoding cannot fail.
    guard let data = try? encoder.encode(pages) else { return Array("[]".utf8) }
    return Array(data) + [0x0A]
  }

  // Prometheus takes the query from labels. Names that cannot be part of a label name cannot be
  // given to it; of several values of one name it takes the first.
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
  /// Every page of a fleet's endpoints.
  static func all(of fleet: Fleet) -> [DiscoveredPage] { DiscoveredPage.all(of: fleet) }
}
