// Turns what the controller noted and what the boards show into log lines and events for hooks:
// transitions only.
import Controller
import Events
import Fleet
import IO
import Primitives

struct EventLog {
  /// Between two lines about one endpoint's weight.
  private static let weightPause = Nanoseconds.seconds(10)

  private var seenWeights: UInt64 = 0
  private var seenHealth: UInt64 = 0
  private var seenScrapes: UInt64 = 0
  private var seenTuning: UInt64 = 0
  private var seenNames: UInt64 = 0
  private var lastWeightLine: [String: (at: Nanoseconds, kind: WeightReason.Kind)] = [:]
  private var watch = FleetWatch()

  /// Writes what happened since the last call, and gives it for the hooks.
  mutating func write(
    _ controller: Controller, _ evidence: EvidenceBoard, to log: LogDriver, now: Nanoseconds
  ) -> [Occurrence] {
    for change in Self.fresh(controller.healthLog, &seenHealth, log, "eligibility changed") {
      log.write(
        change.new.takesNewExchanges || change.new == .draining ? .info : .warning,
        "eligibility changed",
        [
          "pool": change.pool, "endpoint": "\(change.endpoint)", "from": change.old.label,
          "to": change.new.label, "failure": change.failure?.kind.label ?? "none",
          "cause": change.cause?.label ?? "none",
        ])
    }
    for change in Self.fresh(controller.tuningLog, &seenTuning, log, "tuning") {
      write(change, log)
    }
    var occurrences: [Occurrence] = []
    for change in Self.fresh(controller.scrapeLog, &seenScrapes, log, "scrape fails") {
      write(change, log)
      occurrences.append(Self.occurrence(change))
    }
    for change in Self.fresh(controller.weightLog, &seenWeights, log, "target weight changed") {
      write(change, log)
    }
    look(controller, evidence, log, &occurrences, now)
    return occurrences
  }

  /// Host names: other addresses, failures, and their end.
  mutating func write(_ names: NameWatch, to log: LogDriver) {
    func shown(_ addresses: [HostAddress]) -> String {
      let first = addresses.prefix(8).map { SocketAddress(bytes: $0.bytes, port: 0).host }
      return first.joined(separator: ",") + (addresses.count > 8 ? ",…" : "")
    }
    for change in Self.fresh(names.changes, &seenNames, log, "host name resolved") {
      if let failure = change.failure {
        log.write(
          .warning, "host name not resolved", ["name": change.host, "reason": failure])
      } else {
        log.write(
          change.leftOut == 0 ? .info : .warning, "host name resolved",
          [
            "name": change.host, "added": shown(change.added), "removed": shown(change.removed),
            "left_out": change.leftOut,
          ])
      }
    }
  }

  /// Forgets what is not in the fleet any more.
  mutating func keep(_ fleet: Fleet) { watch.keep(pools: Set(fleet.pools.map(\.name))) }

  /// The entries that are new; those that are gone already are counted.
  private static func fresh<Entry>(
    _ entries: BoundedLog<Entry>, _ seen: inout UInt64, _ log: LogDriver, _ message: String
  ) -> ArraySlice<Entry> {
    let fresh = entries.entries(after: seen)
    log.addLost(.warning, message, Int(entries.count - seen) - fresh.count)
    seen = entries.count
    return fresh
  }

  // MARK: Endpoints and pools

  private mutating func look(
    _ controller: Controller, _ evidence: EvidenceBoard, _ log: LogDriver,
    _ occurrences: inout [Occurrence], _ now: Nanoseconds
  ) {
    for (index, pool) in controller.fleet.pools.enumerated() {
      let endpoints = pool.endpoints
      let isOrdered = controller.tuning[index].freeze != nil
      let isFrozen =
        isOrdered
        || endpoints.contains { controller.endpoints[$0.slot]?.row.reason.kind == .frozen }
      watch.look(at: pool.name, isFrozen: isFrozen, count: endpoints.count) { place in
        let slot = endpoints[place].slot
        return FleetWatch.View(
          slot: slot, address: endpoints[place].address,
          eligibility: controller.endpoints[slot]?.eligibility ?? .ready,
          isEjected: evidence.isEjected(slot, now: now),
          ejectionCount: evidence.sum(.ejections, slot))
      } _: { change in
        let reason = Self.reason(change, controller, isOrdered: isOrdered)
        Self.write(change, pool: pool.name, reason, log)
        guard let event = change.event else { return }
        var occurrence = Occurrence(event, pool: pool.name, reason: reason, at: Clock.wall)
        if case .endpoint(let address, _, _, _) = change { occurrence.endpoint = address }
        occurrences.append(occurrence)
      }
    }
  }

