// Describes what a reload changes: one line for each listener, pool, endpoint or host name that is
// added, removed or changed.

/// The difference between two configurations, in the order of the new one, with removals last.
public enum FleetDifference {
  public static func lines(from old: Fleet, to new: Fleet) -> [String] {
    var lines: [String] = []
    if old.adminTokens != new.adminTokens { lines.append("admin tokens changed") }
    if old.log != new.log { lines.append("log changed") }
    if old.accessLog != new.accessLog { lines.append("access_log changed") }
    if old.shutdownTimeout != new.shutdownTimeout { lines.append("shutdown_timeout changed") }
    if old.names != new.names { lines.append("dns changed") }
    if old.hooks != new.hooks { lines.append("hooks changed") }
    compare(
      old.listeners.map { ("listener \($0.address)", named($0, in: old)) },
      new.listeners.map { ("listener \($0.address)", named($0, in: new)) }, &lines)
    compare(
      old.pools.map { ("pool \($0.name)", $0.withoutEndpoints) },
      new.pools.map { ("pool \($0.name)", $0.withoutEndpoints) }, &lines)
    compare(endpoints(old), endpoints(new), &lines)
    compare(names(old), names(new), &lines)
    return lines
  }

  /// A listener whose routes name their pools instead of holding indices.
  private struct NamedListener: Equatable {
    var listener: Listener
    var pools: [String?]
  }

  private static func named(_ listener: Listener, in fleet: Fleet) -> NamedListener {
    var result = NamedListener(listener: listener, pools: [])
    for index in listener.routes.indices {
      let pool = listener.routes[index].action.pool
      result.pools.append(pool.map { fleet.pools[$0].name })
      if pool != nil { result.listener.routes[index].action = .pool(0) }
    }
    return result
  }

  private static func endpoints(_ fleet: Fleet) -> [(String, Endpoint)] {
    fleet.pools.flatMap { pool in
      pool.endpoints.map {
        var endpoint = $0
        endpoint.endpointIndex = -1
        return ("endpoint \($0.address) of pool \(pool.name)", endpoint)
      }
    }
  }

  private static func names(_ fleet: Fleet) -> [(String, NamedEndpoint)] {
    fleet.pools.flatMap { pool in
      pool.names.map { ("host name \($0) of pool \(pool.name)", $0) }
    }
  }

  // Several listeners with port 0 can have the same key: the first one counts.
  private static func compare<Value: Equatable>(
    _ old: [(String, Value)], _ new: [(String, Value)], _ lines: inout [String]
  ) {
    let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
    let after = Set(new.map(\.0))
    for (key, value) in new {
      guard let previous = before[key] else {
        lines.append("\(key) added")
        continue
      }
      if previous != value { lines.append("\(key) changed") }
    }
    for (key, _) in old where !after.contains(key) { lines.append("\(key) removed") }
  }
}

extension Pool {
  /// The pool's settings alone.
  var withoutEndpoints: Pool {
    var pool = self
    pool.endpoints = []
    pool.names = []
    return pool
  }
}
