// The text that `steelyard explain` prints of a pool: the sentence that gives the reason, and what
// happened to the endpoint; with `--verbose` every number of the explanation, in the order of the
// computation.
import Controller
import Fleet
import Primitives

extension PoolExplanation {
  /// Plain text, one endpoint after another.
  func text(isVerbose: Bool) -> String {
    var writer = ExplanationText(isVerbose: isVerbose)
    writer.write(self)
    return writer.text
  }
}

private struct ExplanationText {
  let isVerbose: Bool
  var text = ""

  private mutating func line(_ title: String, _ words: String) {
    text += "  \(title)\(String(repeating: " ", count: max(1, 11 - title.count)))\(words)\n"
  }

  private func number(_ value: Double, _ places: Int = 2) -> String {
    NumberWords.fixed(value, places)
  }

  private func age(_ seconds: Double) -> String { "\(number(seconds, 1)) s ago" }

  // MARK: Pool

  mutating func write(_ pool: PoolExplanation) {
    let count = pool.endpoints.count
    text += "pool \(pool.pool): law \(pool.law), balance \(pool.balance), "
    text += "\(count) endpoint\(count == 1 ? "" : "s")\(pool.dryRun ? ", dry run" : "")\n"
    if let reason = pool.freezeReason, reason != "operator" {
      line("frozen", "\(reason): weights stay as they are")
    }
    for order in pool.orders {
      let words = order.name == "freeze" ? "weights are frozen" : "\(order.name) is "
      line("operator", words + (order.value ?? "") + left(order))
    }
    if isVerbose { writeNumbers(pool) }
    for endpoint in pool.endpoints { write(endpoint) }
  }

  private mutating func writeNumbers(_ pool: PoolExplanation) {
    var words: [String] = []
    if let median = pool.medianResponseSeconds {
      words.append("median of the mean responses \(number(median, 3)) s")
    }
    if let rate = pool.medianAnswersPerSecond {
      words.append("median of the rates \(number(rate, 1)) answers/s")
    }
    words.append("evidence fades over \(number(pool.evidenceDecaySeconds, 0)) s")
    words.append("\(number(pool.balancers, 1)) balancer(s)")
    words.append("scrapes every \(number(pool.scrapeIntervalSeconds)) s")
    line("pool", words.joined(separator: ", "))
    if let shape = pool.shape { line("shape", sentence(shape)) }
    line(
      "limits",
      "floor \(number(pool.floorRatio)), slew \(number(pool.slewPerSecond)) configured weights a "
        + "second, slow start \(number(pool.slowStartSeconds, 1)) s"
        + (pool.dryRun ? ", dry run: the configured weights steer" : ""))
  }

  private func sentence(_ shape: PoolExplanation.Shape) -> String {
    let slots = shape.slots.map { number($0, 1) } ?? "?"
    let known =
      switch shape.source {
      case "configured": "slots as configured"
      case "engine": "an engine that batches continuously"
      case "pages": "\(slots) slots each, by full metrics pages"
      case "learnt":
        shape.slots == nil
          ? "slows down in a line, by response times" : "\(slots) slots each, by response times"
      default: "not known: counts as shared speed"
      }
    return "\(known); the delay of others counts \(number(shape.delayPrice, 1)) times"
  }

  private func left(_ order: PoolExplanation.Order) -> String {
    guard let seconds = order.remainingSeconds else { return ", until it is taken back" }
    return ", for another \(number(seconds, 0)) s"
  }

  // MARK: Endpoint

  private mutating func write(_ endpoint: EndpointExplanation) {
    let name = endpoint.name.map { " \($0)" } ?? ""
    text += "\n\(endpoint.address)\(name): weight \(number(endpoint.effectiveWeight, 3)), target "
    text += "\(number(endpoint.targetWeight, 3)), configured \(number(endpoint.baseWeight, 3)); "
    text += "\(endpoint.state)\(endpoint.backup ? ", backup" : "")\n"
    line("why", endpoint.reasonText)
    writeHealth(endpoint)
    for page in endpoint.pages where isVerbose || page.failure != nil { write(page) }
    writeRequests(endpoint)
    if isVerbose { writeEvidence(endpoint) }
    for order in endpoint.orders { write(order) }
    for change in endpoint.changes {
      line(
        "changed",
        "\(age(change.ageSeconds)) target \(number(change.from, 3)) → \(number(change.to, 3)), "
          + change.reasonText)
    }
  }

  private mutating func writeHealth(_ endpoint: EndpointExplanation) {
    if let health = endpoint.health {
      var words = health.state
      if let failure = health.failure {
        words += ", the last check failed: \(failure) \(health.detail ?? "")"
      }
      line("health", words)
    }
    if let ejection = endpoint.ejection { line("ejection", ejection.text) }
    if let canary = endpoint.canary { write(canary) }
    let watchdog = endpoint.watchdog
    let still = "shows no work for \(number(watchdog.stillSeconds, 1)) s"
    switch (watchdog.state, watchdog.cause) {
    case ("stalled", let cause): line("watchdog", "stalled: \(cause ?? ""), \(still)")
    case ("trial", _): line("watchdog", "on trial, one request at a time")
    default: if watchdog.stillSeconds >= 1 { line("watchdog", still) }
    }
  }

