// The families of /metrics that tell of host names: how often they were asked for, when that last
// worked, how many addresses they have.
import Discovery
import Exposition
import Primitives

struct NameMetrics {
  let names: NameSource

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
  }
}
