// A weight table as one worker uses it: routes, pools with their pickers, endpoints by index.
// Rebuilt when the configuration changes; new weights, and endpoints that come and go
// (WorkerPlan+Members.swift), are written into it in place.
import Fleet
import HTTP
import IO
import Primitives

struct WorkerPlan {
  struct Listener {
    /// Where its routes begin in `WorkerPlan.routes`.
    var routesStart: Int
    var headTimeout: Nanoseconds
    var idleTimeout: Nanoseconds
    var bodyTimeout: Nanoseconds
    var sendTimeout: Nanoseconds
    var bodyRateMin: Int?
    var trustedProxies: [AddressRange]
    var hasProxyHeader: Bool
  }
  struct PlannedRoute {
    /// −1 where steelyard answers by itself.
    var pool: Int
    var timeouts: ExchangeTimeouts
    var logsAccess: Bool
    var bodyBytesMax: Int
    var retriesMax: Int
    var isIdempotent: Bool
    /// Content is waited for up to this size before an endpoint is asked.
    var requestBufferBytes: Int
    /// As in `ForwardedRequest`.
    var rewrite: [UInt8]
    var matchedCount: Int
    var answer: RouteAnswer?
    /// −1, or the pool that has to have an endpoint for `answer`; without one it is `emptyAnswer`.
    var unlessEmpty = -1
    var emptyAnswer: RouteAnswer?

    init(_ route: Route, _ fleet: Fleet) {
      pool = route.action.pool ?? -1
      let defaults = route.action.pool.map { fleet.pools[$0] }
      timeouts = route.timeouts ?? defaults?.timeouts ?? ExchangeTimeouts()
      bodyBytesMax = route.bodyBytesMax ?? fleet.limits.bodyBytesMax
      retriesMax = route.retriesMax ?? defaults?.retries.retriesMax ?? 0
      isIdempotent = route.isIdempotent
      requestBufferBytes = route.requestBufferBytes ?? fleet.limits.requestBufferBytes
      rewrite = Array((route.rewrite ?? "").utf8)
      matchedCount = route.match.path.text.utf8.count
      logsAccess = route.logsAccess
      switch route.action {
      case .pool: break
      case .redirect(let redirect): answer = RouteAnswer(redirect)
      case .respond(let fixed):
        answer = RouteAnswer(fixed)
        guard let pool = fixed.unlessEmpty else { break }
        unlessEmpty = pool
        var empty = FixedAnswer()
        empty.status = 503
        empty.body = "no endpoint of pool \(fleet.pools[pool].name) may take requests\n"
        emptyAnswer = RouteAnswer(empty)
      }
    }
    /// Indices into `WorkerPlan.limits`.
    var limits = 0..<0
  }
  struct PlannedPool {
    var name: String
    var picker: Picker
    var endpointIndexes: [Int]
    var retries: RetryPolicy
    /// Answers that count as the endpoint's failure.
    var failures: RetryStatuses
    var budget: RetryBudget
    var breakers: BreakerPolicy
    /// As in `MarkedDownPolicy.endAfter`.
    var endAfter: Nanoseconds?
    var keepAlive: KeepAlivePolicy
    /// As in `ForwardedRequest`.
    var host: [UInt8]
    var key: KeyPlan
    var affinity: Affinity?
    var proxyHeader: ProxyHeader
    /// The turn in which the other workers' in-flight counts were last taken.
    var refreshedTurn: UInt64 = 0
    /// Those counts, in sum.
    var othersInFlight = 0
    var queue: PlannedQueue
    /// Indices into `WorkerPlan.limits`.
    var limits = 0..<0
    let refusals: RefusalCounts
    let traffic: PoolTraffic
    /// Index of its `UploadAllowance`, and the most that it may give.
    let allowance: Int
    let allowanceMax: Int
  }
  struct PlannedEndpoint {
    var address: KernelAddress
    var ip: IPAddress
    var port: UInt16
    var pool: Int
    var position: Int

    init(_ endpoint: Endpoint, pool: Int, position: Int) {
      address = KernelAddress(endpoint.address)
      ip = IPAddress(endpoint.address)
      port = endpoint.address.port
      (self.pool, self.position) = (pool, position)
    }
  }

  /// To OPTIONS that may be forwarded no further.
  let lastHop = RouteAnswer(FixedAnswer())
  private(set) var tracing = Tracing()
  private(set) var clientHints = ClientHints()
  var fleetRevision: UInt64 = 0
  /// The `WeightTable.rowsRevision` that is in force here.
  var rowsRevision: UInt64 = 0
  /// By listener tag.
  private(set) var listeners: [Listener?] = []
  /// By listener tag.
  private var tables: [RouteTable] = []
  /// Of all listeners.
  private(set) var routes: [PlannedRoute] = []
  var pools: [PlannedPool] = []
  /// Rate limits of all routes and pools.
  private(set) var limits: [PlannedLimit] = []
  /// By endpoint index.
  var endpoints: [PlannedEndpoint?] = []
  private(set) var accessLog = AccessLogPolicy()
  /// `address:port` by endpoint index.
  var endpointTexts: [[UInt8]] = []

