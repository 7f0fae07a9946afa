// The families of the log and of hooks.
import Events
import Exposition
import Fleet

struct EventMetrics {
  let log: LogDriver
  let hooks: HookQueue

  func write(to writer: inout MetricsWriter) {
    writer.open(.logLinesTotal)
    for level in LogPolicy.Level.allCases {
      writer.sample(log.lineCounts[level] ?? 0, Labels(["level": level.rawValue]))
    }
    writer.open(.logSuppressedTotal)
    writer.sample(log.suppressedCount)
    writer.open(.logDroppedTotal)
    for drop in LogDriver.Drop.allCases {
      writer.sample(log.dropCount(drop), Labels(["reason": drop.label]))
    }
    writer.open(.hookRunsTotal)
    for event in hooks.countedEvents {
      for outcome in HookQueue.Outcome.allCases {
        writer.sample(
          hooks.count(event, outcome),
          Labels(["event": event.rawValue, "outcome": outcome.rawValue]))
      }
    }
  }
}
