// Turns what the controller noted and what the boards show into log lines, events for hooks and
// notes for the status: transitions only. What is logged when it begins is logged when it ends.
import Controller
import Events
import Fleet
import IO
import Primitives
import Status

/// Something that the boards showed, for the status's decisions.
struct FleetNote: Sendable {
  /// Monotonic.
  let at: Nanoseconds
  let kind: Decision.Kind
  /// nil: the whole configuration.
  let pool: String?
  /// nil: the whole pool.
  let endpoint: SocketAddress?
  let text: String
}

struct EventLog {
  private var seenWeights: UInt64 = 0
  private var seenHealth: UInt64 = 0
  private var seenScrapes: UInt64 = 0
  private var seenCanaries: UInt64 = 0
  private var seenTuning: UInt64 = 0
  private var seenNames: UInt64 = 0
  private var watch = FleetWatch()
  private var ejections = EjectionWatch()
  private var digest = WeightDigest()
  /// Ejections, frozen weights and reloads, the oldest first.
  private(set) var notes = BoundedLog<FleetNote>()

  /// Writes what happened since the last call, and gives it for the hooks.
  mutating func write(
    _ controller: Controller, _ evidence: EvidenceBoard, _ pickBoard: PickBoard, to log: LogDriver,
    now: Nanoseconds
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
    let canaries = Self.fresh(controller.canaryLog, &seenCanaries, log, "canary ended")
    if log.shows(.debug) { for canary in canaries { write(canary, log) } }
    // Changes of targets come by the hundred: they are for those who look for them.
    let weights = Self.fresh(controller.weightLog, &seenWeights, log, "target weight changed")
    if log.shows(.debug) { for change in weights { write(change, log) } }
    look(controller, evidence, pickBoard, log, &occurrences, now)
    writeDigests(controller, log, now)
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

  /// Notes a reload, taken or refused.
  mutating func noteReload(_ text: String, now: Nanoseconds) {
    notes.append(FleetNote(at: now, kind: .reload, pool: nil, endpoint: nil, text: text))
  }

  /// Forgets what is not in the fleet any more.
  mutating func keep(_ fleet: Fleet) {
    let names = Set(fleet.pools.map(\.name))
    watch.keep(pools: names)
    digest.keep(pools: names)
    ejections.keep(endpointIndexes: Set(fleet.pools.flatMap { $0.endpoints.map(\.endpointIndex) }))
  }

  /// The entries that are new; those that are gone already are counted.
  private static func fresh<Entry>(
    _ entries: BoundedLog<Entry>, _ seen: inout UInt64, _ log: LogDriver, _ message: String
  ) -> ArraySlice<Entry> {
    let fresh = entries.entries(after: seen)
    let isForDebugging = ["target weight changed", "canary ended"].contains(message)
    log.addLost(
      isForDebugging ? .debug : .warning, message, Int(entries.count - seen) - fresh.count)
    seen = entries.count
    return fresh
  }

  // MARK: Endpoints and pools

  private mutating func look(
    _ controller: Controller, _ evidence: EvidenceBoard, _ pickBoard: PickBoard, _ log: LogDriver,
    _ occurrences: inout [Occurrence], _ now: Nanoseconds
  ) {
    for (index, pool) in controller.fleet.pools.enumerated() {
      let endpoints = pool.endpoints
      var changes: [(change: FleetWatch.Change, readyCount: Int)] = []
      watch.look(at: pool.name, freeze: controller.freeze(ofPool: index), count: endpoints.count) {
        position in
        let endpointIndex = endpoints[position].endpointIndex
        return FleetWatch.View(
          endpointIndex: endpointIndex, address: endpoints[position].address,
          eligibility: controller.endpoints[endpointIndex]?.eligibility ?? .ready,
          isEjected: evidence.isEjected(endpointIndex),
          ejectionCount: evidence.sum(.ejections, endpointIndex))
      } _: { change, readyCount in
        changes.append((change, readyCount))
      }
      for (change, readyCount) in changes {
        let left = (readyCount, endpoints.count)
        let reason = tell(change, pool.name, left, controller, evidence, pickBoard, log, now)
        guard let event = change.event else { continue }
        var occurrence = Occurrence(event, pool: pool.name, reason: reason, at: Clock.wall)
        if case .endpoint(let address, _, _, _) = change { occurrence.endpoint = address }
        occurrences.append(occurrence)
      }
    }
  }

  /// Writes and notes what the controller's own notes do not say. Gives the reason for hooks.
  private mutating func tell(
    _ change: FleetWatch.Change, _ pool: String, _ left: (ready: Int, all: Int),
    _ controller: Controller, _ evidence: EvidenceBoard, _ pickBoard: PickBoard, _ log: LogDriver,
    _ now: Nanoseconds
  ) -> String {
    let leftText = "\(left.ready) of \(left.all) left"
    switch change {
    case .without(let reason):
      log.write(.error, "no endpoint is ready", ["pool": pool, "are": reason])
      note(.eligibility, pool, nil, "no endpoint is ready: \(reason)", now)
      return reason
    case .recovered:
      log.write(.info, "an endpoint is ready again", ["pool": pool])
      note(.eligibility, pool, nil, "an endpoint is ready again", now)
      return "an endpoint is ready"
    case .frozen(let cause):
      log.write(.warning, "weights frozen", ["pool": pool, "reason": cause.rawValue])
      note(.freeze, pool, nil, "weights frozen: \(cause.rawValue)", now)
      return cause.rawValue
    case .unfrozen:
      log.write(.info, "weights move again", ["pool": pool])
      note(.freeze, pool, nil, "weights move again", now)
      return "weights move again"
    case .endpoint(let address, let endpointIndex, let old, let new):
      if new == .ejected {
        let why = ejections.begin(endpointIndex, evidence, now: now)
        log.write(
          .warning, "endpoint ejected",
          [
            "pool": pool, "endpoint": "\(address)", "reason": why.label, "failures": why.failures,
            "left": left.ready, "of": left.all,
          ])
        note(.ejection, pool, address, "ejected: \(why.text); \(leftText)", now)
        return why.label
      }
      if new.takesNewExchanges, let end = ejections.end(endpointIndex, evidence, now: now) {
        log.write(
          .info, "endpoint readmitted",
          [
            "pool": pool, "endpoint": "\(address)", "by": end.by.label,
            "seconds": end.seconds, "left": left.ready, "of": left.all,
          ])
        note(.ejection, pool, address, "\(end.by.text); \(leftText)", now)
      }
      if new == .drained {
        log.write(.info, "endpoint drained", ["pool": pool, "endpoint": "\(address)"])
        note(.eligibility, pool, address, "drained: sessions are over; \(leftText)", now)
      }
      return Self.reason(controller.endpoints[endpointIndex], from: old, to: new)
    }
  }

  private mutating func note(
    _ kind: Decision.Kind, _ pool: String, _ endpoint: SocketAddress?, _ text: String,
    _ now: Nanoseconds
  ) {
    notes.append(FleetNote(at: now, kind: kind, pool: pool, endpoint: endpoint, text: text))
  }

  private static func reason(
    _ state: EndpointState?, from old: Eligibility, to new: Eligibility
  ) -> String {
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
    let url = SecretText.masked(text: "http://\(change.address)\(change.path)")
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

  private func write(_ canary: CanaryEnd, _ log: LogDriver) {
    log.write(
      .debug, "canary ended",
      [
        "pool": canary.pool, "endpoint": "\(canary.endpoint)",
        "result": canary.end.result.label, "detail": canary.end.detail,
        "seconds": NumberWords.fixed(canary.end.seconds, 3), "good_in_row": canary.goodInRow,
      ])
  }

  // MARK: Weights

  private func write(_ change: WeightChange, _ log: LogDriver) {
    log.write(
      .debug, "target weight changed",
      [
        "pool": change.pool, "endpoint": "\(change.endpoint)",
        "from": NumberWords.fixed(change.old, 3), "to": NumberWords.fixed(change.new, 3),
        "reason": change.row.reason.kind.label, "why": change.row.reasonText,
      ])
  }

  /// Once a second: weights that moved by a factor of two within a minute, one line a pool, and
  /// endpoints that reach their floor or leave it.
  private mutating func writeDigests(
    _ controller: Controller, _ log: LogDriver, _ now: Nanoseconds
  ) {
    guard digest.isDue(now) else { return }
    for pool in controller.fleet.pools {
      let endpoints = pool.endpoints
      let found = digest.look(at: pool.name, count: endpoints.count, now: now) { position in
        let endpointIndex = endpoints[position].endpointIndex
        return WeightDigest.View(
          endpointIndex: endpointIndex, address: endpoints[position].address,
          weight: controller.endpoints[endpointIndex]?.row.effective ?? 0,
          isAtFloor: controller.isAtFloor(endpointIndex))
      }
      func why(_ endpointIndex: Int) -> String {
        controller.explainedRow(endpointIndex, now: now)?.reasonText ?? ""
      }
      if let moved = found.moved {
        log.write(
          .info, "weights changed",
          [
            "pool": pool.name, "endpoints": moved.count, "most": "\(moved.address)",
            "from": NumberWords.fixed(moved.from, 3), "to": NumberWords.fixed(moved.to, 3),
            "why": why(moved.endpointIndex),
          ])
      }
      for floor in found.floors {
        log.write(
          .info, floor.isReached ? "weight at its floor" : "weight above its floor",
          [
            "pool": pool.name, "endpoint": "\(floor.address)",
            "weight": NumberWords.fixed(floor.weight, 3), "why": why(floor.endpointIndex),
          ])
      }
    }
  }
}
