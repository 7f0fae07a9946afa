// The controller's families of /metrics: scrapes, probes and the signals that laws read.
import Controller
import Exposition
import Fleet
import Primitives

struct ControllerMetrics {
  private let controller: Controller
  private let now: Nanoseconds
  /// Every scrape source of every endpoint with its labels.
  private var scrapes: [(state: ScrapeState, labels: Labels)] = []
  private var probes: [(state: HealthProbe, labels: Labels)] = []
  private var watchdogs: [(state: Watchdog, labels: Labels)] = []

  /// Requires: `labels` are those of the controller's fleet.
  init(_ controller: Controller, _ endpoints: EndpointLabels, now: Nanoseconds) {
    self.controller = controller
    self.now = now
    for state in controller.endpoints.compactMap({ $0 }) {
      let labels = endpoints[state.endpoint.slot]
      for scrape in state.scrapes {
        let port = scrape.source.port ?? state.endpoint.address.port
        scrapes.append((scrape, labels.adding("page", ":\(port)\(scrape.source.path)")))
      }
      if let health = state.health { probes.append((health, labels)) }
      if controller.fleet.pools[state.pool].watchdog.isOn {
        watchdogs.append((state.watchdog, labels))
      }
    }
  }

  func write(to writer: inout MetricsWriter) {
    writeScrapes(to: &writer)
    writeSignals(to: &writer)
    writeHealth(to: &writer)
    writeWatchdog(to: &writer)
  }

  private func writeScrapes(to writer: inout MetricsWriter) {
    writer.open(.scrapeAttemptsTotal)
    for (state, labels) in scrapes { writer.sample(state.statistics.attempts, labels) }
    writer.open(.scrapeFailuresTotal)
    let kinds = Labels.each(ProbeFailure.Kind.self, "reason", \.label)
    for (state, labels) in scrapes {
      for (kind, reason) in kinds {
        writer.sample(state.statistics.failures(kind), labels, reason)
      }
    }
    writer.open(.scrapeDurationSeconds)
    for (state, labels) in scrapes {
      if let duration = state.statistics.lastDuration { writer.sample(duration.seconds, labels) }
    }
    writer.open(.scrapeLastSuccessTimestampSeconds)
    for (state, labels) in scrapes {
      if let wall = state.statistics.lastSuccessWall { writer.sample(wall.seconds, labels) }
    }
    writer.open(.scrapeParseErrorsTotal)
    for (state, labels) in scrapes { writer.sample(state.statistics.parseErrors, labels) }
  }

  private func writeSignals(to writer: inout MetricsWriter) {
    // Few names, many samples.
    var names: [String: SignalLabels] = [:]
    for signal in scrapes.flatMap(\.state.source.signals) where names[signal.name] == nil {
      names[signal.name] = SignalLabels(signal.name)
    }
    writer.open(.signalValue)
    for (state, labels) in scrapes {
      for (signal, reading) in zip(state.source.signals, state.signals) {
        guard let value = reading.value else { continue }
        writer.sample(value, labels, names[signal.name]?.own ?? .none)
      }
    }
    writer.open(.signalThreshold)
    for (state, labels) in scrapes {
      for signal in state.source.signals {
        guard let thresholds = signal.thresholds, let name = names[signal.name] else { continue }
        writer.sample(thresholds.normal, labels, name.normal)
        writer.sample(thresholds.alarm, labels, name.alarm)
      }
    }
    writer.open(.signalFreshness)
    for (state, labels) in scrapes {
      for (index, signal) in state.source.signals.enumerated() {
        let freshness = state.freshness(index, now: now)
        for (each, label) in names[signal.name]?.freshnesses ?? [] {
          writer.sample(each == freshness ? 1 : 0, labels, label)
        }
      }
    }
  }

  private func writeHealth(to writer: inout MetricsWriter) {
    writer.open(.healthProbesTotal)
    for (state, labels) in probes { writer.sample(state.statistics.attempts, labels) }
    writer.open(.healthFailuresTotal)
    let kinds = Labels.each(ProbeFailure.Kind.self, "reason", \.label)
    for (state, labels) in probes {
      for (kind, reason) in kinds {
        writer.sample(state.statistics.failures(kind), labels, reason)
      }
    }
    writer.open(.healthDurationSeconds)
    for (state, labels) in probes {
      if let duration = state.statistics.lastDuration { writer.sample(duration.seconds, labels) }
    }
    writer.open(.healthLastSuccessTimestampSeconds)
    for (state, labels) in probes {
      if let wall = state.statistics.lastSuccessWall { writer.sample(wall.seconds, labels) }
    }
  }

  private func writeWatchdog(to writer: inout MetricsWriter) {
    writer.open(.endpointStillnessSeconds)
    for (state, labels) in watchdogs { writer.sample(state.stillness, labels) }
    writer.open(.watchdogTripsTotal)
    let causes = Labels.each(Watchdog.Cause.self, "cause", \.label)
    for (state, labels) in watchdogs {
      for (cause, label) in causes { writer.sample(state.trips(cause), labels, label) }
    }
    writer.open(.poolWatchdogHeld)
    for (index, pool) in controller.fleet.pools.enumerated() where pool.watchdog.isOn {
      writer.sample(controller.pools[index].isHeld ? 1 : 0, Labels(["pool": pool.name]))
    }
  }
}

/// The labels of a signal's samples, beside those of its page.
private struct SignalLabels {
  let own: Labels
  let normal: Labels
  let alarm: Labels
  let freshnesses: [(value: Freshness, labels: Labels)]

  init(_ name: String) {
    let own = Labels(["signal": name])
    self.own = own
    normal = own.adding("level", "normal")
    alarm = own.adding("level", "alarm")
    freshnesses = Freshness.allCases.map { ($0, own.adding("freshness", $0.label)) }
  }
}
