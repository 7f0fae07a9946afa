// What the program reads of its own state once a second: counters since start and gauges.
// `StatusHistory` derives rates, ratios and quantiles from two or more readings.
package import Exposition
package import Fleet
package import Primitives

/// How the admin API allows changes.
package enum WriteAccess: String, Sendable {
  /// Without a token.
  case open
  /// With the write token.
  case token
  /// Not at all.
  case none
}

/// One reading of everything. Times are of the monotonic clock, except `wall`, which is since 1970.
package struct StatusReading: Sendable {
  package var now: Nanoseconds
  package var wall: Nanoseconds
  package var version = ""
  package var uptime = Nanoseconds.zero
  package var isReady = false
  package var revision: UInt64 = 0
  package var workerCount = 1
  /// Open connections, downstream and upstream together.
  package var connections: UInt64 = 0
  /// Answers with status 500 and above that steelyard gave instead of an endpoint, since start.
  package var ownErrors: UInt64 = 0
  package var write = WriteAccess.open
  /// Why the last reload was rejected; nil: it was not.
  package var reloadFailure: String?
  /// Why the common store of several steelyards cannot be reached; nil: it can, or there is none.
  package var sharedTrouble: String?
  package var certificates: [CertificateReading] = []
  /// Why changed certificate files are not in use, each with its place.
  package var certificateTroubles: [String] = []
  package var pools: [PoolReading] = []
  /// What the journal has of endpoints' states since the last reading.
  package var changes: [EndpointChange] = []

  /// Creates an empty reading.
  package init(now: Nanoseconds, wall: Nanoseconds) {
    self.now = now
    self.wall = wall
  }
}

/// A certificate in use.
package struct CertificateReading: Sendable, Equatable {
  package var file: String
  /// The time for which it is still valid; below zero: it has expired.
  package var left: Nanoseconds

  package init(file: String, left: Nanoseconds) {
    self.file = file
    self.left = left
  }
}

/// The present state of a pool's queue.
package struct QueueReading: Sendable, Equatable {
  package var length: Int
  package var limit: Int
  package var oldestWait: Nanoseconds

  /// `limit`: how many exchanges may wait.
  package init(length: Int, limit: Int, oldestWait: Nanoseconds) {
    self.length = length
    self.limit = limit
    self.oldestWait = oldestWait
  }
}

/// The present state of a pool.
package struct PoolReading: Sendable {
  package var name: String
  package var balance = ""
  package var law = ""
  package var isDryRun = false
  /// Why its weights are frozen; nil: they are not.
  package var freeze: FreezeCause?
  /// nil: the pool has no queue.
  package var queue: QueueReading?
  package var demandRatio: Double?
  /// The number of requests that the endpoints serve at once is known: `demandRatio` is no guess.
  package var isCapacityKnown = false
  package var forecast: Double?
  /// Requests refused by a breaker, since start.
  package var breakerRefusals: UInt64 = 0
  /// Requests routed to the pool, since start.
  package var arrivals: UInt64 = 0
  /// Requests refused because no endpoint could take them, since start.
  package var refusals: UInt64 = 0
  /// Requests refused by a rate limit, since start.
  package var limited: UInt64 = 0
  /// Requests whose clients left before the answer was complete, since start.
  package var givenUp: UInt64 = 0
  /// The part of `givenUp` whose clients had waited for a first byte longer than the pool's
  /// patience.
  package var overdue: UInt64 = 0
  /// gRPC calls that ended at an endpoint, since start.
  package var calls: UInt64 = 0
  /// The part of `calls` whose status is a failure.
  package var failedCalls: UInt64 = 0
  /// Retries refused by the budget, since start.
  package var budgetRefusals: UInt64 = 0
  /// The thresholds that numbers are compared with.
  package var thresholds = ThresholdPolicy()
  package var endpoints: [EndpointReading] = []
  /// Endpoints that the pool should have and for which there is no room.
  package var leftOut = 0
  /// Sources of endpoints that fail, or whose last answer was not believed.
  package var sources: [SourceReading] = []
  /// The share of the pool's endpoints below which ejections are ignored.
  package var panicRatio = 0.0

  /// Creates a pool without endpoints.
  package init(name: String) { self.name = name }
}

