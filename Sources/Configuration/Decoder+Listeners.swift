// `listeners`: sockets and their routes. A listener without routes sends everything to one pool.
import Fleet
import Primitives

extension Decoder {
  /// Appends a listener to the fleet.
  mutating func decodeListener(_ node: Node) -> Output {
    var scope = Scope(node, "this listener", report)
    let address = scope.require("listen", .listenAddress)
    var listener = Listener(address: address ?? .loopback(port: 0), routes: [])
    if let address { note(address, at: scope.offset(of: "listen")) }
    scope.read("head_timeout", &listener.headTimeout, .duration(Self.timeoutRange))
    scope.read("idle_timeout", &listener.idleTimeout, .duration(Self.timeoutRange))
    scope.read("body_timeout", &listener.bodyTimeout, .duration(Self.timeoutRange))
    scope.read("send_timeout", &listener.sendTimeout, .duration(Self.timeoutRange))

    decodeWire(&listener, in: &scope)
    listener.tls = decodeServerTLS(in: &scope)
    decodeHTTP2(&listener, in: &scope)

    let pool = scope.claim("pool")
    let nodes = scope.items("routes")
    if let pool, scope.has("routes") {
      report.error(
        at: pool.offset, "a listener has `pool` or `routes`, not both",
        hint: "in `routes`, the pool for everything else has no `match`")
    }
    var outputs: [Output] = []
    if scope.has("routes") {
      var seen: [RouteKey: Int] = [:]
      for node in (nodes ?? []).prefix(Self.routesMax) {
        var route = Scope(node, "this route", report)
        outputs.append(decodeRoute(&route, &listener, &seen))
      }
      if let nodes, nodes.count > Self.routesMax {
        report.error(
          at: nodes[Self.routesMax].offset, "a listener has at most \(Self.routesMax) routes")
      }
      if let nodes, nodes.isEmpty {
        report.error(at: scope.offset(of: "routes"), "`routes` needs at least one item")
      }
    } else {
      if pool == nil, poolNames.count > 1, scope.isUnderstood {
        report.error(
          at: node.offset, "this listener needs `pool` or `routes`",
          hint: "the pools are \(Suggestion.names(poolNames))")
      }
      // A listener without `routes` has one route, with defaults only.
      var route = Scope(nil, "this route", report)
      var seen: [RouteKey: Int] = [:]
      outputs.append(decodeRoute(&route, &listener, &seen, whole: pool))
    }
    scope.put("routes", .sequence(outputs))
    fleet.listeners.append(listener)
    return scope.finish()
  }

  // The index of the pool that a listener or route names.
  func poolIndex(_ node: Node, _ scope: Scope) -> Int? {
    guard let name = scope.decode(node, "`pool`", .text("the name of a pool")) else { return nil }
    if let index = poolIndices[name] { return index }
    // A hostile file may have many names to compare, many times.
    let namesMax = 200
    let names = Array(poolNames.prefix(report.isFull ? 0 : namesMax))
    report.error(
      at: node.offset, "there is no pool \(Printable.quoted(name))",
      hint: Suggestion.hint(for: name, among: names)
        ?? (names.isEmpty ? nil : "the pools are \(Suggestion.names(names))"))
    return nil
  }
}
