// The history behind the status: takes a reading once a second and keeps what rates, ratios,
// quantiles, charts and conditions are computed from. Bounded by the endpoints of the last reading.
import Exposition
import Fleet
package import Primitives

/// Pure; about 10 KB for an endpoint with traffic, 2 KB for one without, 4 KB a pool.
package struct StatusHistory: Sendable {
  /// The time between two readings.
  package static let interval = Nanoseconds.seconds(1)

  private(set) var pools: [String: PoolHistory] = [:]
  private(set) var ownErrors = CounterWindow()
  private(set) var reading: StatusReading?
  private(set) var conditions = Conditions()

  /// Creates an empty history.
  package init() {}

  /// By pool: how long a client may wait for a first byte before its leaving counts as a failure.
  package var patience: [(pool: String, wait: Nanoseconds)] {
    pools.map { ($0.key, $0.value.patience) }
  }

  /// Takes a reading. Pools and endpoints that are no longer in it are forgotten.
  package mutating func take(_ reading: StatusReading) {
    var next: [String: PoolHistory] = [:]
    next.reserveCapacity(reading.pools.count)
    var turns: [String: [SocketAddress: Int]] = [:]
    for change in reading.changes where change.isTurn {
      turns[change.pool, default: [:]][change.endpoint, default: 0] += 1
    }
    for pool in reading.pools {
      // Removed from the dictionary, so that its arrays change in place.
      var history = pools.removeValue(forKey: pool.name) ?? PoolHistory()
      history.take(pool, turns: turns[pool.name] ?? [:], now: reading.now)
      next[pool.name] = history
    }
    pools = next
    ownErrors.take(Double(reading.ownErrors), now: reading.now)
    self.reading = reading
    conditions.take(reading, pools)
  }
}

/// The history of a pool.
struct PoolHistory: Sendable {
  private(set) var endpoints = EndpointHistories()
  private(set) var breakerRefusals = CounterWindow()
  private(set) var requests = RequestSums()
  private var usualFirstBytes = UsualDurations()
  private(set) var budgetRefusals = CounterWindow()
  private(set) var totals = TrafficSums()
  private(set) var arrivalChart = ChartRing()
  private(set) var failureChart = ChartRing()
  private(set) var p99Chart = ChartRing()
  private(set) var inFlightChart = ChartRing()
  private(set) var queueChart = ChartRing()
  private(set) var baseline = ResponseBaseline()
  /// The mean duration over about ten minutes, weighted by exchanges; nil in the first two minutes.
  private(set) var usualDuration: Double?
  /// The mean duration of the last window in which an exchange ended.
  private(set) var lastMean: Double?
  /// The share of failures among requests; nil: there were no requests.
  var failureRatio: Double? { requests.failureRatio(totals) }
  /// How long a client may wait for a first byte before its leaving counts as a failure: the
  /// configured time, or else a wait that 99 of 100 answers of the last minutes did not need. 0
  /// while nothing was answered: then every wait is in vain.
  private(set) var patience = Nanoseconds.zero
  /// Shorter waits are not noticed (Miller 1968; Nielsen 1993): a client that leaves so soon did
  /// not leave because of them.
  private static let patienceMin = Nanoseconds.milliseconds(100)
  private var usual = (seconds: 0.0, count: 0.0)
  private var begunAt: Nanoseconds?

  /// `turns` says how often each endpoint went out of service or came back since the last reading.
  mutating func take(_ pool: PoolReading, turns: [SocketAddress: Int], now: Nanoseconds) {
    totals = endpoints.take(pool.endpoints, turns: turns, now: now)
    lastMean = totals.meanDuration ?? lastMean
    breakerRefusals.take(Double(pool.breakerRefusals), now: now)
    requests.take(pool, now: now)
    usualFirstBytes.take(totals.firstBytes, now: now)
    patience =
      pool.thresholds.patience
      ?? usualFirstBytes.quantile(0.99).map { max(Self.patienceMin, .seconds($0)) } ?? .zero
    budgetRefusals.take(Double(pool.budgetRefusals), now: now)
    arrivalChart.append(requests.arrivals.rate)
    failureChart.append(failureRatio)
    p99Chart.append(totals.durations.quantile(0.99))
    inFlightChart.append(Double(totals.inFlight))
    queueChart.append(pool.queue.map { Double($0.length) })
    baseline.take(totals, pool.thresholds, now: now)
    learnUsual(now)
  }

  /// A sum that loses a 600th part per second decays with a time constant of ten minutes.
  private mutating func learnUsual(_ now: Nanoseconds) {
    let begun = begunAt ?? now
    begunAt = begun
    // The window's sums overlap from second to second, which does no harm to weights of a mean.
    usual.seconds += totals.durationSum - usual.seconds / 600
    usual.count += totals.ended - usual.count / 600
    usualDuration =
      now - begun >= .seconds(120) && usual.count > 100 ? usual.seconds / usual.count : nil
  }
}

/// Sums over the window, of one pool's endpoints.
struct TrafficSums: Sendable {
  var rate: Double?
  var ended = 0.0
  /// Exchanges that ended other than by the client leaving.
  var answered = 0.0
  var errors = 0.0
  var clientErrors = 0.0
  var tooMany = 0.0
  var attempts = 0.0
  var durationSum = 0.0
  var inFlight: UInt64 = 0
  var durations = FineCounts()
  var firstBytes: FineCounts?

