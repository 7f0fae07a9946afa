// Upgrades: another process of the program replaces this one, or this one replaces another.
// Invariant: until the successor accepts connections this process serves as before; a page of
// metrics is given out by one process at a time, and never has less than one before.
import Admin
import Balancer
import CLI
import Certificates
import Controller
import Discovery
import Events
import Fleet
import IO
import Metrics
import Primitives
import Upgrade

extension Steelyard {
  /// The most lines of a successor that are logged.
  private static let linesMax = 50
  /// How often messages are looked for while a successor starts.
  private static let pollInterval = Nanoseconds.milliseconds(10)

  /// How long a process that was replaced stays at least, for requests to the admin address that
  /// are on their way.
  private static let lingerTime = Nanoseconds.seconds(1)

  // MARK: The process in charge

  /// Starts a process that replaces this one. If that is not possible, nothing changes.
  func upgrade(now: Nanoseconds) throws(Problem) {
    guard let programStart else {
      throw refusal("this steelyard cannot be replaced")
    }
    if stopsAt != nil { throw refusal("steelyard is ending") }
    if upgrades.isActive { throw refusal("an upgrade is in progress") }
    if Environment.processID == 1 {
      throw refusal(
        "steelyard is process 1 here, and the container ends with it: replace the container")
    }
    do throws(UpgradeMachine.Failure) {
      try upgrades.begin(
        programStart, readyTimeout: configured.upgrade.readyTimeout, now: now)
    } catch {
      throw refusal(error.reason)
    }
    log.write(
      .info, "upgrade begins",
      ["program": programStart.path, "process": Int(upgrades.process ?? 0)])
  }

  private func refusal(_ reason: String) -> Problem {
    log.write(.error, "upgrade refused", ["reason": reason])
    return Problem(409, reason + "; nothing was changed")
  }

  /// When upgrades want a turn.
  var upgradeDue: Nanoseconds {
    let isBusy = upgrades.isActive || predecessor.map { !$0.isOver } ?? false
    return isBusy ? io.now + Self.pollInterval : successor?.dueAt ?? .distantFuture
  }

  /// Does what an upgrade wants now. A successor that is ready waits for `handOver`.
  func turnUpgrade(now: Nanoseconds) {
    turnPredecessor(now: now)
    if let successor {
      successor.turn(now: now) { countersPage() }
      if let end = successor.endsAt, end < stopsAt ?? .distantFuture { shorten(until: end) }
    }
    switch upgrades.turn(now: now) {
    case .none: break
    case .pass: upgrades.pass(listeningSockets, upgradeRecord())
    case .commit: isSuccessorReady = true
    case .fail(let failure):
      for line in failure.lines.prefix(Self.linesMax) {
        log.write(.error, "upgrade error", ["text": line])
      }
      log.write(
        .error, "upgrade failed, this process goes on", ["reason": failure.reason])
    }
  }

  /// Puts the successor in charge and begins a graceful end. Requires: it is ready.
  func handOver(now: Nanoseconds) {
    isSuccessorReady = false
    let process = Int(upgrades.process ?? 0)
    let program = upgrades.program ?? ""
    // From here on the successor answers new connections: its pages go on where this one ends.
    io.keepListeners { _ in false }
    admin.beginClosing(&io)
    upgrades.pass([], upgradeRecord())
    successor = Successor(upgrades.commit(page: countersPage()), now: now)
    lingersUntil = now + Self.lingerTime
    let deadline = now + configured.upgrade.drainTimeout
    stopsAt = deadline
    unreadiness = "replaced"
    balancer.beginStop(deadline: deadline, isReplaced: true)
    log.write(
      .info, "replaced, ending",
      ["process": process, "program": program, "in_flight": balancer.inFlight])
  }

  private func shorten(until end: Nanoseconds) {
    stopsAt = end
    balancer.beginStop(deadline: end)
  }

  /// Whether the graceful end is complete, or its time is over.
  func isOver(now: Nanoseconds) -> Bool {
    guard let stopsAt else { return false }
    // The counters of a process before this one pass through it.
    return now > stopsAt || balancer.isEnded && predecessor == nil && now >= lingersUntil
  }

  /// Sends the counters to the process in charge before a page of this one is given out: the
  /// client's next page is that process's.
  func tellSuccessorNow() { successor?.send(page: countersPage()) }

  /// Sends the last counters to the process in charge.
  func tellSuccessor() { successor?.finish(page: countersPage()) }

  private func countersPage() -> [UInt8] { api.countersPage(state) }

