// The labels of every endpoint, escaped once for each fleet and not once for each page.
import Exposition
import Fleet
import Primitives

struct EndpointLabels {
  /// Every endpoint with its labels, in configuration order.
  private(set) var all: [(endpoint: Endpoint, labels: Labels)] = []
  private var byEndpoint: [Labels] = []
  /// The revision of the fleet that the labels belong to; 0: none.
  private var fleetRevision: UInt64 = 0

  init() {}

  init(_ table: WeightTable) { update(table) }

  /// Makes the labels of the table's fleet, unless they are made already.
  mutating func update(_ table: WeightTable) {
    if fleetRevision == table.fleetRevision { return }
    fleetRevision = table.fleetRevision
    all = table.fleet.pools.flatMap { pool in
      pool.endpoints.map {
        ($0, Labels(["pool": pool.name, "endpoint": $0.address.description]))
      }
    }
    byEndpoint = [Labels](repeating: .none, count: table.rows.count)
    for (endpoint, labels) in all { byEndpoint[endpoint.endpointIndex] = labels }
  }

  /// Requires: an endpoint of the fleet has the index.
  subscript(endpointIndex: Int) -> Labels { byEndpoint[endpointIndex] }
}
