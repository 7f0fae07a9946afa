// An endpoint that is a listener of the same file: each request to it would come back as a further
// one, until every connection is used up. Seen where addresses say it; not which addresses the
// machine has, nor what a host name will resolve to.
import Fleet
import Primitives

extension Decoder {
  /// Reports every endpoint that is an own listener. Requires: listeners and pools are decoded.
  func refuseOwnListeners() {
    let listeners = Dictionary(grouping: fleet.listeners.map(\.address), by: \.port)
    for (address, offset) in endpointOffsets {
      let own = (listeners[address.port] ?? []).first { Self.reaches(address, $0) }
      guard let own, address.port != 0 else { continue }
      let line = listenLines[own].flatMap { $0 }.map { ", in line \($0)" } ?? ""
      report.error(
        at: offset, "`\(address)` is steelyard's own listener `\(own)`\(line)",
        hint: "its requests would come back to it without end")
    }
  }

  /// Whether a connection to `address` may come out at a listener of the same port.
  static func reaches(_ address: SocketAddress, _ listener: SocketAddress) -> Bool {
    let (target, own) = (IPAddress(address), IPAddress(listener))
    if target == own { return true }
    // To connect to the address of all interfaces is to connect to the machine itself.
    let isLocal = address.isLoopback || isWildcard(target)
    // [::] takes IPv4 too, 0.0.0.0 nothing else.
    if isWildcard(own) { return isLocal && (!own.isV4 || target.isV4) }
    return isWildcard(target) && listener.isLoopback && target.isV4 == own.isV4
  }

  private static func isWildcard(_ address: IPAddress) -> Bool {
    address == .none || address == IPAddress(v4: 0)
  }
}
