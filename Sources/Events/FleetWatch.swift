// Changes since the last look: endpoints that left service or came back, pools without endpoints,
// frozen weights. Pure: the caller passes the present state.
package import Fleet
package import Primitives

/// The last state of endpoints and pools. Bounded by the number of endpoints.
package struct FleetWatch {
  /// The present state of an endpoint.
  package struct View {
    package var endpointIndex: Int
    package var address: SocketAddress
    /// The eligibility according to the controller.
    package var eligibility: Eligibility
    /// The endpoint is ejected, even if single requests try it.
    package var isEjected: Bool
    /// The number of its ejections by workers.
    package var ejectionCount: UInt64

    package init(
      endpointIndex: Int, address: SocketAddress, eligibility: Eligibility, isEjected: Bool,
      ejectionCount: UInt64
    ) {
      self.endpointIndex = endpointIndex
      self.address = address
      self.eligibility = eligibility
      self.isEjected = isEjected
      self.ejectionCount = ejectionCount
    }
  }

  /// A change.
  package enum Change: Equatable {
    case endpoint(SocketAddress, endpointIndex: Int, from: Eligibility, to: Eligibility)
    case pool(PoolState)
  }

  private struct Memory {
    var pool: String
    var address: SocketAddress
    var state: Eligibility
    var ejectionCount: UInt64
  }

  private struct PoolMemory {
    var isWithout = false
    var freeze: FreezeCause?
  }

  /// By endpoint index.
  private var endpoints: [Memory?] = []
  private var pools: [String: PoolMemory] = [:]

  package init() {}

  /// Forgets pools that no longer exist. To be called after a reload.
  package mutating func keep(pools names: Set<String>) {
    pools = pools.filter { names.contains($0.key) }
    for index in endpoints.indices where !names.contains(endpoints[index]?.pool ?? "") {
      endpoints[index] = nil
    }
  }

  /// Compares a pool with its last state. A new endpoint is no change. `tell` gets each change, and
  /// the number of endpoints that may take new requests after all of them.
  package mutating func look(
    at pool: String, freeze: FreezeCause?, count: Int, _ view: (Int) -> View,
    _ tell: (Change, _ readyCount: Int) -> Void
  ) {
    var readyCount = 0
    var changes: [Change] = []
    var outCounts = [Int](repeating: 0, count: Eligibility.allCases.count)
    for index in 0..<count {
      let view = view(index)
      let state = look(at: view, pool, &changes)
      if state.takesNewExchanges {
        readyCount += 1
      } else {
        outCounts[Int(state.rawValue)] += 1
      }
    }
    for change in changes { tell(change, readyCount) }
    var memory = pools[pool] ?? PoolMemory()
    if memory.isWithout != (readyCount == 0) {
      memory.isWithout = readyCount == 0
      let state =
        memory.isWithout ? PoolState.withoutEndpoint(Self.summary(outCounts)) : .recovered
      tell(.pool(state), readyCount)
    }
    if memory.freeze != freeze {
      memory.freeze = freeze
      tell(.pool(freeze.map { .frozen($0) } ?? .unfrozen), readyCount)
    }
    pools[pool] = memory
  }

  /// The state of the endpoint as operators see it.
  private mutating func look(
    at view: View, _ pool: String, _ changes: inout [Change]
  ) -> Eligibility {
    while endpoints.count <= view.endpointIndex { endpoints.append(nil) }
    let before = endpoints[view.endpointIndex].flatMap {
      $0.address == view.address && $0.pool == pool ? $0 : nil
    }
    let state = state(of: view, before)
    endpoints[view.endpointIndex] = Memory(
      pool: pool, address: view.address, state: state, ejectionCount: view.ejectionCount)
    if let before, before.state != state, state != .ejected || isNew(view, before) {
      changes.append(
        .endpoint(view.address, endpointIndex: view.endpointIndex, from: before.state, to: state))
    }
    return state
  }

  private func state(of view: View, _ before: Memory?) -> Eligibility {
    guard let before else { return view.eligibility.shown(isEjected: view.isEjected) }
    // An endpoint that comes back is tried by single requests before: that is no ejection.
    if view.isEjected, before.state.takesNewExchanges, !isNew(view, before) {
      return view.eligibility
    }
    // An ejection may have ended between two looks.
    let wasEjected = isNew(view, before) && before.state != .ejected
    return view.eligibility.shown(isEjected: view.isEjected || wasEjected)
  }

  /// Whether an ejection began since the last look.
  private func isNew(_ view: View, _ before: Memory) -> Bool {
    view.ejectionCount > before.ejectionCount
  }

  private static func summary(_ counts: [Int]) -> String {
    let parts = Eligibility.allCases.compactMap { state in
      let count = counts[Int(state.rawValue)]
      return count > 0 ? "\(count) \(state.label)" : nil
    }
    return parts.isEmpty ? "no endpoints" : parts.joined(separator: ", ")
  }
}