  private mutating func write(_ canary: EndpointExplanation.Trials) {
    var words = ""
    if canary.last != CanaryResult.good.label {
      words = "the last one, \(age(canary.ageSeconds)): \(canary.last)"
      if let detail = canary.detail { words += " (\(detail))" }
      words += canary.lastGoodAgeSeconds == nil ? ", none was good, " : ", "
    }
    if let seconds = canary.lastGoodAgeSeconds { words += "last good \(age(seconds)), " }
    line("canary", words + "\(canary.goodInRow) of \(canary.goodNeeded)")
    guard isVerbose else { return }
    var numbers = "the last one took \(number(canary.seconds, 3)) s"
    if let usual = canary.usualSeconds { numbers += ", a good one usually \(number(usual, 3)) s" }
    line("", numbers)
  }

  private mutating func write(_ page: EndpointExplanation.Page) {
    var words = page.url
    if let failure = page.failure {
      words += " fails: \(failure) \(page.detail ?? "")"
    } else if let seconds = page.ageSeconds {
      words += " read \(age(seconds))"
    } else {
      words += " not read yet"
    }
    line("page", words)
    guard isVerbose else { return }
    // All signals that this kind of server never shows share one line.
    let missing = page.signals.filter { $0.value == nil && $0.absence == Absence.missing.label }
    for signal in page.signals where !missing.contains(where: { $0.name == signal.name }) {
      write(signal)
    }
    if !missing.isEmpty {
      line("", "not on this page: " + missing.map(\.name).joined(separator: ", "))
    }
  }

  private mutating func write(_ signal: EndpointExplanation.Signal) {
    var words = signal.name
    if let value = signal.value { words += " \(number(value, 3))" }
    words += " (\(signal.freshness)"
    if let seconds = signal.ageSeconds { words += ", \(age(seconds))" }
    words += ")"
    if let absence = signal.absence { words += " last page: \(absence)" }
    if let role = signal.role { words += "; role \(role)" }
    if let load = signal.load, let normal = signal.normal, let alarm = signal.alarm {
      words += "; load \(number(load)) of normal \(number(normal)), alarm \(number(alarm))"
    }
    line("signal", words)
  }

  private mutating func writeRequests(_ endpoint: EndpointExplanation) {
    let requests = endpoint.requests
    var words =
      "\(requests.inFlight) in flight, \(requests.started) sent, "
      + "\(requests.completed) ended well, \(requests.failed) failed, "
      + "\(requests.refused) refused"
    if let oldest = requests.oldestSeconds, oldest >= 1 {
      words += "; the oldest has run for \(NumberWords.duration(oldest))"
    }
    if requests.ejections > 0 {
      words += "; ejected \(requests.ejections) times, back \(requests.readmissions) times"
    }
    line("requests", words)
  }

  private mutating func writeEvidence(_ endpoint: EndpointExplanation) {
    if let answers = endpoint.answers {
      line(
        "own view",
        "\(number(answers.count, 1)) answers in \(number(answers.windowSeconds ?? 0, 1)) s, mean "
          + "\(number(answers.meanResponseSeconds, 3)) s")
    }
    if let usually = endpoint.usually {
      line(
        "over minutes",
        "\(number(usually.count, 1)) answers, mean \(number(usually.meanResponseSeconds, 3)) s")
    }
    if let others = endpoint.others {
      line(
        "others",
        "\(number(others.requests, 1)) requests of other balancers, "
          + "\(number(others.meanRequests, 1)) on average")
    }
    if let terms = endpoint.terms {
      line(
        "law",
        "usually \(number(terms.usual, 3)), lately \(number(terms.lately, 3)) (a "
          + "\(number(terms.amount, 1)) / d \(number(terms.seconds, 1)) s), e^(0.9 x) = "
          + "\(number(terms.factor, 3)), before the pool's sum is restored"
          + (terms.likeCount > 1 ? "; \(terms.likeCount) endpoints are alike" : "")
          + (terms.unansweredSeconds > 0
            ? "; d has \(number(terms.unansweredSeconds, 1)) s of unanswered requests" : ""))
    }
    if let limit = endpoint.limit {
      line(
        "guard",
        "× \(number(limit.ratio, 3)), by \(limit.signal) \(number(limit.value)) over ten seconds "
          + "(normal \(number(limit.normal)), alarm \(number(limit.alarm)))")
    }
  }

  private mutating func write(_ order: PoolExplanation.Order) {
    switch order.name {
    case "pin": line("operator", "pinned to \(order.value ?? "")\(left(order))")
    case "scale": line("operator", "scaled by \(order.value ?? "")\(left(order))")
    default:
      var sessions = ""
      if let seconds = order.sessionsRemainingSeconds {
        sessions =
          seconds > 0
          ? "; sessions go on for another \(number(seconds, 0)) s" : "; sessions are over"
      }
      line("operator", "drained\(left(order))\(sessions)")
    }
  }
}
