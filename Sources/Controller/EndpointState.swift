// Everything that the controller knows of one endpoint. It outlives reloads as long as the endpoint
// does: the identity is (pool name, address) and the index, never the weight.
package import Fleet
package import Primitives

/// Counts scrapes in a row, good or failed, and turns them into notices for passive health.
struct ScrapeRow: Sendable, Equatable {
  private var fails = 0
  private var successes = 0
  private var lastSuccess: Nanoseconds?

  /// Takes the end of one scrape and returns the notice that it causes.
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
    // An exporter that never worked, or not for long, says nothing about the server.
    guard fails >= 2, let lastSuccess, now - lastSuccess < .seconds(60) else { return nil }
    return .scrapeLost
  }
}

// SAFETY: only the control thread has one; a copy of the controller shares its states.
package final class EndpointState: @unchecked Sendable {
  package let identity: String
  /// Index into the fleet's pools.
  package let pool: Int
  package let endpoint: Endpoint
  /// In the order of the pool's scrape sources.
  package internal(set) var scrapes: [ScrapeState]
  /// nil: the pool has no health checks.
  package internal(set) var health: CheckState?
  /// nil: the pool has no canary.
  package internal(set) var canary: Canary?
  /// The evidence of the endpoint's capacity, from the balancer and the pages.
  package internal(set) var capacity: CapacityEvidence
  /// The evidence of the endpoint's throughput, for the pool's demand ratio.
  package internal(set) var service: ServiceEvidence
  /// The number of requests that its pages show while others wait: its slots.
  var fullPages = FullPages()
  /// The last verdict of the capacity law.
  package internal(set) var verdict: CapacityVerdict?
  /// Whether the endpoint makes progress.
  package internal(set) var watchdog = Watchdog()
  /// A check was brought forward on suspicion; once for each silence.
  var isHastened = false
  var scrapeRow = ScrapeRow()
  /// The load of the endpoint's utilisations, smoothed, 0…1.
  package internal(set) var guardLoad = 0.0
  /// Effective ÷ base weight: the value that the slew limit moves.
  package internal(set) var factor = 1.0
  /// When the controller began to watch the endpoint.
  package let watchedSince: Nanoseconds
  /// The row as last published.
  package internal(set) var row: WeightRow
  /// The pool's scrape interval that the timers were last set to.
  var toldInterval: Nanoseconds?
  /// The row that the last tick made, published or not.
  var nextRow: WeightRow?
  /// What the last tick's target is based on.
  var basis = Controller.Basis.none
  /// The target and the kind of reason that were last logged.
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
        previous?.health ?? CheckState(policy, now: now, &random)
      health?.timer.setInterval(policy.interval, now: now, &random)
    }
    if pool.canary != nil { canary = previous?.canary ?? Canary(now: now, &random) }
    row = previous?.row ?? WeightBoard.initialRow(endpoint, pool)
    factor = previous?.factor ?? 1
    tuning = previous?.tuning ?? EndpointTuning()
    capacity = previous?.capacity ?? CapacityEvidence()
    service = previous?.service ?? ServiceEvidence()
    fullPages = previous?.fullPages ?? FullPages()
    guardLoad = previous?.guardLoad ?? 0
    scrapeRow = previous?.scrapeRow ?? ScrapeRow()
    watchdog = previous?.watchdog ?? Watchdog()
    loggedTarget = previous?.loggedTarget ?? endpoint.baseWeight
    basis = previous?.basis ?? .none
    loggedKind = previous?.loggedKind ?? row.reason.kind
  }

  /// The operator's changes to the endpoint.
  package internal(set) var tuning = EndpointTuning()

  /// The health checks' verdict comes first, then the watchdog's, then the operator's drain.
  package var eligibility: Eligibility {
    let verdict = health?.state.eligibility ?? .ready
    if verdict.takesNewExchanges, watchdog.phase != .fine { return .stalled }
    guard verdict.takesNewExchanges, tuning.drain != nil else { return verdict }
    return tuning.isDrained ? .drained : .draining
  }

  /// Whether the endpoint was stalled and gets single requests until it is seen to make progress.
  var isOnTrial: Bool {
    eligibility == .stalled && watchdog.phase == .trial && tuning.drain == nil
  }

  /// Whether its requests in flight count as lost. The last check decides: an endpoint that answers
  /// checks again is not down, even while `rise` keeps it out of rotation.
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

  /// When the last successful scrape was sent, over all sources.
  package var pageSentAt: Nanoseconds? { scrapes.compactMap(\.pageSentAt).max() }

  /// The signals that a law may use, over all sources.
  func lawSignals(now: Nanoseconds) -> [LawSignal] {
    var signals: [LawSignal] = []
    gatherSignals(now, into: &signals)
    return signals
  }

  /// The same, replacing the array's contents.
  func gatherSignals(
    _ now: Nanoseconds, ratiosOnly: Bool = false, into signals: inout [LawSignal]
  ) {
    signals.removeAll(keepingCapacity: true)
    for position in scrapes.indices {
      scrapes[position].gatherSignals(now, ratiosOnly, into: &signals)
    }
  }
}