  /// Takes new weights and eligibility. Does not allocate. Requires: a table of the same fleet.
  mutating func adopt(_ table: WeightTable, now: Nanoseconds, isFirst: Bool = false) {
    rowsRevision = table.rowsRevision
    for index in pools.indices {
      for (position, endpointIndex) in pools[index].endpointIndexes.enumerated() {
        guard let row = table.rows[endpointIndex] else { continue }
        pools[index].picker.set(
          position, weight: row.effective, isEligible: row.takesNewExchanges,
          takesSessions: row.eligibility.takesSessions, now: now, isFirst: isFirst)
      }
      pools[index].picker.finishTable()
    }
  }

  /// Takes a table of another fleet. Requires: `tags` has one tag for each of its listeners, in
  /// order.
  mutating func rebuild(
    _ table: WeightTable, tags: [UInt32], pickBoard: PickBoard, _ admission: AdmissionBoard,
    now: Nanoseconds
  ) {
    fleetRevision = table.fleetRevision
    let fleet = table.fleet
    listeners = [Listener?](repeating: nil, count: Int(tags.max() ?? 0) + 1)
    tables = [RouteTable](repeating: RouteTable([]), count: listeners.count)
    routes = []
    let scopes = takeLimits(of: fleet, admission)
    let queues = admission.queues
    for (number, (listener, tag)) in zip(fleet.listeners, tags).enumerated() {
      listeners[Int(tag)] = Listener(
        routesStart: routes.count, headTimeout: listener.headTimeout,
        idleTimeout: listener.idleTimeout, bodyTimeout: listener.bodyTimeout,
        sendTimeout: listener.sendTimeout, bodyRateMin: listener.bodyRateMin,
        trustedProxies: listener.trustedProxies, hasProxyHeader: listener.proxyProtocol)
      tables[Int(tag)] = RouteTable(listener.routes)
      routes += listener.routes.enumerated().map { position, route in
        var planned = PlannedRoute(route, fleet)
        planned.limits = scopes.range(of: .route(listener: number, route: position))
        return planned
      }
    }
    endpoints = [PlannedEndpoint?](repeating: nil, count: table.rows.count)
    accessLog = fleet.accessLog
    endpointTexts = [[UInt8]](repeating: [], count: table.rows.count)
    let previous = pools
    pools = fleet.pools.enumerated().map { index, pool in
      for (position, endpoint) in pool.endpoints.enumerated() {
        endpoints[endpoint.endpointIndex] = PlannedEndpoint(
          endpoint, pool: index, position: position)
        endpointTexts[endpoint.endpointIndex] = Array(endpoint.address.description.utf8)
      }
      var picker = Picker(pool: pool)
      picker.skipNotices(pickBoard)
      var budget = RetryBudget(
        ratio: pool.retries.budgetRatio, perSecond: pool.retries.budgetPerSecond)
      if let old = previous.first(where: { $0.name == pool.name }) {
        picker.inherit(from: old.picker)
        budget.inherit(from: old.budget)
      }
      return PlannedPool(
        name: pool.name, picker: picker, endpointIndexes: pool.endpoints.map(\.endpointIndex),
        retries: pool.retries, failures: pool.failureStatuses, budget: budget,
        breakers: pool.breakers,
        endAfter: pool.onMarkedDown.endAfter,
        keepAlive: pool.keepAlive, host: Array((pool.host ?? "").utf8), key: KeyPlan(pool),
        affinity: Affinity(pool), proxyHeader: pool.proxyProtocol,
        queue: PlannedQueue(pool, queues: queues), limits: scopes.range(of: .pool(index)),
        refusals: admission.refusals(of: pool.name), traffic: admission.traffic(of: pool.name),
        allowance: admission.allowance(of: pool.name), allowanceMax: UploadAllowance.limit(pool))
    }
    (tracing, clientHints) = (fleet.tracing, fleet.hints)
    adopt(table, now: now, isFirst: true)
  }

  private mutating func takeLimits(
    of fleet: Fleet, _ admission: AdmissionBoard
  ) -> PlannedScopes {
    var scopes = PlannedScopes()
    limits = []
    for scope in RateScope.all(of: fleet) {
      let first = limits.count
      limits += scope.limits.map { PlannedLimit($0, admission.table($0, of: scope)) }
      scopes.ranges.append((scope.owner, first..<limits.count))
    }
    return scopes
  }

  /// The index in `routes` of the one that the request takes; nil where none matches.
  func route(
    _ tag: UInt32, _ head: RequestHead, _ fields: FieldTable
  ) -> Int? {
    guard let listener = listener(tag),
      let index = tables[Int(tag)].match(head, fields)
    else { return nil }
    return listener.routesStart + index
  }

  /// The listener whose connections carry `tag`; nil once it is gone.
  func listener(_ tag: UInt32) -> Listener? {
    tag < UInt32(listeners.count) ? listeners[Int(tag)] : nil
  }
}
