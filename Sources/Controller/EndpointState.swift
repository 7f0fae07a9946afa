// All that the controller knows of one endpoint. It outlives reloads as long as the endpoint does:
// identity is (pool name, address) and slot, never the weight.
package import Fleet
package import Primitives

/// Scrapes in a row, good or failed, as notices for passive health.
struct ScrapeRow: Sendable, Equatable {
  private var fails = 0
  private var successes = 0
  private var lastSuccess: Nanoseconds?

  /// Takes one scrape's end and says which notice it makes.
  mutating func take(isSuccess: Bool, now: Nanoseconds) -> PickBoard.Notice? {
    if isSuccess {
      successes += 1
      lastSuccess = now
      guard successes >= 2 else { return nil }
      defer { fails = 0 }
      return successes == 2 && fails > 0 ? .scrapeBack : nil
    }
    fails += 1
    successes = 0
    // An exporter that never worked, or not for long, says nothing of the server.
    guard fails >= 2, let lastSuccess, now - lastSuccess < .seconds(60) else { return nil }
    return .scrapeLost
  }
}

package struct EndpointState: Sendable {
  package let identity: String
  /// Index into the fleet's pools.
  package let pool: Int
  package let endpoint: Endpoint
  /// In the order of the pool's scrape sources.
  package internal(set) var scrapes: [ScrapeState]
  /// nil: no active probes.
  package internal(set) var health: HealthProbe?
  /// nil: the pool has none.
  package internal(set) var canary: Canary?
  /// What the balancer and the pages say of its capacity.
  package internal(set) var capacity: CapacityEvidence
  /// How much it can do, for the pool's demand ratio.
  package internal(set) var service: ServiceEvidence
  /// How many requests its pages show while others wait: its slots.
  var fullPages = FullPages()
  /// The capacity law's last word.
  package internal(set) var verdict: CapacityVerdict?
  /// Whether it gets on with its work.
  package internal(set) var watchdog = Watchdog()
  /// A check was brought forward because it was suspicious; once for each silence.
  var isHastened = false
  var scrapeRow = ScrapeRow()
  /// The load of its utilisations, smoothed, 0…1.
  package internal(set) var guardLoad = 0.0
  /// Effective ÷ base weight: what the slew limit moves.
  package internal(set) var factor = 1.0
  /// When the controller began to look at it.
  package let watchedSince: Nanoseconds
  /// As last published.
  package internal(set) var row: WeightRow
  /// The pool's scrape interval as its timers last heard of it.
  var toldInterval: Nanoseconds?
  /// What the last tick made, published or not.
  var nextRow: WeightRow?
  /// What the last tick's target rests on.
  var basis = Controller.Basis.none
  /// The target and the kind of reason that the log last told.
  var loggedTarget: Double
  var loggedKind: WeightReason.Kind

  /// `previous` is the same endpoint before a reload. Sources that did not change keep their state.
  init(
    _ endpoint: Endpoint, pool index: Int, of fleet: Fleet, previous: EndpointState?,
    now: Nanoseconds, _ random: inout RandomSource
  ) {
    let pool = fleet.pools[index]
    identity = pool.identity(of: endpoint)
    self.pool = index
    self.endpoint = endpoint
    watchedSince = previous?.watchedSince ?? now
    var rest = previous?.scrapes ?? []
    scrapes = []
    for source in pool.weights.scrapes {
      if let position = rest.firstIndex(where: { $0.source == source }) {
        var kept = rest.remove(at: position)
        kept.setInterval(pool.weights.interval, now: now, &random)
        scrapes.append(kept)
      } else {
        scrapes.append(ScrapeState(source, interval: pool.weights.interval, now: now, &random))
      }
    }
    if let policy = pool.health {
      health =
        previous?.health ?? HealthProbe(policy, now: now, &random)
      health?.timer.setInterval(policy.interval, now: now, &random)
    }
    if pool.canary != nil { canary = previous?.canary ?? Canary(now: now, &random) }
    let base = endpoint.baseWeight
    row =
      previous?.row
      ?? WeightRow(
        base: base, target: base, effective: base,
        eligibility: pool.health?.model == nil ? .ready : .unhealthy,
        reason: WeightReason(pool.weights.law == .static ? .base : .blackout))
    factor = previous?.factor ?? 1
    tuning = previous?.tuning ?? EndpointTuning()
    capacity = previous?.capacity ?? CapacityEvidence()
    service = previous?.service ?? ServiceEvidence()
    fullPages = previous?.fullPages ?? FullPages()
    guardLoad = previous?.guardLoad ?? 0
    scrapeRow = previous?.scrapeRow ?? ScrapeRow()
    watchdog = previous?.watchdog ?? Watchdog()
    loggedTarget = previous?.loggedTarget ?? base
    basis = previous?.basis ?? .none
    loggedKind = previous?.loggedKind ?? row.reason.kind
  }

  /// What operators said of it.
  package internal(set) var tuning = EndpointTuning()

  /// Health's verdict counts first, then the watchdog's, then the operator's drain.
  package var eligibility: Eligibility {
    let verdict = health?.state.eligibility ?? .ready
    if verdict.takesNewExchanges, watchdog.phase != .fine { return .stalled }
    guard verdict.takesNewExchanges, tuning.drain != nil else { return verdict }
    return tuning.isDrained ? .drained : .draining
  }

  /// Whether it stood still and gets single requests, until it is seen at work.
  var isOnTrial: Bool {
    eligibility == .stalled && watchdog.phase == .trial && tuning.drain == nil
  }

  /// Whether what it has in flight is taken for lost. The last check counts: one that answers again
  /// is no longer down, even where `rise` keeps it out.
  package func isDown(_ causes: MarkedDownPolicy.Causes) -> Bool {
    switch eligibility {
    case .stalled: return causes != .none && watchdog.phase != .trial
    case .unhealthy:
      guard let failure = health?.statistics.failure else { return false }
      switch failure.kind {
      case .refused, .unreachable, .timeout, .cut: return causes != .none
      default: return causes == .any
      }
    default: return false
    }
  }

  /// When the last scrape that brought a page was sent, of any source.
  package var pageSentAt: Nanoseconds? { scrapes.compactMap(\.pageSentAt).max() }

  /// The signals that a law may use, of all sources.
  func lawSignals(now: Nanoseconds) -> [LawSignal] {
    var (signals, copy) = ([LawSignal](), self)
    copy.gatherSignals(now, into: &signals)
    return signals
  }

  /// The same, in place of what the array holds. Changes
  /// nothing, but is called where the state is, as a copy of it would cost more than all the rest.
  mutating func gatherSignals(
    _ now: Nanoseconds, ratiosOnly: Bool = false, into signals: inout [LawSignal]
  ) {
    signals.removeAll(keepingCapacity: true)
    for position in scrapes.indices {
      scrapes[position].gatherSignals(now, ratiosOnly, into: &signals)
    }
  }
}
