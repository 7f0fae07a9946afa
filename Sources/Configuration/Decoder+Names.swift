// `dns`: how host names of endpoints are resolved.
import Fleet
import Primitives

extension Decoder {
  mutating func decodeNames(_ scope: inout Scope) {
    scope.section("dns") { dns in
      dns.read("interval", &fleet.names.interval, .duration(.seconds(1) ... .seconds(3_600)))
      dns.read("timeout", &fleet.names.timeout, .duration(.milliseconds(100) ... .seconds(60)))
      dns.read("family", &fleet.names.family, .choice)
    }
  }
}
