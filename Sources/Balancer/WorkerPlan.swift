// A weight table as one worker uses it: routes, pools with their pickers, and endpoints by index.
// The plan is rebuilt when the configuration changes. Invariant: new weights are written in place,
// and so are endpoints that are added or removed (WorkerPlan+Members.swift).
import Fleet
import HTTP
import IO
import Primitives

struct WorkerPlan {
  struct Listener {
    /// The index of the listener's first route in `WorkerPlan.routes`.
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
    /// The index of the route's pool; −1: steelyard itself answers.
    var pool: Int
    var timeouts: ExchangeTimeouts
    var logsAccess: Bool
    var bodyBytesMax: Int
    var retriesMax: Int
    var isIdempotent: Bool
    /// The most request content that is buffered before an endpoint is picked, bytes.
    var requestBufferBytes: Int
    /// The replacement of the matched path, as in `ForwardedRequest`.
    var rewrite: [UInt8]
    var matchedCount: Int
    var answer: RouteAnswer?
    /// The pool that must have an endpoint for `answer` to be sent; without one `emptyAnswer` is
    /// sent. −1: `answer` is always sent.
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
    /// The route's rate limits, as indexes in `WorkerPlan.limits`.
    var limits = 0..<0
  }
  struct PlannedPool {
    var name: String
    var picker: Picker
    var endpointIndexes: [Int]
    var retries: RetryPolicy
    /// The response statuses that count as failures of the endpoint.
    var failures: RetryStatuses
    var budget: RetryBudget
    var breakers: BreakerPolicy
    /// The time to live of exchanges on endpoints that are down, as in `MarkedDownPolicy.endAfter`.
    var endAfter: Nanoseconds?
    var keepAlive: KeepAlivePolicy
    /// The host that requests are sent with, as in `ForwardedRequest`.
    var host: [UInt8]
    var key: KeyPlan
    var affinity: Affinity?
    var proxyHeader: ProxyHeader
    /// The worker's turn in which `othersInFlight` was last read.
    var refreshedTurn: UInt64 = 0
    /// The sum of the other workers' exchanges in flight.
    var othersInFlight = 0
    var queue: PlannedQueue
    /// The pool's rate limits, as indexes in `WorkerPlan.limits`.
    var limits = 0..<0
    let refusals: RefusalCounts
    let traffic: PoolTraffic
    /// The index of the pool's `UploadAllowance`, and the most bytes that it may grant.
    let allowance: Int
    let allowanceMax: Int
    /// nil: connections to endpoints are in the clear.
    var tls: PoolTLS?
    var endpointProtocol = EndpointProtocol.http1
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

  /// The answer to OPTIONS with `Max-Forwards: 0`, which may not be forwarded.
  let lastHop = RouteAnswer(FixedAnswer())
  private(set) var tracing = Tracing()
  private(set) var clientHints = ClientHints()
  var fleetRevision: UInt64 = 0
  /// The `WeightTable.rowsRevision` that the pickers have adopted.
  var rowsRevision: UInt64 = 0
  /// The revision of the certificates that the plan uses.
  var credentialsRevision: UInt64 = 0
  /// The names of the fields that tell of clients' certificates, of all listeners. Clients must not
  /// send them, whichever listener they use.
  private(set) var certificateFields: [[UInt8]] = []
  /// The listeners with TLS, by tag; empty: none has.
  private(set) var listenerTLS: [ListenerTLS?] = []
  /// The endpoints as TLS servers, by endpoint index; empty: no connection to them uses TLS.
  var peers: [TLSPeer?] = []
  /// The listeners, by tag.
  private(set) var listeners: [Listener?] = []
  /// HTTP/2 of the listeners, by tag; nil: the listener speaks HTTP/1 alone.
  private var listenerHTTP2: [HTTP2Policy?] = []
  /// The route tables of the listeners, by tag.
  private var tables: [RouteTable] = []
  /// The routes of all listeners.
  private(set) var routes: [PlannedRoute] = []
  var pools: [PlannedPool] = []
  /// The rate limits of all routes and pools.
  private(set) var limits: [PlannedLimit] = []
  /// The endpoints, by endpoint index.
  var endpoints: [PlannedEndpoint?] = []
  private(set) var accessLog = AccessLogPolicy()
  /// The text `address:port` of each endpoint, by endpoint index.
  var endpointTexts: [[UInt8]] = []

