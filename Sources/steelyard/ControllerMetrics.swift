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

  init(_ controller: Controller, now: Nanoseconds) {
    self.controller = controller
    self.now = now
    for state in controller.endpoints.compactMap({ $0 }) {
      let labels = Labels([
        "pool": controller.fleet.pools[state.pool].name,
        "endpoint": state.endpoint.address.description,
      ])
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
    writer.family("steelyard_scrape_attempts_total", .counter, help: "Scrapes begun.")
    for (state, labels) in scrapes { writer.sample(state.statistics.attempts, labels) }
    writer.family(
      "steelyard_scrape_failures_total", .counter, help: "Scrapes that failed, by reason.")
    for (state, labels) in scrapes {
      for kind in ProbeFailure.Kind.allCases {
        writer.sample(state.statistics.failures(kind), labels.adding("reason", kind.label))
      }
    }
    writer.family(
      "steelyard_scrape_duration_seconds", .gauge,
      help: "How long the last scrape took, from sending to its end.")
    for (state, labels) in scrapes {
      if let duration = state.statistics.lastDuration { writer.sample(duration.seconds, labels) }
    }
    writer.family(
      "steelyard_scrape_last_success_timestamp_seconds", .gauge,
      help: "When the last scrape that brought a page ended, seconds since 1970.")
    for (state, labels) in scrapes {
      if let wall = state.statistics.lastSuccessWall { writer.sample(wall.seconds, labels) }
    }
    writer.family(
      "steelyard_scrape_parse_errors_total", .counter,
      help: "Lines of the pages that were refused; the others counted.")
    for (state, labels) in scrapes { writer.sample(state.statistics.parseErrors, labels) }
  }

  private func writeSignals(to writer: inout MetricsWriter) {
    writer.family(
      "steelyard_signal_value", .gauge, help: "The number that the law reads, where there is one.")
    for (state, labels) in scrapes {
      for (signal, reading) in zip(state.source.signals, state.signals) {
        if let value = reading.value { writer.sample(value, labels.adding("signal", signal.name)) }
      }
    }
    writer.family(
      "steelyard_signal_threshold", .gauge,
      help: "Load is 0 up to the signal's level normal and 1 from its level alarm on.")
    for (state, labels) in scrapes {
      for signal in state.source.signals {
        guard let thresholds = signal.thresholds else { continue }
        let signalLabels = labels.adding("signal", signal.name)
        writer.sample(thresholds.normal, signalLabels.adding("level", "normal"))
        writer.sample(thresholds.alarm, signalLabels.adding("level", "alarm"))
      }
    }
    writer.family(
      "steelyard_signal_freshness", .gauge,
      help: "1 for how far the signal may be believed now, 0 for the others.")
    for (state, labels) in scrapes {
      for (index, signal) in state.source.signals.enumerated() {
        let freshness = state.freshness(index, now: now)
        let signalLabels = labels.adding("signal", signal.name)
        for each in Freshness.allCases {
          writer.sample(
            each == freshness ? 1 : 0, signalLabels.adding("freshness", each.label))
        }
      }
    }
  }

  private func writeHealth(to writer: inout MetricsWriter) {
    writer.family("steelyard_health_probes_total", .counter, help: "Health probes begun.")
    for (state, labels) in probes { writer.sample(state.statistics.attempts, labels) }
    writer.family(
      "steelyard_health_failures_total", .counter, help: "Health probes that failed, by reason.")
    for (state, labels) in probes {
      for kind in ProbeFailure.Kind.allCases {
        writer.sample(state.statistics.failures(kind), labels.adding("reason", kind.label))
      }
    }
    writer.family(
      "steelyard_health_duration_seconds", .gauge,
      help: "How long the last health probe took, from sending to its end.")
    for (state, labels) in probes {
      if let duration = state.statistics.lastDuration { writer.sample(duration.seconds, labels) }
    }
    writer.family(
      "steelyard_health_last_success_timestamp_seconds", .gauge,
      help: "When the last good health probe ended, seconds since 1970.")
    for (state, labels) in probes {
      if let wall = state.statistics.lastSuccessWall { writer.sample(wall.seconds, labels) }
    }
  }

  private func writeWatchdog(to writer: inout MetricsWriter) {
    writer.family(
      "steelyard_endpoint_stillness_seconds", .gauge,
      help: "For how long the endpoint has had work and shown none; 0 while idle or at work.")
    for (state, labels) in watchdogs { writer.sample(state.stillness, labels) }
    writer.family(
      "steelyard_watchdog_trips_total", .counter,
      help: "How often the watchdog took the endpoint out, by cause.")
    for (state, labels) in watchdogs {
      for cause in Watchdog.Cause.allCases {
        writer.sample(state.trips(cause), labels.adding("cause", cause.label))
      }
    }
    writer.family(
      "steelyard_pool_watchdog_held", .gauge,
      help: "1 while more of the pool stands still than the watchdog may take out, else 0.")
    for (index, pool) in controller.fleet.pools.enumerated() where pool.watchdog.isOn {
      writer.sample(controller.pools[index].isHeld ? 1 : 0, Labels(["pool": pool.name]))
    }
  }
}
