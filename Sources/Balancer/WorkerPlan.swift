// A weight table as one worker uses it: routes, pools with their pickers, endpoints by slot.
// Rebuilt when the fleet changes; new weights are written into it in place.
import Fleet
import IO
import Primitives

struct WorkerPlan {
  struct Listener {
    /// Indices into `WorkerPlan.routes`, longest prefix first.
    var routes: [Int]
    var headTimeout: Nanoseconds
    var idleTimeout: Nanoseconds
  }
  struct PlannedRoute {
    var prefix: [UInt8]
    var pool: Int
    var timeouts: ExchangeTimeouts
    var logsAccess: Bool
  }
  struct PlannedPool {
    var name: String
    var picker: Picker
    var slots: [Int]
    var retriesMax: Int
    var keepAlive: KeepAlivePolicy
    /// The turn in which the other workers' in-flight counts were last taken.
    var refreshedTurn: UInt64 = 0
  }
  struct PlannedEndpoint {
    var address: KernelAddress
    var pool: Int
    var position: Int
  }

  private(set) var fleetRevision: UInt64 = 0
  /// By listener tag.
  private(set) var listeners: [Listener?] = []
  /// Of all listeners.
  private(set) var routes: [PlannedRoute] = []
  var pools: [PlannedPool] = []
  /// By endpoint slot.
  private(set) var endpoints: [PlannedEndpoint?] = []
  private(set) var accessLog = AccessLogPolicy()
  /// `address:port` by endpoint slot.
  private(set) var endpointTexts: [[UInt8]] = []

  /// Takes new weights and eligibility. Does not allocate. Requires: a table of the same fleet.
  mutating func adopt(_ table: WeightTable, now: Nanoseconds, isFirst: Bool = false) {
    for index in pools.indices {
      for (position, slot) in pools[index].slots.enumerated() {
        guard let row = table.rows[slot] else { continue }
        pools[index].picker.set(
          position, weight: row.effective, isEligible: row.eligibility.takesNewExchanges,
          now: now, isFirst: isFirst)
      }
      pools[index].picker.finishTable()
    }
  }

  /// Takes a table of another fleet. Requires: `tags` has one tag for each of its listeners, in
  /// order.
  mutating func rebuild(_ table: WeightTable, tags: [UInt32], now: Nanoseconds) {
    fleetRevision = table.fleetRevision
    let fleet = table.fleet
    listeners = [Listener?](repeating: nil, count: Int(tags.max() ?? 0) + 1)
    routes = []
    for (listener, tag) in zip(fleet.listeners, tags) {
      let first = routes.count
      let planned = listener.routes.map {
        PlannedRoute(
          prefix: Array($0.pathPrefix.utf8), pool: $0.pool,
          timeouts: $0.timeouts ?? fleet.pools[$0.pool].timeouts, logsAccess: $0.logsAccess)
      }
      routes += planned.sorted { $0.prefix.count > $1.prefix.count }
      listeners[Int(tag)] = Listener(
        routes: Array(first..<routes.count), headTimeout: listener.headTimeout,
        idleTimeout: listener.idleTimeout)
    }
    endpoints = [PlannedEndpoint?](repeating: nil, count: table.rows.count)
    accessLog = fleet.accessLog
    endpointTexts = [[UInt8]](repeating: [], count: table.rows.count)
    let previous = pools
    pools = fleet.pools.enumerated().map { index, pool in
      for (position, endpoint) in pool.endpoints.enumerated() {
        endpoints[endpoint.slot] = PlannedEndpoint(
          address: KernelAddress(endpoint.address), pool: index, position: position)
        endpointTexts[endpoint.slot] = Array(endpoint.address.description.utf8)
      }
      var picker = Picker(pool: pool)
      if let old = previous.first(where: { $0.name == pool.name }) {
        picker.inherit(from: old.picker)
      }
      return PlannedPool(
        name: pool.name, picker: picker, slots: pool.endpoints.map(\.slot),
        retriesMax: pool.retriesMax,
        keepAlive: pool.keepAlive)
    }
    adopt(table, now: now, isFirst: true)
  }

  /// The index in `routes` of the one with the longest prefix of `path`; nil where none matches.
  func route(tag: UInt32, path: UnsafeRawBufferPointer) -> Int? {
    guard let listener = listener(tag) else { return nil }
    for index in listener.routes where Self.isPrefix(routes[index].prefix, of: path) {
      return index
    }
    return nil
  }

  /// The listener whose connections carry `tag`; nil once it is gone.
  func listener(_ tag: UInt32) -> Listener? {
    tag < UInt32(listeners.count) ? listeners[Int(tag)] : nil
  }

  private static func isPrefix(_ prefix: [UInt8], of path: UnsafeRawBufferPointer) -> Bool {
    guard prefix.count <= path.count else { return false }
    for index in prefix.indices where prefix[index] != path[index] { return false }
    return true
  }
}
