// What all workers share to let requests in: the pools' gates, the endpoints' slots, the rate
// limits' buckets, the clients' connections. Gates and buckets are found by name when a fleet is
// taken over, so that a reload keeps them; nothing here is looked up for a request.
package import Fleet
import Synchronization

/// Gates by their index, buckets by the name of their limit.
package final class AdmissionBoard: Sendable {
  package let workerCount: Int
  package let hash: SipHash
  package let slots: SlotCounts
  /// nil where connections per client are not limited.
  package let clients: ClientTable?

  private struct State {
    /// An index is never given to another pool: an exchange may still hold a place of it.
    var gates: [PoolGate] = []
    var tables: [String: RateTable] = [:]
    var refusals: [String: RefusalCounts] = [:]
    var traffic: [String: PoolTraffic] = [:]
    /// As with gates, an index is never given to another pool.
    var allowances: [UploadAllowance] = []
  }
  private let state = Mutex(State())

  package init(limits: Limits, workerCount: Int, endpointLimit: Int, hash: SipHash) {
    self.workerCount = workerCount
    self.hash = hash
    slots = SlotCounts(endpointLimit: endpointLimit)
    clients = limits.connectionsPerClient.map {
      ClientTable(limit: $0, connectionsMax: limits.connectionsMax * workerCount)
    }
  }

  /// Every gate that there ever was. A gate's index is its place.
  package var gates: [PoolGate] { state.withLock { $0.gates } }

  /// Makes what the fleet needs, keeps what has the same name, forgets buckets of other limits.
  /// Before the fleet is published; allocates.
  package func prepare(_ fleet: Fleet) {
    let scopes = RateScope.all(of: fleet)
    state.withLock { state in
      for pool in fleet.pools where pool.queue.concurrency != .unlimited {
        if state.gates.contains(where: { $0.name == pool.name }) { continue }
        state.gates.append(PoolGate(name: pool.name, workerCount: workerCount))
      }
      var tables: [String: RateTable] = [:]
      for scope in scopes {
        for limit in scope.limits {
          let name = scope.name(of: limit)
          tables[name] = state.tables[name] ?? makeTable(limit)
        }
      }
      state.tables = tables
    }
  }

  /// What is counted of the pool's refusals, made where there is nothing yet. Allocates.
  package func refusals(of pool: String) -> RefusalCounts {
    state.withLock { state in
      if let counts = state.refusals[pool] { return counts }
      let counts = RefusalCounts(name: pool, workerCount: workerCount)
      state.refusals[pool] = counts
      return counts
    }
  }

  /// What is counted of the pool's requests and of clients that left, made where there is nothing
  /// yet. Allocates.
  package func traffic(of pool: String) -> PoolTraffic {
    state.withLock { state in
      if let traffic = state.traffic[pool] { return traffic }
      let traffic = PoolTraffic(name: pool, workerCount: workerCount)
      state.traffic[pool] = traffic
      return traffic
    }
  }

  /// Every allowance that there ever was.
  package var allowances: [UploadAllowance] { state.withLock { $0.allowances } }

  /// The index of the pool's allowance, made where there is none yet. Allocates.
  package func allowance(of pool: String) -> Int {
    state.withLock { state in
      if let index = state.allowances.firstIndex(where: { $0.name == pool }) { return index }
      state.allowances.append(UploadAllowance(name: pool))
      return state.allowances.count - 1
    }
  }

  /// The buckets of a limit, made where `prepare` has not.
  package func table(_ limit: RateLimit, of scope: RateScope) -> RateTable {
    let name = scope.name(of: limit)
    return state.withLock { state in
      if let table = state.tables[name] { return table }
      let table = makeTable(limit)
      state.tables[name] = table
      return table
    }
  }

  private func makeTable(_ limit: RateLimit) -> RateTable {
    RateTable(keysMax: limit.key == .all ? 1 : limit.keysMax, workerCount: workerCount)
  }
}

/// Where rate limits stand: at a pool or a route.
package struct RateScope: Sendable {
  package enum Owner: Sendable, Equatable {
    case pool(Int)
    case route(listener: Int, route: Int)
  }
  package let owner: Owner
  /// `pool text`, `route 0.0.0.0:8080 /api/`; unlike that of any other scope.
  package let name: String
  package let limits: [RateLimit]

  /// What makes a limit the same one after a reload; its burst is no part of it.
  package func name(of limit: RateLimit) -> String {
    "\(name) \(limit.key.text) \(limit.rate.text) \(limit.keysMax)"
  }

  /// All scopes of a fleet that have limits, in its order.
  package static func all(of fleet: Fleet) -> [RateScope] {
    var scopes: [RateScope] = []
    for (index, pool) in fleet.pools.enumerated() where !pool.rateLimits.isEmpty {
      scopes.append(
        RateScope(owner: .pool(index), name: "pool \(pool.name)", limits: pool.rateLimits))
    }
    var uses: [String: Int] = [:]
    for (index, listener) in fleet.listeners.enumerated() {
      for (position, route) in listener.routes.enumerated() where !route.rateLimits.isEmpty {
        let name = "route \(listener.address) \(route.match.path.text)"
        uses[name, default: 0] += 1
        let count = uses[name] ?? 1
        scopes.append(
          RateScope(
            owner: .route(listener: index, route: position),
            name: count == 1 ? name : "\(name) (\(count))", limits: route.rateLimits))
      }
    }
    return scopes
  }
}
