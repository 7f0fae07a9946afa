// The present status in the units and words of the API: rates, ratios and quantiles over the last
// ten seconds; nil: unknown.
import Exposition
package import Fleet
package import Primitives

/// The content of GET /api/v1/status.
package struct StatusSnapshot: Sendable, Equatable {
  package var version = ""
  /// Since 1970.
  package var wall = Nanoseconds.zero
  package var uptime = Nanoseconds.zero
  package var isReady = false
  package var revision: UInt64 = 0
  package var workerCount = 0
  package var connections: UInt64 = 0
  /// Exchanges that ended per second, of all pools.
  package var requestsPerSecond = 0.0
  /// The requests of all pools.
  package var requests = RequestNumbers()
  /// Answers with status 500 and above that steelyard gave itself, per second.
  package var ownErrorsPerSecond = 0.0
  package var write = WriteAccess.none
  package var pools: [PoolSnapshot] = []
  /// The newest first, at most `decisionsMax`.
  package var decisions: [Decision] = []
  /// The worst first, at most `Conditions.countMax`.
  package var conditions: [Condition] = []
  /// The number of conditions that hold, including those left out.
  package var conditionCount = 0

  /// The last changes of target weights, the newest first, at most `weightChangesMax`.
  package var weightChanges: [Decision] = []

  /// The most changes of weights that are listed.
  package static let weightChangesMax = 20
  /// The most decisions that are listed.
  package static let decisionsMax = 50
}

/// Numbers over the last ten seconds.
package struct TrafficNumbers: Sendable, Equatable {
  package var requestsPerSecond: Double?
  package var errorRatio: Double?
  package var p50: Double?
  package var p99: Double?
  package var firstByteP50: Double?
  package var firstByteP99: Double?
}

/// One pool.
package struct PoolSnapshot: Sendable, Equatable {
  package var name: String
  package var balance: String
  package var law: String
  package var isDryRun: Bool
  package var isFrozen: Bool
  package var traffic: TrafficNumbers
  package var requests: RequestNumbers
  /// The share of ended requests whose clients did not get what they asked for; nil: none has
  /// ended.
  package var failureRatio: Double?
  package var inFlight: UInt64
  package var queue: QueueReading?
  package var demandRatio: Double?
  package var forecast: Double?
  package var endpoints: [EndpointSnapshot]
}

/// One endpoint.
package struct EndpointSnapshot: Sendable, Equatable {
  package var address: String
  package var name: String?
  package var isBackup: Bool
  package var state: Eligibility
  /// Why it is out of service; nil: it is in service.
  package var stateText: String?
  package var ejection: EjectionSnapshot?
  package var row: WeightRow
  package var reasonText: String
  /// Its share of the pool's usable weight, 0…1.
  package var weightShare: Double
  /// Its share of the pool's attempts within the window; nil: there were none.
  package var trafficShare: Double?
  package var inFlight: UInt64
  package var connections: UInt64
  package var traffic: TrafficNumbers
  package var ejections: UInt64
  package var tuning: String?
}

/// An endpoint's ejection.
package struct EjectionSnapshot: Sendable, Equatable {
  package var reason: EjectionReason
  /// Consecutive attempts that failed with this reason.
  package var failures: Int
  /// The time since the ejection began.
  package var seconds: Double
  /// The time until a request may try the endpoint; 0: single requests try it now.
  package var nextTrialSeconds: Double

  init(_ ejection: Ejection, now: Nanoseconds) {
    reason = ejection.reason
    failures = ejection.failures
    seconds = max(0, (now - ejection.since).seconds)
    nextTrialSeconds = max(0, (ejection.nextTrial - now).seconds)
  }
}

