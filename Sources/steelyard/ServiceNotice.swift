// Notifications to the service manager (systemd or another that sets NOTIFY_SOCKET, sd_notify(3)):
// ready, reloading, stopping, a status line, and the watchdog. The watchdog is fed when the control
// loop turns and every worker has answered its last wake-up. A manager that does not read never
// delays the loop.
import Balancer
import Events
import Fleet
import IO
import Primitives

/// The connection to the service manager. Control thread only.
struct ServiceNotice: ~Copyable {
  /// How often the status line may change.
  private static let statusInterval = Nanoseconds.seconds(5)
  /// How often a graceful end asks for more time.
  private static let endInterval = Nanoseconds.seconds(1)
  /// The time beyond the deadline that joining the workers and the last lines of the access log may
  /// take.
  private static let endSlack = Nanoseconds.seconds(10)
  /// The most messages that are kept for a manager that does not read.
  private static let waitingMax = 16

  private var socket: NotifySocket?
  private var watchdogInterval: Nanoseconds?
  private var watchdogDueAt = Nanoseconds.distantFuture
  private var statusDueAt = Nanoseconds.distantFuture
  private var endDueAt = Nanoseconds.distantFuture
  private var status = ""
  /// Messages that the socket did not take; they are sent first.
  private var waiting: [String] = []
  private var isRefused = false
  private var silentWorker: Int?
  private var hasFailed = false
  private var log: LogDriver?
  private let name: String?
  private let period: String?
  private let process: String?

  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the environment.
  /// Requires: no other thread exists.
  init() {
    name = Environment.take("NOTIFY_SOCKET")
    period = Environment.take("WATCHDOG_USEC")
    process = Environment.take("WATCHDOG_PID")
  }

  /// Opens the socket that the environment names. Nothing is sent before.
  mutating func open(log: LogDriver) {
    self.log = log
    guard let name, !name.isEmpty else { return }
    do throws(IOError) {
      socket = try NotifySocket(name)
    } catch {
      log.write(
        .warning, "the service manager is not told anything",
        ["socket": name, "reason": error.reason])
      return
    }
    guard let period, process.map({ $0 == "\(Environment.processID)" }) ?? true else { return }
    guard let microseconds = Int64(period), microseconds > 0, microseconds <= 86_400_000_000
    else {
      log.write(.warning, "WATCHDOG_USEC is no number of microseconds", ["value": period])
      return
    }
    watchdogInterval = Nanoseconds(microseconds * 1_000 / 2)
  }

  /// Sends that requests are accepted. `isRefused`: the last reload was refused.
  mutating func ready(_ steelyard: Steelyard, isRefused: Bool = false, now: Nanoseconds) {
    self.isRefused = isRefused
    guard socket != nil, steelyard.stopsAt == nil else { return }
    status = text(steelyard, now)
    statusDueAt = now + Self.statusInterval
    if let watchdogInterval { watchdogDueAt = min(watchdogDueAt, now + watchdogInterval) }
    send(["READY=1", "STATUS=\(status)"])
  }

  /// Sends that a reload begins. `Type=notify-reload` needs the time of the monotonic clock.
  mutating func reloading(_ steelyard: Steelyard, now: Nanoseconds) {
    guard steelyard.stopsAt == nil else { return }
    send(["RELOADING=1", "MONOTONIC_USEC=\(now.rawValue / 1_000)"])
  }

  /// Sends that a graceful stop begins.
  mutating func stopping(now: Nanoseconds) {
    send(["STOPPING=1"])
    endDueAt = now
  }

  /// Sends what is due: status line, watchdog, more time for the end. To be called once a turn of
  /// the control loop.
  mutating func turn(_ steelyard: Steelyard, now: Nanoseconds) {
    guard socket != nil else { return }
    var lines: [String] = []
    if let watchdogInterval, now >= watchdogDueAt, areWorkersAlive(steelyard) {
      watchdogDueAt = now + watchdogInterval
      lines.append("WATCHDOG=1")
    }
    if let stopsAt = steelyard.stopsAt {
      if now >= endDueAt {
        endDueAt = now + Self.endInterval
        let rest = max(stopsAt - now, .zero)
        lines.append("EXTEND_TIMEOUT_USEC=\((rest + Self.endSlack).rawValue / 1_000)")
        let count = steelyard.balancer.inFlight
        lines.append(
          "STATUS=Ending: \(count) requests in flight, cut in \(rest.rawValue / 1_000_000_000) s")
      }
    } else if now >= statusDueAt {
      statusDueAt = now + Self.statusInterval
      let next = text(steelyard, now)
      if next != status {
        status = next
        lines.append("STATUS=\(next)")
      }
    }
    if !lines.isEmpty || !waiting.isEmpty { send(lines) }
  }

  /// Whether every worker has answered the last wake-up; if so, wakes all of them again. During a
  /// graceful stop workers may have ended.
  private mutating func areWorkersAlive(_ steelyard: Steelyard) -> Bool {
    if steelyard.stopsAt != nil { return true }
    if let index = steelyard.balancer.silentWorker {
      if silentWorker != index {
        log?.write(.error, "a worker does not answer", ["worker": "\(index)"])
      }
      silentWorker = index
      return false
    }
    if let silentWorker {
      log?.write(.info, "the worker answers again", ["worker": "\(silentWorker)"])
    }
    silentWorker = nil
    steelyard.balancer.ringWorkers()
    return true
  }

  /// The status line, which `systemctl status` shows.
  private func text(_ steelyard: Steelyard, _ now: Nanoseconds) -> String {
    let table = steelyard.board.table
    var total = 0
    var open = 0
    for endpoint in table.fleet.pools.lazy.flatMap(\.endpoints) {
      total += 1
      guard let row = table.rows[endpoint.endpointIndex] else { continue }
      let isEjected = steelyard.evidence.isEjected(endpoint.endpointIndex)
      if row.eligibility.shown(isEjected: isEjected).takesNewExchanges { open += 1 }
    }
    return "Serving: \(open) of \(total) endpoints take requests"
      + (isRefused ? "; the last reload was refused" : "")
  }

  private mutating func send(_ lines: [String]) {
    guard socket != nil else { return }
    waiting += lines
    // The oldest status lines are dropped first: changes of state are rare and needed.
    while waiting.count > Self.waitingMax {
      let index = waiting.firstIndex { !Self.isState($0) } ?? waiting.startIndex
      waiting.remove(at: index)
    }
    do throws(IOError) {
      try socket?.send(waiting)
      waiting = []
      if hasFailed { log?.write(.info, "the service manager can be told again") }
      hasFailed = false
    } catch {
      if !error.isLocalShortage { waiting = [] }
      if !hasFailed {
        log?.write(.warning, "the service manager cannot be told", ["reason": error.reason])
      }
      hasFailed = true
    }
  }

  private static func isState(_ line: String) -> Bool {
    line == "READY=1" || line == "STOPPING=1" || line.hasPrefix("RELOADING=")
      || line.hasPrefix("MONOTONIC_USEC=")
  }
}
