// The families of /metrics that tell of host names: how often they were asked for, when that last
// worked, how many addresses they have.
import Controller
import Exposition
import Primitives

struct NameMetrics {
  let watch: NameWatch

  func write(to writer: inout MetricsWriter) {
    writer.family(
      "steelyard_dns_resolutions_total", .counter,
      help: "Questions for the addresses of a host name, by how they ended.")
    for state in watch.states {
      for result in NameResult.allCases {
        writer.sample(
          state.count(result), Labels(["host": state.host, "result": result.label]))
      }
    }
    writer.family(
      "steelyard_dns_last_success_timestamp_seconds", .gauge,
      help: "When a host name last had an address, seconds since 1970.")
    for state in watch.states {
      if let wall = state.lastSuccessWall {
        writer.sample(wall.seconds, Labels(["host": state.host]))
      }
    }
    writer.family(
      "steelyard_dns_addresses", .gauge, help: "Addresses of a host name that are in use.")
    for state in watch.states {
      writer.sample(state.addresses.count, Labels(["host": state.host]))
    }
  }
}
