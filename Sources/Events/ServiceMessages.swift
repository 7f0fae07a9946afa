// Messages to a service manager (systemd or another, sd_notify(3)), and their times: ready,
// reloading, stopping, a status line, the watchdog. Pure: the state and the time are arguments.
package import Primitives

/// The state of the program that a service manager sees.
package struct ServiceState: Sendable, Equatable {
  package var endpointCount: Int
  /// The number of endpoints that take new requests.
  package var openCount: Int
  package var inFlight: Int
  /// The deadline of a graceful stop; nil: none has begun.
  package var stopsAt: Nanoseconds?
  /// The index of a worker that has not answered the last wake-up.
  package var silentWorker: Int?

  package init(
    endpointCount: Int, openCount: Int, inFlight: Int, stopsAt: Nanoseconds?, silentWorker: Int?
  ) {
    (self.endpointCount, self.openCount) = (endpointCount, openCount)
    (self.inFlight, self.stopsAt, self.silentWorker) = (inFlight, stopsAt, silentWorker)
  }
}

/// The messages that are due.
package struct ServiceMessages: Sendable {
  /// The time between two status lines.
  private static let statusInterval = Nanoseconds.seconds(5)
  /// The time between two requests for more time during a graceful stop.
  private static let endInterval = Nanoseconds.seconds(1)
  /// The time beyond the deadline that joining the workers and the last lines of the access log may
  /// take.
  private static let endSlack = Nanoseconds.seconds(10)

  private let watchdogInterval: Nanoseconds?
  private var watchdogDueAt = Nanoseconds.distantFuture
  private var statusDueAt = Nanoseconds.distantFuture
  private var endDueAt = Nanoseconds.distantFuture
  private var status = ""
  private var isRefused = false

  /// `watchdogInterval`: the time between two watchdog messages; nil: there are none.
  package init(watchdogInterval: Nanoseconds?) { self.watchdogInterval = watchdogInterval }

  /// The interval that WATCHDOG_USEC and WATCHDOG_PID ask of the process `own`, which is half of
  /// their time; nil: none. Errors: `period` is not a number of microseconds up to a day.
  package static func watchdogInterval(
    period: String?, process: String?, own: String
  ) throws(NotANumber) -> Nanoseconds? {
    guard let period, process ?? own == own else { return nil }
    guard let microseconds = Int64(period), microseconds > 0, microseconds <= 86_400_000_000
    else { throw NotANumber() }
    return Nanoseconds(microseconds * 1_000 / 2)
  }

  package struct NotANumber: Error {}

  /// The messages of the start and of the end of a reload. `isRefused`: the reload was refused.
  package mutating func ready(
    _ state: ServiceState, isRefused: Bool, now: Nanoseconds
  ) -> [String] {
    self.isRefused = isRefused
    guard state.stopsAt == nil else { return [] }
    status = text(state)
    statusDueAt = now + Self.statusInterval
    if let watchdogInterval { watchdogDueAt = min(watchdogDueAt, now + watchdogInterval) }
    return ["READY=1", "STATUS=\(status)"]
  }

  /// The messages at the begin of a reload. `Type=notify-reload` needs the time of the monotonic
  /// clock.
  package func reloading(_ state: ServiceState, now: Nanoseconds) -> [String] {
    guard state.stopsAt == nil else { return [] }
    return ["RELOADING=1", "MONOTONIC_USEC=\(now.rawValue / 1_000)"]
  }

  /// The message at the begin of a graceful stop.
  package mutating func stopping(now: Nanoseconds) -> [String] {
    (endDueAt, statusDueAt) = (now, .distantFuture)
    return ["STOPPING=1"]
  }

  /// The time at which `due` may have a message.
  package var dueAt: Nanoseconds { min(watchdogDueAt, statusDueAt, endDueAt) }

  /// Whether the watchdog message is due.
  package func isWatchdogDue(_ now: Nanoseconds) -> Bool {
    watchdogInterval != nil && now >= watchdogDueAt
  }

  /// The messages that are due: the watchdog if `isAlive`, the status line, more time for the end.
  package mutating func due(
    _ state: ServiceState, isAlive: Bool, now: Nanoseconds
  ) -> [String] {
    var messages: [String] = []
    if isAlive, let watchdogInterval, now >= watchdogDueAt {
      watchdogDueAt = now + watchdogInterval
      messages.append("WATCHDOG=1")
    }
    if let stopsAt = state.stopsAt {
      guard now >= endDueAt else { return messages }
      endDueAt = now + Self.endInterval
      let left = max(stopsAt - now, .zero)
      messages.append("EXTEND_TIMEOUT_USEC=\((left + Self.endSlack).rawValue / 1_000)")
      messages.append(
        "STATUS=Ending: \(state.inFlight) requests in flight, cut in "
          + "\(left.rawValue / 1_000_000_000) s")
    } else if now >= statusDueAt {
      statusDueAt = now + Self.statusInterval
      let next = text(state)
      if next != status { messages.append("STATUS=\(next)") }
      status = next
    }
    return messages
  }

  /// The status line, which `systemctl status` shows.
  private func text(_ state: ServiceState) -> String {
    "Serving: \(state.openCount) of \(state.endpointCount) endpoints take requests"
      + (isRefused ? "; the last reload was refused" : "")
  }
}
