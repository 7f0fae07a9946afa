// The admission state that all workers share: queues of pools, slots of endpoints, buckets of rate
// limits, and connections of clients. Invariant: queues and buckets are found by name when a fleet
// is adopted, so that reloads keep them; no request looks up a name here.
package import Fleet
package import Primitives
import Synchronization

/// The shared state: queues by index, buckets by the name of their limit.
package final class AdmissionBoard: Sendable {
  /// The number of workers.
  package let workerCount: Int
  /// The keyed hash for the keys of rate limits and for clients.
  package let hash: SipHash
  /// The occupied slots of endpoints.
  package let slots: SlotCounts
  /// nil: connections per client are not limited.
  package let clients: ClientTable?

  private struct State {
    /// The queues at their indexes. An index is never reassigned to another pool, because an
    /// exchange may still hold a permit of its queue.
    var queues: [PoolQueue] = []
    var tables: [String: RateBuckets] = [:]
    var sharedHash: SipHash
    var refusals: [String: RefusalCounts] = [:]
    var traffic: [String: PoolTraffic] = [:]
    /// The allowances. As with queues, an index is never reassigned to another pool.
    var allowances: [UploadAllowance] = []
  }
  private let state: Mutex<State>

  /// Makes an empty board. `endpointLimit` bounds endpoint indexes. Allocates.
  package init(limits: Limits, workerCount: Int, endpointLimit: Int, hash: SipHash) {
    self.workerCount = workerCount
    self.hash = hash
    state = Mutex(State(sharedHash: hash))
    slots = SlotCounts(endpointLimit: endpointLimit)
    clients = limits.connectionsPerClient.map {
      ClientTable(limit: $0, connectionsMax: limits.connectionsMax * workerCount)
    }
  }

  /// Every queue since start, at its index.
  package var queues: [PoolQueue] { state.withLock { $0.queues } }

  /// Creates the queues and buckets that the fleet needs, keeps those with the same name, and drops
  /// the buckets of limits that the fleet does not have. Call before the fleet is published.
  /// Allocates.
  package func prepare(_ fleet: Fleet) {
    let scopes = RateScope.all(of: fleet)
    state.withLock { state in
      for pool in fleet.pools where pool.queue.concurrency != .unlimited {
        if state.queues.contains(where: { $0.name == pool.name }) { continue }
        state.queues.append(PoolQueue(name: pool.name, workerCount: workerCount))
      }
      var tables: [String: RateBuckets] = [:]
      for scope in scopes {
        for limit in scope.limits {
          let name = scope.name(of: limit)
          tables[name] = state.tables[name] ?? makeTable(limit)
        }
      }
      state.tables = tables
    }
  }

  /// The refusal counters of the pool, created on first use. Allocates.
  package func refusals(of pool: String) -> RefusalCounts {
    state.withLock { state in
      if let counts = state.refusals[pool] { return counts }
      let counts = RefusalCounts(name: pool, workerCount: workerCount)
      state.refusals[pool] = counts
      return counts
    }
  }

  /// The counters of the pool's requests and of clients that left, created on first use. Allocates.
  package func traffic(of pool: String) -> PoolTraffic {
    state.withLock { state in
      if let traffic = state.traffic[pool] { return traffic }
      let traffic = PoolTraffic(name: pool, workerCount: workerCount)
      state.traffic[pool] = traffic
      return traffic
    }
  }

  /// Every allowance since start, at its index.
  package var allowances: [UploadAllowance] { state.withLock { $0.allowances } }

  /// The index of the pool's allowance, created on first use. Allocates.
  package func allowance(of pool: String) -> Int {
    state.withLock { state in
      if let index = state.allowances.firstIndex(where: { $0.name == pool }) { return index }
      state.allowances.append(UploadAllowance(name: pool))
      return state.allowances.count - 1
    }
  }

  /// The keyed hash for the keys of limits that replicas share.
  package var sharedHash: SipHash { state.withLock { $0.sharedHash } }

  /// Sets the hash for the keys of shared limits, the same at every replica; their buckets begin
  /// anew. Call before `prepare` and before the fleet is published.
  package func setSharedHash(_ hash: SipHash) {
    state.withLock { state in
      state.sharedHash = hash
      state.tables = state.tables.filter { if case .own = $0.value { true } else { false } }
    }
  }

  /// The buckets of a limit, created if `prepare` has not done so.
  package func buckets(_ limit: RateLimit, of scope: RateScope) -> RateBuckets {
    let name = scope.name(of: limit)
    return state.withLock { state in
      if let table = state.tables[name] { return table }
      let table = makeTable(limit)
      state.tables[name] = table
      return table
    }
  }

  /// The buckets of this process's rate limits, for one that replaces it. Shared limits are in the
  /// store.
  package func record(now: Nanoseconds) -> AdmissionRecord {
    let tables = state.withLock { $0.tables }
    return AdmissionRecord(
      hash: hash.words, buckets: tables.compactMapValues { $0.buckets(now: now) })
  }

  /// Goes on with the buckets of another process, as far as the limits are the same. Requires: the
  /// board has the record's hash, the fleet is prepared, and no worker has begun.
  package func restore(_ record: AdmissionRecord) {
    let tables = state.withLock { $0.tables }
    for (name, buckets) in record.buckets { tables[name]?.restore(buckets) }
  }

  private func makeTable(_ limit: RateLimit) -> RateBuckets {
    let keysMax = limit.key == .all ? 1 : limit.keysMax
    guard limit.isShared else {
      return .own(RateTable(keysMax: keysMax, workerCount: workerCount))
    }
    return .shared(
      SharedTable(keysMax: keysMax, workerCount: workerCount, firstWait: limit.rate.interval))
  }
}

