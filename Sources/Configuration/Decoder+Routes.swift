// `routes` of a listener: what they match and what becomes of the request.
import Fleet
import Primitives

extension Decoder {
  func decodeRoute(
    _ scope: inout Scope, _ listener: inout Listener, _ lines: inout [String: Int]
  ) -> Output {
    var route = Route(pathPrefix: "/", pool: 0)
    var offset = scope.offset(of: "match")
    let errorCount = report.count
    scope.section("match") { match in
      match.read("path_prefix", &route.pathPrefix, .path(query: false))
      if match.has("path_prefix") { offset = match.offset(of: "path_prefix") }
    }
    // A prefix that could not be read is no second "/".
    if report.count == errorCount { note(route.pathPrefix, at: offset, &lines) }
    var index: Int?
    if let node = scope.claim("pool", required: poolNames.count > 1) {
      index = poolIndex(node, scope)
      let name = index.map { poolNames[$0] } ?? ""
      scope.put("pool", .value(YAMLText.scalar(name), isDefault: false))
    } else if poolNames.count == 1 {
      index = 0
      scope.put("pool", .value(YAMLText.scalar(poolNames[0]), isDefault: true))
    }
    route.pool = index ?? 0
    decodeTimeouts(&scope, &route)
    scope.read("access_log", &route.logsAccess, .truth)
    listener.routes.append(route)
    return scope.finish()
  }

  private func note(_ prefix: String, at offset: Int, _ lines: inout [String: Int]) {
    let line = report.source.position(of: offset).line
    guard let first = lines.updateValue(line, forKey: prefix) else { return }
    report.error(
      at: offset,
      "\(Printable.quoted(prefix)) is already the prefix of the route in line \(first)")
  }

  // A route's own timeouts are the pool's with what the route changes.
  private func decodeTimeouts(_ scope: inout Scope, _ route: inout Route) {
    var isEmpty = true
    let node = scope.claim("timeouts")
    if let node, case .mapping(let entries) = node.content { isEmpty = entries.isEmpty }
    var timeouts =
      fleet.pools.indices.contains(route.pool)
      ? fleet.pools[route.pool].timeouts : ExchangeTimeouts()
    guard let node, !isEmpty else {
      if let node { _ = Scope(node, "`timeouts`", report) }
      scope.put("timeouts", .value("{}", isDefault: node == nil))
      return
    }
    var section = Scope(node, "`timeouts`", report)
    Self.read(&timeouts, in: &section)
    route.timeouts = timeouts
    scope.put("timeouts", section.finish())
  }

  /// The keys of `timeouts`, in a pool and in a route.
  static func read(_ timeouts: inout ExchangeTimeouts, in scope: inout Scope) {
    scope.read("connect", &timeouts.connect, .duration(timeoutRange))
    scope.read("first_byte", &timeouts.firstByte, .duration(timeoutRange))
    scope.read("idle", &timeouts.idle, .duration(timeoutRange))
  }
}
