// Envoy's endpoint discovery over REST: `POST /v3/discovery:endpoints` with a DiscoveryRequest is
// answered with a ClusterLoadAssignment for each pool that it names (Envoy API v3, xDS REST-JSON).
// A pool is the `service_name` of an EDS cluster.
import Primitives

/// A DiscoveryRequest, as far as it matters.
struct EndpointRequest: Decodable {
  /// The pools.
  var resourceNames: [String]?
}

/// A DiscoveryResponse.
struct EndpointAnswer: Encodable {
  static let typeURL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
  /// The largest weight; the smallest is 1 (`load_balancing_weight`).
  private static let weightMax = 128

  let versionInfo: String
  let typeUrl = Self.typeURL
  let resources: [Assignment]

  struct Assignment: Encodable {
    let type = EndpointAnswer.typeURL
    let clusterName: String
    let endpoints: [Locality]

    enum CodingKeys: String, CodingKey {
      case type = "@type"
      case clusterName, endpoints
    }
  }

  /// The primaries or the backups of a pool.
  struct Locality: Encodable {
    /// 0 for primaries, 1 for backups.
    let priority: Int
    let lbEndpoints: [Member]
  }

  struct Member: Encodable {
    struct Host: Encodable {
      struct Address: Encodable {
        struct Socket: Encodable {
          let address: String
          let portValue: UInt16
        }
        let socketAddress: Socket
      }
      let address: Address
    }
    let endpoint: Host
    let healthStatus: String
    let loadBalancingWeight: Int
  }

  /// The answer for the pools of the request that exist. `version` names the state of all pools.
  init(_ request: EndpointRequest, _ pools: [PoolStatus], version: String) {
    let names = Set(request.resourceNames ?? [])
    versionInfo = version
    resources = pools.filter { names.contains($0.name) }.map { pool in
      let all = SteeredEndpoint.all(pool)
      let localities = [false, true].compactMap { isBackup -> Locality? in
        let members = all.filter { $0.isBackup == isBackup }.compactMap(Self.member)
        return members.isEmpty ? nil : Locality(priority: isBackup ? 1 : 0, lbEndpoints: members)
      }
      return Assignment(clusterName: pool.name, endpoints: localities)
    }
  }

  private static func member(_ endpoint: SteeredEndpoint) -> Member? {
    guard let address = SocketAddress(endpoint.address) else { return nil }
    return Member(
      endpoint: .init(
        address: .init(
          socketAddress: .init(
            address: IPAddress(address).description, portValue: address.port))),
      healthStatus: endpoint.isUsed ? "HEALTHY" : "UNHEALTHY",
      loadBalancingWeight: max(1, endpoint.weight(of: weightMax)))
  }
}
