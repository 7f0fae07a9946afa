// What the program reads of itself once a second: counters since the start, gauges of the moment.
// Rates, ratios and quantiles are made of two or more of these by `StatusHistory`.
package import Exposition
package import Fleet
package import Primitives

/// How changes may be made through the admin API.
package enum WriteAccess: String, Sendable {
  /// Without a token.
  case open
  /// With the write token.
  case token
  /// Not at all.
  case none
}

/// One reading of everything. Times are of the monotonic clock but `wall`, since 1970.
package struct StatusReading: Sendable {
  package var now: Nanoseconds
  package var wall: Nanoseconds
  package var version = ""
  package var uptime = Nanoseconds.zero
  package var isReady = false
  package var revision: UInt64 = 0
  package var workerCount = 1
  /// Open now, downstream and upstream together.
  package var connections: UInt64 = 0
  /// Answers of 500 and above that steelyard gave in an endpoint's place, ever.
  package var ownErrors: UInt64 = 0
  package var write = WriteAccess.open
  /// Why the last reload was refused; nil where it was not.
  package var reloadFailure: String?
  package var pools: [PoolReading] = []

  /// An empty one.
  package init(now: Nanoseconds, wall: Nanoseconds) {
    self.now = now
    self.wall = wall
  }
}

/// A pool's queue now.
package struct QueueReading: Sendable, Equatable {
  package var length: Int
  package var limit: Int
  package var oldestWait: Nanoseconds

  /// `limit`: how many may wait.
  package init(length: Int, limit: Int, oldestWait: Nanoseconds) {
    self.length = length
    self.limit = limit
    self.oldestWait = oldestWait
  }
}

/// A pool now.
package struct PoolReading: Sendable {
  package var name: String
  package var balance = ""
  package var law = ""
  package var isDryRun = false
  /// Why its weights stay as they are; nil: they do not.
  package var freeze: FreezeCause?
  /// nil: nobody has to wait.
  package var queue: QueueReading?
  package var demandRatio: Double?
  /// How many requests the endpoints serve at once is known: `demandRatio` is no guess.
  package var isCapacityKnown = false
  package var forecast: Double?
  /// Requests that a breaker refused, ever.
  package var breakerRefusals: UInt64 = 0
  /// Requests that took a route to the pool, ever.
  package var arrivals: UInt64 = 0
  /// Requests that were refused because no endpoint could be asked, ever.
  package var refusals: UInt64 = 0
  /// Requests that a rate limit refused, ever.
  package var limited: UInt64 = 0
  /// Requests whose clients left before the answer was whole, ever.
  package var givenUp: UInt64 = 0
  /// Of those, the ones that had waited longer than the pool's patience for a first byte.
  package var overdue: UInt64 = 0
  /// Retries that the budget refused, ever.
  package var budgetRefusals: UInt64 = 0
  /// What the numbers are compared with.
  package var thresholds = ThresholdPolicy()
  package var endpoints: [EndpointReading] = []
  /// Of the pool's endpoints: with a smaller share left, ejections are ignored.
  package var panicRatio = 0.0

  /// A pool without endpoints.
  package init(name: String) { self.name = name }
}

extension PoolReading {
  /// So few primaries are left, of three or more that take connections, that requests go to
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

/// An endpoint now.
package struct EndpointReading: Sendable {
  package var address: SocketAddress
  package var isBackup = false
  package var row: WeightRow
  /// `row.eligibility`, or ejected by workers.
  package var eligibility: Eligibility
  /// `pinned`, `scaled` or `drained` where an operator said so.
  package var tuning: String?
  package var inFlight: UInt64 = 0
  package var connections: UInt64 = 0
  /// Attempts begun, ever.
  package var attempts: UInt64 = 0
  /// Of the exchanges that ended, those with 5xx or a cut response, ever.
  package var errors: UInt64 = 0
  /// Attempts that failed, ever: refused, cut, timed out, or answered 5xx.
  package var failed: UInt64 = 0
  /// Why health, watchdog or workers keep it out of service; nil where they do not.
  package var outage: String?
  /// The ejection that it is in, be it that health or drain come first.
  package var ejection: Ejection?
  /// Of the exchanges that ended, those whose clients left, ever.
  package var canceled: UInt64 = 0
  /// Of the exchanges that ended, those with 4xx, ever.
  package var clientErrors: UInt64 = 0
  /// Of those with 4xx, the ones with 429.
  package var tooMany: UInt64 = 0
  /// Sum of the durations of the exchanges that ended.
  package var durationSum = 0.0
  package var durations = FineCounts()
  /// How many exchanges ended, ever.
  package var ended: UInt64 = 0
  /// nil: not measured.
  package var firstBytes: FineCounts?
  package var ejections: UInt64 = 0
  /// Why its last scrape failed.
  package var scrapeFailure: String?
  /// Of its machine; only what may be believed.
  package var utilisations: [UtilisationReading] = []
  /// Requests that wait inside it, by its signal `waiting`; nil: it does not say.
  package var waiting: Double?
  /// How often its pages said that the process behind them began anew.
  package var restarts: UInt64 = 0

  /// Without any traffic.
  package init(address: SocketAddress, row: WeightRow) {
    self.address = address
    self.row = row
    eligibility = row.eligibility
  }
}

/// A signal that says how far the endpoint's machine is used.
package struct UtilisationReading: Sendable, Equatable {
  /// The signal's name, such as `cpu`.
  package var name: String
  /// 0…1.
  package var ratio: Double
  /// The signal's own; nil: it has none, and nothing is too much.
  package var thresholds: SignalSpec.Thresholds?

  /// A signal's name, its value 0…1, and its thresholds.
  package init(name: String, ratio: Double, thresholds: SignalSpec.Thresholds?) {
    self.name = name
    self.ratio = ratio
    self.thresholds = thresholds
  }
}

/// Something that was decided or found out lately. Changes of weights, which are many, are told
/// apart from all else.
package struct Decision: Sendable, Equatable {
  /// What it is about.
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
