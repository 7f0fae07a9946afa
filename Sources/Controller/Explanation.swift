// From samples to weight in words and numbers: what `steelyard explain` prints of a pool. Plain
// text, one endpoint after the other, in the order in which a weight is made.
import Fleet
package import Primitives

package struct Explanation {
  private let controller: Controller
  private let now: Nanoseconds
  private var text = ""

  /// The whole text for a pool; nil where there is none of that name.
  package static func text(
    pool name: String, of controller: Controller, now: Nanoseconds
  ) -> String? {
    guard let index = controller.fleet.pools.firstIndex(where: { $0.name == name }) else {
      return nil
    }
    var explanation = Explanation(controller: controller, now: now)
    explanation.writePool(index)
    return explanation.text
  }

  private init(controller: Controller, now: Nanoseconds) {
    self.controller = controller
    self.now = now
  }

  private mutating func line(_ title: String, _ words: String) {
    text += "  \(title)\(String(repeating: " ", count: max(1, 11 - title.count)))\(words)\n"
  }

  private func number(_ value: Double, _ places: Int = 2) -> String {
    Wording.fixed(value, places)
  }

  private func age(_ at: Nanoseconds) -> String { "\(number((now - at).seconds, 1)) s ago" }

  // MARK: Pool

  private mutating func writePool(_ index: Int) {
    let configured = controller.fleet.pools[index]
    let tuning = controller.tuning[index]
    let policy = tuning.applied(to: configured.weights)
    let state = controller.pools[index]
    text += "pool \(configured.name): law \(policy.law.rawValue), balance "
    text += "\(configured.balance.rawValue), \(configured.endpoints.count) endpoint(s)\n"
    if policy.law == .capacity {
      line(
        "fleet",
        "mean response \(number(state.fleetResponse, 3)) s, evidence fades over "
          + "\(number(state.tau, 0)) s, \(number(state.balancers, 1)) balancer(s), "
          + "scrapes every \(number(controller.scrapeInterval(index).seconds)) s")
      if state.isFrozen { line("overload", "most endpoints hang: weights stay as they are") }
    }
    if state.isHeld {
      line("watchdog", "more endpoints stand still than may be taken out: weights stay as they are")
    }
    line(
      "limits",
      "floor \(number(policy.floorRatio)), slew \(number(policy.slew)) base weights a second, "
        + "slow start \(number(configured.slowStart.seconds, 1)) s"
        + (policy.isDryRun ? ", dry run: the base weights steer" : ""))
    if tuning.freeze != nil { line("operator", "weights are frozen\(left(tuning.freeze))") }
    for change in tuning.changes {
      line("operator", "\(change.value.name) is \(change.value.text)\(left(change))")
    }
    for endpoint in configured.endpoints { writeEndpoint(endpoint, policy, state) }
  }

  private func left<Value>(_ word: Until<Value>?) -> String {
    guard let expiry = word?.expiresAt else { return ", until it is taken back" }
    return ", for another \(number((expiry - now).seconds, 0)) s"
  }

  // MARK: Endpoint

  private mutating func writeEndpoint(
    _ endpoint: Endpoint, _ policy: WeightPolicy, _ pool: CapacityPool
  ) {
    guard let state = controller.endpoints[endpoint.slot] else { return }
    let row = state.row
    let isEjected = controller.evidence.isEjected(endpoint.slot, now: now)
    let shown = row.eligibility.takesNewExchanges && isEjected ? "ejected" : row.eligibility.label
    text += "\n\(endpoint.address): weight \(number(row.effective, 3)), target "
    text +=
      "\(number(row.target, 3)), base \(number(row.base, 3)); \(shown)\(endpoint.isBackup ? ", backup" : ""); \(row.reason.kind.label)\n"
    writeHealth(state)
    writeSignals(state)
    writeEvidence(state)
    if policy.law == .capacity { writeTerms(state, pool) }
    writeLimits(state, policy)
    writeChanges(state)
  }

  private mutating func writeHealth(_ state: EndpointState) {
    if let health = state.health {
      var words = health.state.eligibility.label
      if let failure = health.statistics.failure {
        words += ", the last check failed: \(failure.kind.label) \(failure.detail)"
      }
      line("health", words)
    }
    let stillness = "shows no work for \(number(state.watchdog.stillness, 1)) s"
    switch state.watchdog.phase {
    case .fine: if state.watchdog.stillness >= 1 { line("watchdog", stillness) }
    case .stalled(let cause): line("watchdog", "stalled: \(cause.label), \(stillness)")
    case .trial: line("watchdog", "on trial, one request at a time")
    }
  }

  private mutating func writeSignals(_ state: EndpointState) {
    for scrape in state.scrapes {
      let port = scrape.source.port ?? state.endpoint.address.port
      var words = ":\(port)\(scrape.source.path)"
      if let failure = scrape.statistics.failure {
        words += " fails: \(failure.kind.label) \(failure.detail)"
      } else if let sentAt = scrape.pageSentAt {
        words += " read \(age(sentAt))"
      } else {
        words += " not read yet"
      }
      line("page", words)
      for (index, spec) in scrape.source.signals.enumerated() {
        line("signal", signal(spec, scrape.signals[index], scrape.freshness(index, now: now)))
      }
    }
  }

  private func signal(_ spec: SignalSpec, _ state: SignalState, _ freshness: Freshness) -> String {
    var words = spec.name
    if let value = state.value { words += " \(number(value, 3))" }
    words += " (\(freshness.label)"
    if state.value != nil { words += ", \(age(state.valueAt))" }
    words += ")"
    if case .absent(let absence)? = state.reading { words += " last page: \(absence.label)" }
    if let role = spec.role { words += "; role \(role.rawValue)" }
    if let thresholds = spec.thresholds, let value = state.value {
      let load = ControlLaw.load(of: value, thresholds)
      words += "; load \(number(load)) of normal \(number(thresholds.normal)), alarm "
      words += number(thresholds.alarm)
    }
    return words
  }

  private mutating func writeEvidence(_ state: EndpointState) {
    let slot = state.endpoint.slot
    let board = controller.evidence
    line(
      "requests",
      "\(board.sum(.inFlight, slot)) in flight, \(board.sum(.started, slot)) sent, "
        + "\(board.sum(.completed, slot)) ended well, \(board.sum(.failed, slot)) failed, "
        + "\(board.sum(.refused, slot)) refused, "
        + "\(board.sum(.readmissions, slot)) time(s) back from ejection")
    let evidence = state.capacity.sums
    guard evidence.completions > 0.5 else { return }
    line(
      "own view",
      "\(number(evidence.completions, 1)) answers in \(number(evidence.elapsed, 1)) s, mean "
        + "\(number(evidence.seconds / evidence.completions, 3)) s")
    if evidence.scrapedCompletions > 0.5 {
      let mean = evidence.scrapedSeconds / evidence.scrapedCompletions
      line(
        "its counters",
        "\(number(evidence.scrapedCompletions, 1)) answers, mean \(number(mean, 3)) s")
    }
    if state.capacity.foreignAt != nil {
      line(
        "others",
        "\(number(state.capacity.foreign, 1)) requests of other balancers, "
          + "\(number(state.capacity.foreignMean, 1)) on average")
    }
  }

  private mutating func writeTerms(_ state: EndpointState, _ pool: CapacityPool) {
    guard let verdict = state.verdict else { return }
    line(
      "law",
      "a \(number(verdict.amount, 1)) / d \(number(verdict.seconds, 1)) s, x "
        + "\(number(verdict.deviation, 3)) after the dead band, e^(0.9 x) = "
        + "\(number(verdict.factor, 3)); \(verdict.detail)")
  }

  private mutating func writeLimits(_ state: EndpointState, _ policy: WeightPolicy) {
    if policy.law == .capacity {
      let ratios = state.lawSignals(now: now).filter(\.isRatio)
      if let verdict = ControlLaw.headroom(ratios, floorRatio: policy.floorRatio) {
        let factor = 1 - (1 - policy.floorRatio) * state.guardLoad
        line(
          "guard",
          "× \(number(factor, 3)), by the load of the last seconds; now \(verdict.detail)")
      }
    } else if !state.row.reason.detail.isEmpty {
      line("law", state.row.reason.detail)
    }
    if let pin = state.tuning.pin { line("operator", "pinned to \(pin.value)\(left(pin))") }
    if let scale = state.tuning.scale {
      line("operator", "scaled by \(scale.value)\(left(scale))")
    }
    if let drain = state.tuning.drain {
      let sessions: String
      switch state.tuning.drainDeadline {
      case let deadline? where now < deadline:
        sessions = "; sessions go on for another \(number((deadline - now).seconds, 0)) s"
      case .some: sessions = "; sessions are over"
      case nil: sessions = ""
      }
      line("operator", "drained\(left(drain))\(sessions)")
    }
  }

  private mutating func writeChanges(_ state: EndpointState) {
    let pool = controller.fleet.pools[state.pool].name
    let mine = controller.weightLog.entries.filter {
      $0.pool == pool && $0.endpoint == state.endpoint.address
    }
    for change in mine.suffix(3).reversed() {
      let detail = change.reason.detail.isEmpty ? "" : ": \(change.reason.detail)"
      line(
        "changed",
        "\(age(change.at)) target \(number(change.old, 3)) → \(number(change.new, 3)), "
          + "\(change.reason.kind.label)\(detail)")
    }
  }
}