  private static func reason(
    _ change: FleetWatch.Change, _ controller: Controller, isOrdered: Bool
  ) -> String {
    switch change {
    case .without(let reason): return reason
    case .recovered: return "an endpoint is ready"
    case .frozen: return isOrdered ? "operator" : "most of the pool stands still"
    case .endpoint(_, let slot, let old, let new):
      let state = controller.endpoints[slot]
      switch new {
      case .unhealthy: return state?.health?.statistics.failure?.kind.label ?? "health check"
      case .stalled:
        if case .stalled(let cause) = state?.watchdog.phase { return cause.label }
        return "watchdog"
      case .ejected: return "attempts failed or were slow"
      case .draining, .drained: return "operator"
      case .ready, .starting: return "was \(old.label)"
      }
    }
  }

  /// What the controller's own notes do not say.
  private static func write(
    _ change: FleetWatch.Change, pool: String, _ reason: String, _ log: LogDriver
  ) {
    switch change {
    case .without: log.write(.error, "no endpoint is ready", ["pool": pool, "are": reason])
    case .recovered: log.write(.info, "an endpoint is ready again", ["pool": pool])
    case .frozen: log.write(.warning, "weights frozen", ["pool": pool, "reason": reason])
    case .endpoint(let address, _, _, .ejected):
      log.write(.warning, "endpoint ejected", ["pool": pool, "endpoint": "\(address)"])
    case .endpoint(let address, _, .ejected, let new) where new.takesNewExchanges:
      log.write(.info, "endpoint readmitted", ["pool": pool, "endpoint": "\(address)"])
    case .endpoint(let address, _, _, .drained):
      log.write(.info, "endpoint drained", ["pool": pool, "endpoint": "\(address)"])
    case .endpoint: break
    }
  }

  // MARK: The controller's notes

  private static func occurrence(_ change: ScrapeChange) -> Occurrence {
    Occurrence(
      change.failure == nil ? .scrapeRecovered : .scrapeFailing, pool: change.pool,
      endpoint: change.address, reason: change.failure?.kind.label ?? "page read", at: Clock.wall)
  }

  private func write(_ change: TuningChange, _ log: LogDriver) {
    log.write(
      .info, change.hasExpired ? "tuning expired" : "tuning",
      [
        "pool": change.pool, "endpoint": change.endpoint.map { "\($0)" } ?? "all",
        "action": change.action, "for": change.lasts.map { "\($0.seconds)s" } ?? "ever",
      ], isLimited: false)
  }

  private func write(_ change: ScrapeChange, _ log: LogDriver) {
    let url = "http://\(change.address)\(change.path)"
    if let failure = change.failure {
      log.write(
        .warning, "scrape fails",
        [
          "pool": change.pool, "url": url, "reason": failure.kind.label, "detail": failure.detail,
        ])
    } else {
      log.write(.info, "scrape works", ["pool": change.pool, "url": url])
    }
  }

  private mutating func write(_ change: WeightChange, _ log: LogDriver) {
    let key = "\(change.pool) \(change.endpoint)"
    var level = LogPolicy.Level.info
    if let last = lastWeightLine[key], last.kind == change.reason.kind,
      change.at - last.at < Self.weightPause
    {
      level = .debug
    } else {
      if lastWeightLine.count > 10_000 { lastWeightLine = [:] }
      lastWeightLine[key] = (change.at, change.reason.kind)
    }
    log.write(
      level, "target weight changed",
      [
        "pool": change.pool, "endpoint": "\(change.endpoint)",
        "from": DecimalText.fixed(change.old), "to": DecimalText.fixed(change.new),
        "reason": change.reason.text,
      ])
  }
}
