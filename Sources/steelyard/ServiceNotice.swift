// What the service manager (systemd, or whatever else set NOTIFY_SOCKET) is told, and when: ready,
// reloading, ending, a line of status, and that the loops turn (sd_notify(3)): the control loop by
// itself, the workers' because they answered the last ring. Nothing is sent where nobody asked; a
// manager that does not read never holds the loop up.
import Balancer
import Events
import Fleet
import IO
import Primitives

/// The service manager's view of this process. Control thread only.
struct ServiceNotice: ~Copyable {
  /// How often the status line may change.
  private static let statusInterval = Nanoseconds.seconds(5)
  /// How often a graceful end asks for more time.
  private static let endInterval = Nanoseconds.seconds(1)
  /// What joining the workers and the last lines of the access log may take beyond the deadline.
  private static let endSlack = Nanoseconds.seconds(10)
  /// Lines that wait for a manager that does not read.
  private static let waitingMax = 16

  private var socket: NotifySocket?
  private var watchdogInterval: Nanoseconds?
  private var watchdogDueAt = Nanoseconds.distantFuture
  private var statusDueAt = Nanoseconds.distantFuture
  private var endDueAt = Nanoseconds.distantFuture
  private var status = ""
  /// What the manager had no room for; it is sent first.
  private var waiting: [String] = []
  private var isRefused = false
  private var silentWorker: Int?
  private var hasFailed = false
  private var log: LogDriver?
  private let name: String?
  private let period: String?
  private let process: String?

  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment.
  /// Requires: no other thread exists.
  init() {
    name = Environment.take("NOTIFY_SOCKET")
    period = Environment.take("WATCHDOG_USEC")
    process = Environment.take("WATCHDOG_PID")
  }

  /// Opens what the environment names. Nothing is told before.
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

  /// Requests are taken; after a reload, `isRefused` where the file was not taken.
  mutating func ready(_ steelyard: Steelyard, isRefused: Bool = false, now: Nanoseconds) {
    self.isRefused = isRefused
    guard socket != nil, steelyard.stopsAt == nil else { return }
    status = text(steelyard, now)
    statusDueAt = now + Self.statusInterval
    if let watchdogInterval { watchdogDueAt = min(watchdogDueAt, now + watchdogInterval) }
    send(["READY=1", "STATUS=\(status)"])
  }

  /// A reload begins. `Type=notify-reload` needs the time of the monotonic clock.
  mutating func reloading(_ steelyard: Steelyard, now: Nanoseconds) {
    guard steelyard.stopsAt == nil else { return }
    send(["RELOADING=1", "MONOTONIC_USEC=\(now.rawValue / 1_000)"])
  }

  /// A graceful end begins.
  mutating func stopping(now: Nanoseconds) {
    send(["STOPPING=1"])
    endDueAt = now
  }

  /// What is due. Called once a turn of the control loop.
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

  /// Every worker has answered the last ring; rings anew. While a graceful end runs, workers may be
  /// gone.
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

  /// What `systemctl status` shows.
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
    // The oldest that matter least: states come seldom, and are the last to be dropped.
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