extension StatusHistory {
  /// The status from the last reading and the history; nil before the first reading.
  package func snapshot(
    decisions: [Decision], weightChanges: [Decision] = []
  ) -> StatusSnapshot? {
    guard let reading else { return nil }
    var result = StatusSnapshot()
    result.version = reading.version
    result.wall = reading.wall
    result.uptime = reading.uptime
    result.isReady = reading.isReady
    result.revision = reading.revision
    result.workerCount = reading.workerCount
    result.connections = reading.connections
    result.ownErrorsPerSecond = ownErrors.rate ?? 0
    result.write = reading.write
    result.pools = reading.pools.compactMap { pool in
      pools[pool.name].map { $0.snapshot(of: pool, now: reading.now) }
    }
    result.requestsPerSecond = result.pools.reduce(0) { $0 + ($1.traffic.requestsPerSecond ?? 0) }
    result.requests = result.pools.reduce(RequestNumbers()) { $0 + $1.requests }
    let newest = decisions.sorted { $0.wall > $1.wall }
    result.decisions = Array(newest.prefix(StatusSnapshot.decisionsMax))
    result.weightChanges = Array(
      weightChanges.sorted { $0.wall > $1.wall }.prefix(StatusSnapshot.weightChangesMax))
    let all = conditions.all
    result.conditionCount = all.count
    result.conditions = Array(all.prefix(Conditions.countMax))
    return result
  }
}

extension PoolHistory {
  func snapshot(of pool: PoolReading, now: Nanoseconds) -> PoolSnapshot {
    let usable = Self.usable(pool.endpoints)
    let weightSum = zip(pool.endpoints, usable).reduce(0) {
      $0 + ($1.1 ? $1.0.row.effective : 0)
    }
    var found: [EndpointSnapshot] = []
    found.reserveCapacity(pool.endpoints.count)
    for (endpoint, isUsable) in zip(pool.endpoints, usable) {
      guard let history = endpoints[endpoint.address] else { continue }
      found.append(
        EndpointSnapshot(
          address: "\(endpoint.address)", name: endpoint.name, isBackup: endpoint.isBackup,
          state: endpoint.eligibility, stateText: endpoint.outage,
          ejection: endpoint.ejection.map { EjectionSnapshot($0, now: now) }, row: endpoint.row,
          reasonText: Self.text(endpoint.row),
          weightShare: isUsable && weightSum > 0 ? endpoint.row.effective / weightSum : 0,
          trafficShare: totals.attempts > 0
            ? history.attempts.increase / totals.attempts : nil,
          inFlight: endpoint.inFlight, connections: endpoint.connections,
          traffic: history.numbers, ejections: endpoint.ejections, tuning: endpoint.tuning))
    }
    let numbers = TrafficNumbers(
      requestsPerSecond: totals.rate, errorRatio: totals.errorRatio,
      p50: totals.durations.quantile(0.5), p99: totals.durations.quantile(0.99),
      firstByteP50: totals.firstBytes?.quantile(0.5),
      firstByteP99: totals.firstBytes?.quantile(0.99))
    return PoolSnapshot(
      name: pool.name, balance: pool.balance, law: pool.law, isDryRun: pool.isDryRun,
      isFrozen: pool.freeze != nil, traffic: numbers, requests: requests.numbers(totals),
      failureRatio: failureRatio, inFlight: totals.inFlight, queue: pool.queue,
      demandRatio: pool.demandRatio, forecast: pool.forecast, endpoints: found)
  }

  /// The endpoints that take new exchanges now: backups only while no primary with a weight does.
  private static func usable(_ endpoints: [EndpointReading]) -> [Bool] {
    let hasPrimary = endpoints.contains {
      !$0.isBackup && $0.eligibility.takesNewExchanges && $0.row.effective > 0
    }
    return endpoints.map { $0.eligibility.takesNewExchanges && !($0.isBackup && hasPrimary) }
  }

  private static func text(_ row: WeightRow) -> String {
    let text = row.reasonText
    return text.count <= 200 ? text : String(text.prefix(199)) + "…"
  }
}

extension EndpointHistory {
  fileprivate var numbers: TrafficNumbers {
    TrafficNumbers(
      requestsPerSecond: ended.rate,
      errorRatio: answered > 0 ? min(1, errors.increase / answered) : nil,
      p50: durations.recent.quantile(0.5), p99: durations.recent.quantile(0.99),
      firstByteP50: firstBytes?.recent.quantile(0.5),
      firstByteP99: firstBytes?.recent.quantile(0.99))
  }
}
