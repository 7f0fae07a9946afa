// The families of the sources of endpoints: how often host names were looked up, when that last
// succeeded, how many addresses they have; and of the room for endpoints.
import Discovery
import Exposition
import Fleet
import Primitives

struct DiscoveryMetrics {
  let names: NameSource
  let sources: [SourceState]
  let runtime: RuntimeMembers
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
    writeSources(&writer)
    writer.open(.endpointsLimit)
    writer.sample(membership.endpointLimit)
    writer.open(.poolEndpointsLeftOut)
    for (index, pool) in membership.fleet.pools.enumerated() {
      writer.sample(membership.leftOutCount(ofPool: index), Labels(["pool": pool.name]))
    }
  }

  private func writeSources(_ writer: inout MetricsWriter) {
    func each(_ family: MetricFamily, _ value: (SourceState) -> Int) {
      writer.open(family)
      for state in sources {
        writer.sample(value(state), Labels(["pool": state.pool, "source": state.label]))
      }
    }
    func times(_ family: MetricFamily, _ value: (SourceState) -> Nanoseconds?) {
      writer.open(family)
      for state in sources {
        guard let wall = value(state) else { continue }
        writer.sample(wall.seconds, Labels(["pool": state.pool, "source": state.label]))
      }
    }
    each(.discoveryUp) { $0.isTried && $0.failure == nil ? 1 : 0 }
    each(.discoveryEndpoints) { $0.memberCount }
    for pool in membership.fleet.pools {
      let count = runtime.count(ofPool: pool.name)
      guard count > 0 else { continue }
      writer.sample(count, Labels(["pool": pool.name, "source": RuntimeMembers.label]))
    }
    each(.discoveryHeldBack) { $0.heldBackCount }
    each(.discoveryEmptyKept) { $0.keepsThroughEmpty ? 1 : 0 }
    each(.discoveryAnswersTotal) { Int($0.answerCount) }
    writer.open(.discoveryFailuresTotal)
    for state in sources {
      for reason in SourceFailure.Reason.allCases {
        writer.sample(
          state.count(reason),
          Labels(["pool": state.pool, "source": state.label, "reason": reason.rawValue]))
      }
    }
    times(.discoveryLastSuccess) { $0.lastSuccessWall }
    times(.discoveryLastChange) { $0.lastChangeWall }
  }
}