  /// Adds an endpoint without anything but a rate of 0, or of nil while it is unknown. `isTimed`:
  /// its first bytes are measured.
  mutating func addIdle(_ own: Double?, isTimed: Bool) {
    if let own { rate = (rate ?? 0) + own }
    if isTimed, firstBytes == nil { firstBytes = FineCounts() }
  }

  mutating func add(_ endpoint: EndpointHistory) {
    addIdle(endpoint.ended.rate, isTimed: false)
    ended += endpoint.ended.increase
    answered += endpoint.answered
    errors += endpoint.errors.increase
    clientErrors += endpoint.clientErrors.increase
    tooMany += endpoint.tooMany.increase
    attempts += endpoint.attempts.increase
    durationSum += endpoint.durationSum.increase
    durations.add(endpoint.durations.recent)
    guard let own = endpoint.firstBytes?.recent else { return }
    var sum = firstBytes ?? FineCounts()
    sum.add(own)
    firstBytes = sum
  }

  /// Adds the sums of another period; rates are unchanged.
  mutating func add(_ other: TrafficSums) {
    ended += other.ended
    answered += other.answered
    errors += other.errors
    durationSum += other.durationSum
    durations.add(other.durations)
    guard let own = other.firstBytes else { return }
    var sum = firstBytes ?? FineCounts()
    sum.add(own)
    firstBytes = sum
  }

  /// The share of errors among answers; nil: there were none.
  var errorRatio: Double? { answered > 0 ? min(1, errors / answered) : nil }
  /// nil: nothing ended.
  var meanDuration: Double? { ended > 0 ? durationSum / ended : nil }
}

/// The history of an endpoint.
struct EndpointHistory: Sendable {
  private(set) var ended = CounterWindow()
  private(set) var errors = CounterWindow()
  private(set) var canceled = CounterWindow()
  private(set) var failed = CounterWindow()
  /// Readings in which a verdict, not an operator, kept it out of service.
  private(set) var outages = RecentShare()
  /// The reason of its last outage.
  private(set) var outage = ""
  private(set) var clientErrors = CounterWindow()
  private(set) var tooMany = CounterWindow()
  private(set) var attempts = CounterWindow()
  private(set) var durationSum = CounterWindow()
  private(set) var durations = DurationWindow()
  private(set) var firstBytes: DurationWindow?
  private(set) var rateChart = ChartRing()
  /// Changes between taking new exchanges and not taking them.
  private(set) var turns = EventTimes()
  /// Reversals of the effective weight's direction by more than half of the larger value: smaller
  /// ones are noise of estimates from few requests.
  private(set) var reversals = EventTimes()
  private(set) var restarts = EventTimes()
  private static let reversalMin = 0.5
  private var lastRestarts: UInt64?
  /// The last extreme of the effective ÷ base weight, and the direction since.
  private var extreme: Double?
  private var direction = 0.0

  mutating func take(_ reading: EndpointReading, turns: Int, now: Nanoseconds) {
    ended.take(Double(reading.ended), now: now)
    errors.take(Double(reading.errors), now: now)
    canceled.take(Double(reading.canceled), now: now)
    failed.take(Double(reading.failed), now: now)
    outages.append(reading.outage != nil)
    outage = reading.outage ?? outage
    clientErrors.take(Double(reading.clientErrors), now: now)
    tooMany.take(Double(reading.tooMany), now: now)
    attempts.take(Double(reading.attempts), now: now)
    durationSum.take(reading.durationSum, now: now)
    durations.take(reading.durations, now: now)
    if let counts = reading.firstBytes {
      var window = firstBytes ?? DurationWindow()
      window.take(counts, now: now)
      firstBytes = window
    }
    rateChart.append(ended.rate)
    for _ in 0..<turns { self.turns.note(now) }
    if let lastRestarts, reading.restarts > lastRestarts { restarts.note(now) }
    lastRestarts = reading.restarts
    noteWeight(reading.row, now)
  }

  /// Attempts within the window that failed or were answered with 4xx, without 429.
  var badAttempts: Double {
    failed.increase + max(0, clientErrors.increase - tooMany.increase)
  }

  /// Whether there is anything that sums or conditions may need.
  var isNotable: Bool {
    attempts.increase > 0 || ended.increase > 0 || failed.increase > 0 || outages.isMost
      || !turns.isEmpty || !reversals.isEmpty || !restarts.isEmpty
      || !durations.recent.isEmpty || firstBytes?.recent.isEmpty == false
      || errors.increase > 0 || clientErrors.increase > 0
  }

  /// Exchanges that ended within the window other than by the client leaving.
  var answered: Double { max(0, ended.increase - canceled.increase) }

  private mutating func noteWeight(_ row: WeightRow, _ now: Nanoseconds) {
    guard row.base > 0 else { return }
    let factor = row.effective / row.base
    guard let last = extreme else {
      extreme = factor
      return
    }
    let move = factor - last
    let isNotable = abs(move) > Self.reversalMin * max(factor, last)
    if move * direction >= 0 {
      // Further in the same direction, or the first step of any size.
      if direction == 0, !isNotable { return }
      if move != 0 { direction = move > 0 ? 1 : -1 }
      extreme = factor
    } else if isNotable {
      direction = -direction
      extreme = factor
      reversals.note(now)
    }
  }
}