extension PoolReading {
  /// So few primaries are left, of three or more that accept connections, that requests go to
  /// ejected ones too.
  var ignoresEjections: Bool {
    let living = endpoints.filter {
      !$0.isBackup && $0.row.eligibility.takesNewExchanges && $0.row.effective > 0
        && $0.ejection?.reason != .refused
    }
    let left = living.count { $0.ejection == nil }
    return living.count > 2 && left > 0 && Double(left) < panicRatio * Double(living.count)
  }
}

/// The present state of an endpoint.
package struct EndpointReading: Sendable {
  package var address: SocketAddress
  /// Its name in the configuration; nil: it has none.
  package var name: String?
  package var isBackup = false
  package var row: WeightRow
  /// `row.eligibility`, or `ejected` if workers have ejected it.
  package var eligibility: Eligibility
  /// `pinned`, `scaled` or `drained` if an operator has set that.
  package var tuning: String?
  package var inFlight: UInt64 = 0
  package var connections: UInt64 = 0
  /// Attempts begun, since start.
  package var attempts: UInt64 = 0
  /// The part of the ended exchanges with 5xx or a cut response, since start.
  package var errors: UInt64 = 0
  /// Attempts that failed since start: refused, cut, timed out, or answered with 5xx.
  package var failed: UInt64 = 0
  /// Why health, watchdog or workers keep it out of service; nil: they do not.
  package var outage: String?
  /// Its present ejection, even if health or drain take precedence.
  package var ejection: Ejection?
  /// The part of the ended exchanges whose clients left, since start.
  package var canceled: UInt64 = 0
  /// The part of the ended exchanges with 4xx, since start.
  package var clientErrors: UInt64 = 0
  /// The part of those with 429.
  package var tooMany: UInt64 = 0
  /// Sum of the durations of the ended exchanges.
  package var durationSum = 0.0
  package var durations = FineCounts()
  /// Exchanges that ended, since start.
  package var ended: UInt64 = 0
  /// nil: not measured.
  package var firstBytes: FineCounts?
  package var ejections: UInt64 = 0
  /// Why its last scrape failed.
  package var scrapeFailure: String?
  /// Utilisations of its machine, without expired ones.
  package var utilisations: [UtilisationReading] = []
  /// Requests that wait inside it, by its signal `waiting`; nil: unknown.
  package var waiting: Double?
  /// How often its pages showed that the process behind them had restarted.
  package var restarts: UInt64 = 0

  /// Creates an endpoint without traffic.
  package init(address: SocketAddress, row: WeightRow) {
    self.address = address
    self.row = row
    eligibility = row.eligibility
  }
}

/// A signal that shows how much of a resource of the endpoint's machine is used.
package struct UtilisationReading: Sendable, Equatable {
  /// The signal's name, such as `cpu`.
  package var name: String
  /// 0…1.
  package var ratio: Double
  /// The signal's own thresholds; nil: it has none, and no value is too high.
  package var thresholds: SignalSpec.Thresholds?

  /// A signal's name, its value 0…1, and its thresholds.
  package init(name: String, ratio: Double, thresholds: SignalSpec.Thresholds?) {
    self.name = name
    self.ratio = ratio
    self.thresholds = thresholds
  }
}

/// A recent decision or discovery. Changes of weights, which are many, are kept separate from all
/// others.
package struct Decision: Sendable, Equatable {
  /// The subject of the decision.
  package enum Kind: String, Sendable {
    case weight, eligibility, ejection, tuning, scrape, freeze, reload
  }
  /// Since 1970.
  package var wall: Nanoseconds
  package var kind: Kind
  /// nil: the whole configuration.
  package var pool: String?
  /// nil: the whole pool.
  package var endpoint: String?
  package var text: String

  /// `wall` is since 1970.
  package init(wall: Nanoseconds, kind: Kind, pool: String?, endpoint: String?, text: String) {
    self.wall = wall
    self.kind = kind
    self.pool = pool
    self.endpoint = endpoint
    self.text = text
  }
}

/// A source of endpoints with a trouble.
package struct SourceReading: Sendable, Equatable {
  package var label: String
  /// Why it fails; nil: its last answer had no endpoints and was not believed.
  package var failure: String?
  /// The endpoints that stay meanwhile.
  package var memberCount: Int

  package init(label: String, failure: String?, memberCount: Int) {
    (self.label, self.failure, self.memberCount) = (label, failure, memberCount)
  }
}
