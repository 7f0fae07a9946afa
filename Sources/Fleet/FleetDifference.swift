// Describes what a reload changes: one line for each listener, pool, endpoint or host name that is
// added, removed or changed.
import Primitives

/// The difference between two configurations, in the order of the new one, with removals last.
public enum FleetDifference {
  public static func lines(from old: Fleet, to new: Fleet) -> [String] {
    var lines: [String] = []
    if old.adminTLS != new.adminTLS { lines.append("admin: tls changed") }
    if old.adminTokens != new.adminTokens { lines.append("admin tokens changed") }
    if old.log != new.log { lines.append("log changed") }
    if old.accessLog != new.accessLog { lines.append("access_log changed") }
    if old.stateFile != new.stateFile { lines.append("state_file changed") }
    if old.shutdownTimeout != new.shutdownTimeout { lines.append("shutdown_timeout changed") }
    if old.upgrade != new.upgrade { lines.append("upgrade changed") }
    if old.names != new.names { lines.append("dns changed") }
    if old.hooks != new.hooks { lines.append("hooks changed") }
    if old.shared != new.shared { lines.append("shared changed") }
    compareTLS(
      old.listeners.map { ("listener \($0.address)", $0.tls) },
      new.listeners.map { ("listener \($0.address)", $0.tls) }, &lines)
    compare(
      old.listeners.map { ("listener \($0.address)", named($0, in: old)) },
      new.listeners.map { ("listener \($0.address)", named($0, in: new)) }, &lines)
    compareTLS(
      old.pools.map { ("pool \($0.name)", $0.tls) },
      new.pools.map { ("pool \($0.name)", $0.tls) }, &lines)
    compare(
      old.pools.map { ("pool \($0.name)", $0.withoutEndpoints.withoutTLS) },
      new.pools.map { ("pool \($0.name)", $0.withoutEndpoints.withoutTLS) }, &lines)
    compare(endpoints(old), endpoints(new), &lines) { "endpoint \($0.address) of pool \($0.pool)" }
    compare(names(old), names(new), &lines)
    compare(sources(old), sources(new), &lines)
    return lines
  }

  /// A listener whose routes name their pools instead of holding indices.
  private struct NamedListener: Equatable {
    var listener: Listener
    var pools: [String?]
  }

  private static func named(_ listener: Listener, in fleet: Fleet) -> NamedListener {
    var result = NamedListener(listener: listener, pools: [])
    result.listener.tls = nil
    for index in listener.routes.indices {
      let pool = listener.routes[index].action.pool
      result.pools.append(pool.map { fleet.pools[$0].name })
      if pool != nil { result.listener.routes[index].action = .pool(0) }
    }
    return result
  }

  // A line for each listener or pool of both fleets whose `tls` differs.
  private static func compareTLS<TLS: Equatable>(
    _ old: [(String, TLS?)], _ new: [(String, TLS?)], _ lines: inout [String]
  ) {
    let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
    for (key, tls) in new {
      if let previous = before[key], previous != tls { lines.append("\(key): tls changed") }
    }
  }

  /// What identifies an endpoint; words are made of it only where it has changed.
  private struct EndpointKey: Hashable {
    let pool: String
    let address: SocketAddress
  }

  private static func endpoints(_ fleet: Fleet) -> [(EndpointKey, Endpoint)] {
    fleet.pools.flatMap { pool in
      pool.endpoints.map {
        var endpoint = $0
        endpoint.endpointIndex = -1
        return (EndpointKey(pool: pool.name, address: $0.address), endpoint)
      }
    }
  }

  private static func names(_ fleet: Fleet) -> [(String, NamedEndpoint)] {
    fleet.pools.flatMap { pool in
      pool.names.map { ("host name \($0) of pool \(pool.name)", $0) }
    }
  }

  private static func sources(_ fleet: Fleet) -> [(String, DiscoverySource)] {
    fleet.pools.flatMap { pool in
      pool.sources.map { ("source \($0.label) of pool \(pool.name)", $0) }
    }
  }

  private static func compare<Value: Equatable>(
    _ old: [(String, Value)], _ new: [(String, Value)], _ lines: inout [String]
  ) {
    compare(old, new, &lines) { $0 }
  }

  // Several listeners with port 0 can have the same key: the first one counts.
  private static func compare<Key: Hashable, Value: Equatable>(
    _ old: [(Key, Value)], _ new: [(Key, Value)], _ lines: inout [String],
    _ words: (Key) -> String
  ) {
    let before = Dictionary(old, uniquingKeysWith: { first, _ in first })
    let after = Set(new.map(\.0))
    for (key, value) in new {
      guard let previous = before[key] else {
        lines.append("\(words(key)) added")
        continue
      }
      if previous != value { lines.append("\(words(key)) changed") }
    }
    for (key, _) in old where !after.contains(key) { lines.append("\(words(key)) removed") }
  }
}

extension Pool {
  /// The pool without its `tls`, and without that of the pages and checks that inherit it.
  fileprivate var withoutTLS: Pool {
    var pool = self
    pool.tls = nil
    for index in weights.scrapes.indices where weights.scrapes[index].tls == tls {
      pool.weights.scrapes[index].tls = nil
    }
    if health?.tls == tls { pool.health?.tls = nil }
    pool.canary?.tls = nil
    return pool
  }

  /// The pool's settings alone.
  var withoutEndpoints: Pool {
    var pool = self
    pool.endpoints = []
    pool.names = []
    pool.sources = []
    return pool
  }
}
