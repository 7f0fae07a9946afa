// Runs hooks, each in a thread of its own, so that neither a slow disk nor a command that hangs
// delays the control loop. The policies of hooks bound the number of threads. Each start and end is
// logged.
import Client
package import Fleet
import HTTP
package import IO
package import Primitives
import Synchronization

/// The hooks and their runs. Control thread only.
package final class HookDriver {
  /// The result of a run.
  private struct Report: Sendable {
    let id: UInt64
    let outcome: HookQueue.Outcome
    let reason: String
    let output: [UInt8]
    let seconds: Double
  }

  /// The state that the threads share.
  private final class Mailbox: Sendable {
    let reports = Mutex<[Report]>([])
    let isStopped = Atomic<Bool>(false)
  }

  private struct Run {
    let thread: ThreadHandle
    let start: HookQueue.Start
  }

  /// The most bytes of the output of a command that are kept.
  private static let outputBytesMax = 1_024
  /// The time that the end waits for commands that were told to stop.
  private static let finishTime = ChildProcess.grace + .seconds(1)

  private let waker: Waker
  private let userAgent: String
  private let environment: [String]
  private let mailbox = Mailbox()
  private var runs: [UInt64: Run] = [:]
  package private(set) var queue = HookQueue()

  /// `waker` is woken when a run ends; `environment` is that of this process.
  package init(waker: Waker, userAgent: String, environment: [String]) {
    self.waker = waker
    self.userAgent = userAgent
    self.environment = environment
  }

  /// Applies another configuration. Runs in progress go on.
  package func apply(_ policies: [HookPolicy], _ log: LogDriver) {
    if !policies.isEmpty { ChildProcess.prepare() }
    for each in queue.apply(policies) { noteDrop(each, "the hook is gone", log) }
  }

  /// Takes an event; its runs begin with the next `turn`.
  package func offer(_ occurrence: Occurrence, now: Nanoseconds, _ log: LogDriver) {
    if queue.isIdle || mailbox.isStopped.load(ordering: .relaxed) { return }
    if queue.offer(occurrence, now: now) { noteDrop(occurrence, "too many wait", log) }
  }

  /// Takes the results of runs and begins further ones. Never waits. `context` gives the TLS
  /// context of a description.
  package func turn(_ log: LogDriver, context: (ClientTLS) -> ClientContext?) {
    if queue.runningCount > 0 { takeReports(log) }
    if mailbox.isStopped.load(ordering: .relaxed) { return }
    while let start = queue.next() { begin(start, log, context) }
  }

  /// Tells runs to stop and begins no further ones.
  package func stop(_ log: LogDriver) {
    mailbox.isStopped.store(true, ordering: .relaxed)
    for each in queue.apply([]) { noteDrop(each, "ending", log) }
  }

  /// Waits for a moment for runs that were told to stop. Requires: `stop` was called.
  package func finish(_ log: LogDriver) {
    let deadline = Clock.now + Self.finishTime
    while queue.runningCount > 0, Clock.now < deadline {
      Clock.pause(.milliseconds(5))
      takeReports(log)
    }
  }

  // MARK: One run

  private func begin(
    _ start: HookQueue.Start, _ log: LogDriver, _ context: (ClientTLS) -> ClientContext?
  ) {
    log.write(
      .info, "hook started",
      [
        "event": start.occurrence.event.rawValue, "pool": start.occurrence.pool,
        "endpoint": start.occurrence.endpointText, "action": start.policy.action.title,
      ])
    var security: ClientSecurity?
    if case .post(let target) = start.policy.action, let tls = target.tls {
      guard let context = context(tls) else {
        return end(start, "no certificates are loaded for its `tls`", log)
      }
      security = ClientSecurity(context, name: target.serverName(tls))
    }
    do throws(IOError) {
      let thread = try Self.launch(start, security, mailbox, waker, userAgent, environment)
      runs[start.id] = Run(thread: thread, start: start)
    } catch {
      end(start, error.reason, log)
    }
  }

  /// Notes a run that could not begin.
  private func end(_ start: HookQueue.Start, _ reason: String, _ log: LogDriver) {
    end(
      start, Report(id: start.id, outcome: .failed, reason: reason, output: [], seconds: 0), log)
  }

  private static func launch(
    _ start: HookQueue.Start, _ security: ClientSecurity?, _ mailbox: Mailbox, _ waker: Waker,
    _ userAgent: String, _ own: [String]
  ) throws(IOError) -> ThreadHandle {
    try ThreadHandle.start(name: "hook") {
      let report = carryOut(start, security, mailbox, userAgent, own)
      mailbox.reports.withLock { $0.append(report) }
      waker.wake()
    }
  }

  /// Carries out a run, on its own thread.
  private static func carryOut(
    _ start: HookQueue.Start, _ security: ClientSecurity?, _ mailbox: Mailbox,
    _ userAgent: String, _ own: [String]
  ) -> Report {
    let began = Clock.now
    func report(
      _ outcome: HookQueue.Outcome, _ reason: String, _ output: [UInt8] = []
    ) -> Report {
      Report(
        id: start.id, outcome: outcome, reason: reason, output: output,
        seconds: (Clock.now - began).seconds)
    }
    let isStopped = { mailbox.isStopped.load(ordering: .relaxed) }
    switch start.policy.action {
    case .post(let target):
      let reply = BlockingClient.send(
        start.request(to: target, security), userAgent: userAgent, isStopped: isStopped)
      switch reply.outcome {
      case .answered(let status, _, _, _):
        return report((200...299).contains(status) ? .ok : .failed, "status \(status)")
      case .failed(let failure):
        switch failure.kind {
        case .timeout: return report(.timeout, "")
        case .stopped: return report(.failed, "ending")
        case .badHTTP: return report(.failed, "no HTTP: \(failure.detail)")
        default: return report(.failed, failure.detail)
        }
      }
    case .run(let words):
      do throws(IOError) {
        let (ending, output) = try ChildProcess.run(
          start.occurrence.words(words), environment: start.occurrence.environment(from: own),
          timeout: start.policy.timeout, outputBytesMax: outputBytesMax, isStopped: isStopped)
        switch ending {
        case .exited(let code): return report(code == 0 ? .ok : .failed, "exit \(code)", output)
        case .signaled(let number): return report(.failed, "signal \(number)", output)
        case .timedOut: return report(.timeout, "", output)
        case .stopped: return report(.failed, "ending", output)
        }
      } catch {
        return report(.failed, "cannot be started: \(error.reason)")
      }
    }
  }

  private func takeReports(_ log: LogDriver) {
    let reports = mailbox.reports.withLock { reports in
      defer { reports = [] }
      return reports
    }
    for report in reports {
      guard let run = runs.removeValue(forKey: report.id) else { continue }
      // The output is complete.
      run.thread.join()
      end(run.start, report, log)
    }
  }

  private func end(_ start: HookQueue.Start, _ report: Report, _ log: LogDriver) {
    queue.ended(report.id, report.outcome)
    let (event, pool) = (start.occurrence.event.rawValue, start.occurrence.pool)
    let endpoint = start.occurrence.endpointText
    var output = String(decoding: report.output, as: UTF8.self)
    while output.last?.isWhitespace == true { output.removeLast() }
    let seconds = (report.seconds * 1_000).rounded() / 1_000
    switch report.outcome {
    case .ok:
      log.write(
        .info, "hook done",
        [
          "event": event, "pool": pool, "endpoint": endpoint, "seconds": seconds,
          "output": output,
        ])
    case .timeout:
      log.write(
        .warning, "hook timed out",
        [
          "event": event, "pool": pool, "endpoint": endpoint, "seconds": seconds,
          "output": output,
        ])
    case .failed, .dropped:
      log.write(
        .warning, "hook failed",
        [
          "event": event, "pool": pool, "endpoint": endpoint, "reason": report.reason,
          "seconds": seconds, "output": output,
        ])
    }
  }

  private func noteDrop(_ occurrence: Occurrence, _ reason: String, _ log: LogDriver) {
    log.write(
      .warning, "hook dropped",
      [
        "event": occurrence.event.rawValue, "pool": occurrence.pool,
        "endpoint": occurrence.endpointText, "reason": reason,
      ])
  }
}

extension HookPolicy.Action {
  /// The target of a run: the path of the program, or the URL of the request.
  fileprivate var title: String {
    switch self {
    case .run(let words): words.first ?? ""
    case .post(let target): SecretText.masked(text: target.url)
    }
  }
}

extension HookPolicy.WebTarget {
  /// What the server's certificate has to be for.
  fileprivate func serverName(_ tls: ClientTLS) -> String {
    tls.serverName ?? "\(IPAddress(address))"
  }
}

extension HookQueue.Start {
  /// The request of a hook: a POST with a JSON object. Only the status of the answer counts.
  fileprivate func request(
    to target: HookPolicy.WebTarget, _ security: ClientSecurity?
  ) -> ClientRequest {
    var request = ClientRequest(
      .post, target.path, at: target.address, timeout: policy.timeout, contentBytesMax: 0)
    request.security = security
    if let name = target.tls?.serverName { request.host = "\(name):\(target.address.port)" }
    request.content = occurrence.json
    request.fields = [ClientRequest.Field("Content-Type", "application/json")]
    request.fields += policy.fields.map { ClientRequest.Field($0.name, $0.value) }
    request.keepsConnection = false
    request.excess = .ignored
    return request
  }
}