/// The rate limits of a process that another one goes on with.
package struct AdmissionRecord: Codable, Sendable {
  /// The two words of the hash's key.
  var hash: [UInt64]
  /// By the name of the limit: the hash of a key, the time at which its bucket is full in
  /// nanoseconds of the monotonic clock, and so on.
  var buckets: [String: [UInt64]]

  /// nil: the record has no key.
  var sipHash: SipHash? { hash.count == 2 ? SipHash(hash[0], hash[1]) : nil }
}

/// The pool or route at which rate limits are configured.
package struct RateScope: Sendable {
  /// The pool or the route, by its indexes in the fleet.
  package enum Owner: Sendable, Equatable {
    case pool(Int)
    case route(listener: Int, route: Int)
  }
  /// The pool or route to which the limits belong.
  package let owner: Owner
  /// For example `pool text`, `route 0.0.0.0:8080 /api/`; unique among all scopes.
  package let name: String
  /// For example `pool text`, `route /api/`; the same at replicas that listen on other addresses.
  package let sharedName: String
  /// The rate limits of the scope, in the order of the configuration.
  package let limits: [RateLimit]

  /// The name that identifies a limit across reloads. The burst is not part of it.
  package func name(of limit: RateLimit) -> String {
    "\(name) \(limit.key.text) \(limit.rate.text) \(limit.keysMax)"
      + (limit.isShared ? " shared" : "")
  }

  /// The name that identifies a shared limit among replicas.
  package func sharedName(of limit: RateLimit) -> String {
    "\(sharedName) \(limit.key.text) \(limit.rate.text)"
  }

  /// All scopes of a fleet that have limits, in the fleet's order.
  package static func all(of fleet: Fleet) -> [RateScope] {
    var scopes: [RateScope] = []
    for (index, pool) in fleet.pools.enumerated() where !pool.rateLimits.isEmpty {
      scopes.append(
        RateScope(
          owner: .pool(index), name: "pool \(pool.name)", sharedName: "pool \(pool.name)",
          limits: pool.rateLimits))
    }
    var uses: [String: Int] = [:]
    func numbered(_ name: String) -> String {
      uses[name, default: 0] += 1
      let count = uses[name] ?? 1
      return count == 1 ? name : "\(name) (\(count))"
    }
    for (index, listener) in fleet.listeners.enumerated() {
      for (position, route) in listener.routes.enumerated() where !route.rateLimits.isEmpty {
        let path = route.match.path.text
        scopes.append(
          RateScope(
            owner: .route(listener: index, route: position),
            name: numbered("route \(listener.address) \(path)"),
            sharedName: numbered("route \(path)"), limits: route.rateLimits))
      }
    }
    return scopes
  }
}
