// The families of the sources of endpoints: how often host names were looked up, when that last
// succeeded, how many addresses they have; and of the room for endpoints.
import Discovery
import Exposition
import Fleet
import Primitives

struct DiscoveryMetrics {
  let names: NameSource
  let membership: Membership

  func write(to writer: inout MetricsWriter) {
    writer.open(.dnsResolutionsTotal)
    for state in names.states {
      for result in NameResult.allCases {
        writer.sample(
          state.count(result), Labels(["host": state.host, "result": result.label]))
      }
    }
    writer.open(.dnsLastSuccessTimestampSeconds)
    for state in names.states {
      if let wall = state.lastSuccessWall {
        writer.sample(wall.seconds, Labels(["host": state.host]))
      }
    }
    writer.open(.dnsAddresses)
    for state in names.states {
      writer.sample(state.addresses.count, Labels(["host": state.host]))
    }
    writer.open(.endpointsLimit)
    writer.sample(membership.endpointLimit)
    writer.open(.poolEndpointsLeftOut)
    for (index, pool) in membership.fleet.pools.enumerated() {
      writer.sample(membership.leftOutCount(ofPool: index), Labels(["pool": pool.name]))
    }
  }
}