  private func upgradeRecord() -> UpgradeRecord {
    var record = UpgradeRecord()
    record.program = Version.number
    record.process = Int(Environment.processID)
    record.readySeconds = configured.upgrade.readyTimeout.seconds
    let now = Clock.now
    record.set("weights", controller.record)
    record.set("orders", controller.orderRecord)
    record.set(
      "endpoints",
      SavedState.record(of: runtime, pools: configured.pools.map(\.name), now: now))
    record.set("discovered", DiscoveryRecord(discovery.table))
    record.set("ejections", ejectionRecord)
    record.set("limits", balancer.admission.record(now: now))
    if let tickets = store.ticketRecord { record.set("tickets", tickets) }
    return record
  }

  /// The state of upgrades, for the API.
  var upgradeState: UpgradeState {
    var state = UpgradeState(
      process: UpgradeState.Process(id: Int(Environment.processID), version: Version.number))
    if upgrades.isActive {
      state.phase = .starting
      state.next = upgrades.process.map {
        UpgradeState.Process(id: Int($0), version: upgrades.program)
      }
    } else if let failure = upgrades.failure {
      state.phase = .failed
      (state.reason, state.errors) = (failure.reason, failure.lines)
    } else if successor != nil {
      state.phase = .replaced
    }
    if predecessor != nil { state.previous = previousProcess }
    return state
  }

  // MARK: The process that takes over

  /// Goes on with what the predecessor knew. A part that it did not pass, or that is not
  /// understood, begins anew. Requires: no worker has begun.
  func restore(_ record: UpgradeRecord, now: Nanoseconds) {
    var missing: [String] = []
    if let part = record.part("weights", ControllerRecord.self) {
      controller.restore(part)
    } else {
      missing.append("weights")
    }
    if let part = record.part("ejections", [EjectionRecord].self) {
      inherit(part)
    } else {
      missing.append("ejections")
    }
    if record.part("limits", AdmissionRecord.self) == nil { missing.append("rate limits") }
    if !restoreOrders(record, now: now) { missing.append("orders") }
    if !missing.isEmpty {
      log.write(
        .warning, "parts of the replaced process's state begin anew",
        ["parts": missing.joined(separator: ", ")])
    }
  }

  /// Returns false if the record has no orders that are understood.
  @discardableResult
  private func restoreOrders(_ record: UpgradeRecord, now: Nanoseconds) -> Bool {
    guard let part = record.part("orders", OrderRecord.self) else { return false }
    guard part != controller.orderRecord else { return true }
    for order in controller.restore(part, now: now) {
      log.write(.warning, "an order of the replaced process is not in force", ["order": order])
    }
    return true
  }

  private func restoreEndpoints(_ record: UpgradeRecord, now: Nanoseconds) {
    if let part = record.part("endpoints", [SavedState.SavedEndpoint].self) {
      SavedState.restore(part, &runtime, now: now)
    }
    // The predecessor may have written the state file meanwhile.
    if let state = try? Self.savedState(configured) { saved = state }
  }

  /// Takes what the predecessor passed. Call before `prepare`.
  func take(_ record: UpgradeRecord, of predecessor: Predecessor) {
    self.predecessor = predecessor
    previousProcess = UpgradeState.Process(id: record.process ?? 0, version: record.program)
    readyDue = startedAt + .seconds(min(record.readySeconds ?? 20, 3_600) / 2)
  }

  /// Learns about the endpoints before any request comes: turns until every pool has had its first
  /// round of polls, at most for half of the time that an upgrade may take.
  func prepare() {
    while unreadiness != nil, Clock.now < readyDue, predecessor?.isOver == false {
      turn(until: Clock.now + Self.pollInterval)
    }
  }

  /// Tells the predecessor that this process accepts connections, and waits until it is in charge.
  func takeOver() throws(StartError) {
    predecessor?.tellReady()
    while let predecessor, !predecessor.isOver { turn(until: Clock.now + Self.pollInterval) }
    // Orders and endpoints may have come while this process started.
    if let record = lastRecord {
      restoreOrders(record, now: Clock.now)
      restoreEndpoints(record, now: Clock.now)
    }
    do throws(IOError) {
      try openAdmin()
    } catch {
      throw StartError(error)
    }
    log.write(
      .info, "in charge",
      ["replaced": previousProcess?.id ?? 0, "program": previousProcess?.version ?? ""])
  }

  private func turnPredecessor(now: Nanoseconds) {
    guard let predecessor else { return }
    let number = predecessor.pageNumber
    predecessor.turn()
    if predecessor.pageNumber != number { api.inherit(predecessor.page) }
    lastRecord = predecessor.record
    guard predecessor.hasEnded, predecessor.isOver else { return }
    log.write(.info, "the replaced process has ended", ["process": previousProcess?.id ?? 0])
    self.predecessor = nil
  }
}
