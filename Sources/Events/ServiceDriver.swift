// Sends messages to the service manager that set NOTIFY_SOCKET; nothing if none did. A manager that
// does not read never delays the control loop. `ServiceMessages` decides what is sent, and when.
import Fleet
import IO
package import Primitives

/// The connection to the service manager. Control thread only.
package struct ServiceDriver: ~Copyable {
  /// The most messages that are kept for a manager that does not read.
  private static let waitingMax = 16

  private var socket: NotifySocket?
  private var messages = ServiceMessages(watchdogInterval: nil)
  /// Messages that the socket did not take; they are sent first.
  private var waiting: [String] = []
  private var silentWorker: Int?
  private var hasFailed = false
  private var log: LogDriver?
  private let name: String?
  private let period: String?
  private let process: String?

  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and removes them from the environment.
  /// Requires: no other thread exists.
  package init() {
    name = Environment.take("NOTIFY_SOCKET")
    period = Environment.take("WATCHDOG_USEC")
    process = Environment.take("WATCHDOG_PID")
  }

  /// Opens the socket that the environment names. Nothing is sent before.
  package mutating func open(log: LogDriver) {
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
    do throws(ServiceMessages.NotANumber) {
      messages = ServiceMessages(
        watchdogInterval: try ServiceMessages.watchdogInterval(
          period: period, process: process, own: "\(Environment.processID)"))
    } catch {
      log.write(
        .warning, "WATCHDOG_USEC is no number of microseconds", ["value": period ?? ""])
    }
  }

  /// Sends that requests are accepted. `isRefused`: the last reload was refused.
  package mutating func ready(
    _ state: ServiceState, isRefused: Bool = false, now: Nanoseconds
  ) {
    send(messages.ready(state, isRefused: isRefused, now: now))
  }

  /// Sends that a reload begins.
  package mutating func reloading(_ state: ServiceState, now: Nanoseconds) {
    send(messages.reloading(state, now: now))
  }

  /// Sends that a graceful stop begins.
  package mutating func stopping(now: Nanoseconds) { send(messages.stopping(now: now)) }

  /// Sends that another process is the main one from now on, and nothing more.
  package mutating func handOver(to process: Int32) {
    send(["MAINPID=\(process)"])
    socket = nil
    waiting = []
  }

  /// Sends what is due. To be called once a turn of the control loop. Workers are asked for a sign
  /// of life with `wakeWorkers` each time the watchdog is fed; during a graceful stop they may have
  /// ended. `state` is only called if a message may be due.
  package mutating func turn(
    _ state: () -> ServiceState, now: Nanoseconds, wakeWorkers: () -> Void
  ) {
    guard socket != nil else { return }
    guard now >= messages.dueAt else { return send([]) }
    let state = state()
    var isAlive = false
    if messages.isWatchdogDue(now) {
      isAlive = state.stopsAt != nil || noteWorkers(state.silentWorker)
      if isAlive, state.stopsAt == nil { wakeWorkers() }
    }
    send(messages.due(state, isAlive: isAlive, now: now))
  }

  /// Logs when a worker stops answering and when it answers again. Returns whether all answer.
  private mutating func noteWorkers(_ silent: Int?) -> Bool {
    if let silent, silentWorker != silent {
      log?.write(.error, "a worker does not answer", ["worker": "\(silent)"])
    } else if silent == nil, let silentWorker {
      log?.write(.info, "the worker answers again", ["worker": "\(silentWorker)"])
    }
    silentWorker = silent
    return silent == nil
  }

  /// Sends these messages after those that wait.
  private mutating func send(_ lines: [String]) {
    waiting += lines
    guard socket != nil, !waiting.isEmpty else { return waiting = [] }
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
    line == "READY=1" || line.hasPrefix("MAINPID=") || line == "STOPPING=1"
      || line.hasPrefix("RELOADING=")
      || line.hasPrefix("MONOTONIC_USEC=")
  }
}
