// Rejects an endpoint that is a listener of the same file: each request to it would come back as
// another one, until every connection is used up. Only addresses are compared; the machine's own
// addresses and the addresses of host names are unknown here.
import Fleet
import Primitives

extension Decoder {
  /// Reports every endpoint that is a listener of this file. Requires: listeners and pools are
  /// decoded.
  func refuseOwnListeners() {
    let listeners = Dictionary(grouping: fleet.listeners.map(\.address), by: \.port)
    for (address, offset) in endpointOffsets {
      let own = (listeners[address.port] ?? []).first { Self.reaches(address, $0) }
      guard let own, address.port != 0 else { continue }
      let line = listenOffsets[own].flatMap { $0 }.map {
        ", in \(report.line(of: $0, from: offset))"
      }
      report.error(
        at: offset, "`\(address)` is steelyard's own listener `\(own)`\(line ?? "")",
        hint: "its requests would come back to it without end")
    }
  }

  /// Whether a connection to `address` may reach a listener with the same port.
  static func reaches(_ address: SocketAddress, _ listener: SocketAddress) -> Bool {
    let (target, own) = (IPAddress(address), IPAddress(listener))
    if target == own { return true }
    // A connection to the wildcard address reaches the machine itself.
    let isLocal = address.isLoopback || isWildcard(target)
    // [::] accepts IPv4 too, 0.0.0.0 only IPv4.
    if isWildcard(own) { return isLocal && (!own.isV4 || target.isV4) }
    return isWildcard(target) && listener.isLoopback && target.isV4 == own.isV4
  }

  private static func isWildcard(_ address: IPAddress) -> Bool {
    address == .none || address == IPAddress(v4: 0)
  }
}