  /// Adopts new weights and eligibility. Does not allocate. Requires: a table of the same fleet.
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

  /// Adopts a table of another fleet. Requires: `tags` has one tag for each of the fleet's
  /// listeners, in the fleet's order.
  mutating func rebuild(
    _ table: WeightTable, tags: [UInt32], pickBoard: PickBoard, _ admission: AdmissionBoard,
    now: Nanoseconds
  ) {
    fleetRevision = table.fleetRevision
    let fleet = table.fleet
    listeners = [Listener?](repeating: nil, count: Int(tags.max() ?? 0) + 1)
    tables = [RouteTable](repeating: RouteTable([]), count: listeners.count)
    listenerTLS = []
    listenerHTTP2 = [HTTP2Policy?](repeating: nil, count: listeners.count)
    routes = []
    let scopes = takeLimits(of: fleet, admission)
    let queues = admission.queues
    for (number, (listener, tag)) in zip(fleet.listeners, tags).enumerated() {
      listenerHTTP2[Int(tag)] = listener.http2
      listeners[Int(tag)] = Listener(
        routesStart: routes.count, headTimeout: listener.headTimeout,
        idleTimeout: listener.idleTimeout, bodyTimeout: listener.bodyTimeout,
        sendTimeout: listener.sendTimeout, bodyRateMin: listener.bodyRateMin,
        trustedProxies: listener.trustedProxies, hasProxyHeader: listener.proxyProtocol)
      if let tls = listener.tls {
        while listenerTLS.count < listeners.count { listenerTLS.append(nil) }
        listenerTLS[Int(tag)] = ListenerTLS(tls, offersHTTP2: listener.http2 != nil)
      }
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
        allowance: admission.allowance(of: pool.name), allowanceMax: UploadAllowance.limit(pool),
        tls: pool.tls.map { PoolTLS($0, pool.endpointProtocol) },
        endpointProtocol: pool.endpointProtocol)
    }
    certificateFields = listenerTLS.flatMap { [$0?.subjectField, $0?.namesField] }
      .compactMap { $0 }.filter { !$0.isEmpty }
    (tracing, clientHints) = (fleet.tracing, fleet.hints)
    adopt(table, now: now, isFirst: true)
  }

  private mutating func takeLimits(
    of fleet: Fleet, _ admission: AdmissionBoard
  ) -> PlannedScopes {
    var scopes = PlannedScopes()
    let sharedHash = admission.sharedHash
    limits = []
    for scope in RateScope.all(of: fleet) {
      let first = limits.count
      limits += scope.limits.map {
        PlannedLimit(
          $0, admission.buckets($0, of: scope), $0.isShared ? sharedHash : admission.hash)
      }
      scopes.ranges.append((scope.owner, first..<limits.count))
    }
    return scopes
  }

  /// The index in `routes` of the route that the request matches; nil: no route matches.
  func route(
    _ tag: UInt32, _ head: RequestHead, _ fields: FieldTable
  ) -> Int? {
    guard let listener = listener(tag),
      let index = tables[Int(tag)].match(head, fields)
    else { return nil }
    return listener.routesStart + index
  }

  /// The listener whose connections carry `tag`; nil: the listener was removed.
  func listener(_ tag: UInt32) -> Listener? {
    tag < UInt32(listeners.count) ? listeners[Int(tag)] : nil
  }

  /// HTTP/2 of the listener; nil: it speaks HTTP/1 alone.
  func http2(_ tag: UInt32) -> HTTP2Policy? {
    tag < UInt32(listenerHTTP2.count) ? listenerHTTP2[Int(tag)] : nil
  }
}
