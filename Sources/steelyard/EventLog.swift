// Turns what the controller noted into log lines: transitions only, and at most so many a tick that
// a fleet in trouble does not drown the log; what was left out is counted.
import Controller
import Fleet
import Primitives

struct EventLog {
  /// Lines of one kind in one tick.
  private static let burstMax = 16
  /// Between two lines about one endpoint's weight.
  private static let weightPause = Nanoseconds.seconds(10)

  private var seenWeights: UInt64 = 0
  private var seenHealth: UInt64 = 0
  private var seenScrapes: UInt64 = 0
  private var seenTuning: UInt64 = 0
  private var seenNames: UInt64 = 0
  private var lastWeightLine: [String: (at: Nanoseconds, kind: WeightReason.Kind)] = [:]

  mutating func write(_ controller: Controller, to log: Log) {
    let health = controller.healthLog.entries(after: seenHealth)
    for change in health.prefix(Self.burstMax) {
      log.write(
        change.new.takesNewExchanges || change.new == .draining ? .info : .warning,
        "eligibility changed",
        [
          "pool": change.pool, "endpoint": "\(change.endpoint)", "from": change.old.label,
          "to": change.new.label, "failure": change.failure?.kind.label ?? "none",
          "cause": change.cause?.label ?? "none",
        ])
    }
    noteLeftOut(controller.healthLog.count - seenHealth, "eligibility", log)
    seenHealth = controller.healthLog.count
    // What operators say is never left out.
    for change in controller.tuningLog.entries(after: seenTuning) { write(change, log) }
    seenTuning = controller.tuningLog.count
    let scrapes = controller.scrapeLog.entries(after: seenScrapes)
    for change in scrapes.prefix(Self.burstMax) { write(change, log) }
    noteLeftOut(controller.scrapeLog.count - seenScrapes, "scrape", log)
    seenScrapes = controller.scrapeLog.count
    let weights = controller.weightLog.entries(after: seenWeights)
    for change in weights.prefix(Self.burstMax) { write(change, log) }
    seenWeights = controller.weightLog.count
  }

  /// Host names: other addresses, failures, and their end.
  mutating func write(_ names: NameWatch, to log: Log) {
    func shown(_ addresses: [HostAddress]) -> String {
      let first = addresses.prefix(8).map { SocketAddress(bytes: $0.bytes, port: 0).host }
      return first.joined(separator: ",") + (addresses.count > 8 ? ",…" : "")
    }
    for change in names.changes.entries(after: seenNames).prefix(Self.burstMax) {
      if let failure = change.failure {
        log.write(
          .warning, "host name not resolved", ["name": change.host, "reason": failure])
      } else {
        log.write(
          change.leftOut == 0 ? .info : .warning, "host name resolved",
          [
            "name": change.host, "added": shown(change.added), "removed": shown(change.removed),
            "left_out": "\(change.leftOut)",
          ])
      }
    }
    noteLeftOut(names.changes.count - seenNames, "host name", log)
    seenNames = names.changes.count
  }

  private func write(_ change: TuningChange, _ log: Log) {
    log.write(
      .info, change.hasExpired ? "tuning expired" : "tuning",
      [
        "pool": change.pool, "endpoint": change.endpoint.map { "\($0)" } ?? "all",
        "action": change.action, "for": change.lasts.map { "\($0.seconds)s" } ?? "ever",
      ])
  }

  private func write(_ change: ScrapeChange, _ log: Log) {
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

  private mutating func write(_ change: WeightChange, _ log: Log) {
    let key = "\(change.pool) \(change.endpoint)"
    if let last = lastWeightLine[key], last.kind == change.reason.kind,
      change.at - last.at < Self.weightPause
    {
      return
    }
    if lastWeightLine.count > 10_000 { lastWeightLine = [:] }
    lastWeightLine[key] = (change.at, change.reason.kind)
    log.write(
      .info, "target weight changed",
      [
        "pool": change.pool, "endpoint": "\(change.endpoint)",
        "from": DecimalText.fixed(change.old), "to": DecimalText.fixed(change.new),
        "reason": change.reason.text,
      ])
  }

  private func noteLeftOut(_ count: UInt64, _ what: String, _ log: Log) {
    guard count > UInt64(Self.burstMax) else { return }
    log.write(
      .warning, "more changes at once than are logged",
      ["kind": what, "left_out": "\(count - UInt64(Self.burstMax))"])
  }
}
