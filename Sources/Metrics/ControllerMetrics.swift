// The controller's families of /metrics: scrapes, checks and the signals that laws read.
import Controller
import Exposition
import Fleet
import Primitives

struct ControllerMetrics {
  /// The data of one scrape source of one endpoint. Its state is large and would be copied once for
  /// each family.
  private struct Scrape {
    let statistics: PollStatistics
    let labels: Labels
    /// The signals, each with its labels, number and freshness.
    let names: [SignalLabels]
    let readings: [(value: Double?, freshness: Freshness)]
  }

  private let controller: Controller
  private var scrapes: [Scrape] = []
  private var checks: [(statistics: PollStatistics, labels: Labels)] = []
  private var canaries: [(counts: [UInt64], labels: Labels)] = []
  private var watchdogs: [(state: Watchdog, labels: Labels)] = []

  /// Requires: `endpoints` are those of the controller's fleet.
  init(_ controller: Controller, _ endpoints: EndpointLabels, now: Nanoseconds) {
    self.controller = controller
    let names = controller.fleet.pools.map { pool in
      pool.weights.scrapes.map { $0.signals.map { SignalLabels($0) } }
    }
    for state in controller.endpoints {
      guard let state else { continue }
      let labels = endpoints[state.endpoint.endpointIndex]
      for (index, scrape) in state.scrapes.enumerated() {
        let port = scrape.source.port ?? state.endpoint.address.port
        scrapes.append(
          Scrape(
            statistics: scrape.statistics,
            labels: labels.adding("page", ":\(port)\(scrape.source.path)"),
            names: names[state.pool][index],
            readings: scrape.signals.indices.map {
              (scrape.signals[$0].value, scrape.freshness($0, now: now))
            }))
      }
      if let health = state.health { checks.append((health.statistics, labels)) }
      if let canary = state.canary {
        canaries.append((CanaryResult.all.map { canary.count($0) }, labels))
      }
      if controller.fleet.pools[state.pool].watchdog.isOn {
        watchdogs.append((state.watchdog, labels))
      }
    }
  }

  func write(to writer: inout MetricsWriter) {
    writeScrapes(to: &writer)
    writeSignals(to: &writer)
    writeHealth(to: &writer)
    writeCanaries(to: &writer)
    writeWatchdog(to: &writer)
  }

  private func writeScrapes(to writer: inout MetricsWriter) {
    writer.open(.scrapeAttemptsTotal)
    for scrape in scrapes { writer.sample(scrape.statistics.attempts, scrape.labels) }
    writer.open(.scrapeFailuresTotal)
    let kinds = Labels.each(PollFailure.Kind.self, "reason", \.label)
    for scrape in scrapes {
      for (kind, reason) in kinds {
        writer.sample(scrape.statistics.failures(kind), scrape.labels, reason)
      }
    }
    writer.open(.scrapeDurationSeconds)
    for scrape in scrapes {
      if let duration = scrape.statistics.lastDuration {
        writer.sample(duration.seconds, scrape.labels)
      }
    }
    writer.open(.scrapeLastSuccessTimestampSeconds)
    for scrape in scrapes {
      if let wall = scrape.statistics.lastSuccessWall { writer.sample(wall.seconds, scrape.labels) }
    }
    writer.open(.scrapeParseErrorsTotal)
    for scrape in scrapes { writer.sample(scrape.statistics.parseErrors, scrape.labels) }
  }

  private func writeSignals(to writer: inout MetricsWriter) {
    writer.open(.signalValue)
    for scrape in scrapes {
      for (name, reading) in zip(scrape.names, scrape.readings) {
        if let value = reading.value { writer.sample(value, scrape.labels, name.own) }
      }
    }
    writer.open(.signalThreshold)
    for scrape in scrapes {
      for name in scrape.names {
        guard let thresholds = name.thresholds else { continue }
        writer.sample(thresholds.normal, scrape.labels, name.normal)
        writer.sample(thresholds.alarm, scrape.labels, name.alarm)
      }
    }
    writer.open(.signalFreshness)
    for scrape in scrapes {
      for (name, reading) in zip(scrape.names, scrape.readings) {
        for (freshness, label) in name.freshnesses {
          writer.sample(freshness == reading.freshness ? 1 : 0, scrape.labels, label)
        }
      }
    }
  }

  private func writeHealth(to writer: inout MetricsWriter) {
    writer.open(.healthProbesTotal)
    for (statistics, labels) in checks { writer.sample(statistics.attempts, labels) }
    writer.open(.healthFailuresTotal)
    let kinds = Labels.each(PollFailure.Kind.self, "reason", \.label)
    for (statistics, labels) in checks {
      for (kind, reason) in kinds {
        writer.sample(statistics.failures(kind), labels, reason)
      }
    }
    writer.open(.healthDurationSeconds)
    for (statistics, labels) in checks {
      if let duration = statistics.lastDuration { writer.sample(duration.seconds, labels) }
    }
    writer.open(.healthLastSuccessTimestampSeconds)
    for (statistics, labels) in checks {
      if let wall = statistics.lastSuccessWall { writer.sample(wall.seconds, labels) }
    }
  }

  private func writeCanaries(to writer: inout MetricsWriter) {
    writer.open(.endpointCanariesTotal)
    let results = CanaryResult.all.map { Labels(["result": $0.label]) }
    for (counts, labels) in canaries {
      for (count, result) in zip(counts, results) { writer.sample(count, labels, result) }
    }
  }

  private func writeWatchdog(to writer: inout MetricsWriter) {
    writer.open(.endpointStillnessSeconds)
    for (state, labels) in watchdogs { writer.sample(state.stillness, labels) }
    writer.open(.watchdogTripsTotal)
    let causes = Labels.each(StallCause.self, "cause", \.label)
    for (state, labels) in watchdogs {
      for (cause, label) in causes { writer.sample(state.trips(cause), labels, label) }
    }
    writer.open(.poolWatchdogHeld)
    for (index, pool) in controller.fleet.pools.enumerated() where pool.watchdog.isOn {
      writer.sample(controller.pools[index].isHeld ? 1 : 0, Labels(["pool": pool.name]))
    }
  }
}

/// A signal's thresholds, and the labels of its samples beside those of its page.
private struct SignalLabels {
  let thresholds: (normal: Double, alarm: Double)?
  let own: Labels
  let normal: Labels
  let alarm: Labels
  let freshnesses: [(value: Freshness, labels: Labels)]

  init(_ signal: SignalSpec) {
    let own = Labels(["signal": signal.name])
    self.own = own
    thresholds = signal.thresholds.map { ($0.normal, $0.alarm) }
    normal = own.adding("level", "normal")
    alarm = own.adding("level", "alarm")
    freshnesses = Freshness.allCases.map { ($0, own.adding("freshness", $0.label)) }
  }
}
