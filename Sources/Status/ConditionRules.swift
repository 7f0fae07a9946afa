// What is wrong with a pool at one moment, from its reading and the last ten seconds. Of two levels
// of one number only the worse one is reported. Ratios count only from a few failures on, so that
// one of three requests raises no alarm.
import Exposition
import Fleet
import Primitives

enum ConditionRules {
  /// The number of failures, slow answers and the like within the window that a ratio or a quantile
  /// needs.
  static let eventsMin = 3.0
  private static let turnsMax = 4
  private static let turnsSpan = Nanoseconds.seconds(300)
  private static let reversalsMax = 6
  private static let reversalsSpan = Nanoseconds.seconds(300)
  private static let restartsMax = 2
  private static let restartsSpan = Nanoseconds.seconds(600)

  static func findings(_ pool: PoolReading, _ history: PoolHistory, now: Nanoseconds) -> [Finding] {
    var found: [Finding] = []
    addEligibility(pool, &found)
    addTraffic(pool, history, &found)
    addTimes(pool, history, &found)
    addLimits(pool, history, &found)
    addSources(pool, &found)
    addClients(pool, history, &found)
    addFirstBytes(pool, history, &found)
    addOutliers(pool, history, &found)
    for position in pool.endpoints.indices where isNotable(pool, position) {
      addEndpoint(pool.endpoints[position], pool, &found)
    }
    for position in history.endpoints.notable {
      addHistory(pool.endpoints[position].address, history.endpoints[position], now, &found)
    }
    return found
  }

  /// Whether the present state of the endpoint may be a condition.
  private static func isNotable(_ pool: PoolReading, _ position: Int) -> Bool {
    pool.endpoints[position].connections > UInt64(pool.thresholds.endpointConnections)
      || pool.endpoints[position].scrapeFailure != nil
      || pool.endpoints[position].row.reason.kind == .stale
      || pool.endpoints[position].row.reason.kind == .expired
      || !pool.endpoints[position].utilisations.isEmpty
  }

  private static func addEligibility(_ pool: PoolReading, _ found: inout [Finding]) {
    var (primaryCount, eligibleCount, outCount) = (0, 0, 0)
    var first = 0
    // By position: a copy of each reading would cost more than all the rest.
    for position in pool.endpoints.indices {
      let eligibility = pool.endpoints[position].eligibility
      if [.ejected, .unhealthy, .stalled].contains(eligibility) { outCount += 1 }
      guard !pool.endpoints[position].isBackup else { continue }
      primaryCount += 1
      guard eligibility.takesNewExchanges, pool.endpoints[position].row.effective > 0
      else { continue }
      if eligibleCount == 0 { first = position }
      eligibleCount += 1
    }
    if eligibleCount == 0 {
      // If all states are good, the weights are the reason.
      let idle = pool.endpoints.count { $0.eligibility.takesNewExchanges && !$0.mayServe }
      let note = idle > 0 ? "; weight 0: \(idle)" : ""
      // A pool configured without endpoints has none either.
      if pool.endpoints.contains(where: { $0.isBackup && $0.mayServe }) {
        let text = "none of \(primaryCount) primaries, a backup serves\(note)"
        found.append(Finding(.backupServing, nil, text))
      } else {
        let ejected = pool.endpoints.count { $0.eligibility == .ejected }
        let text =
          "none of \(pool.endpoints.count) endpoints is eligible\(note)"
          + (ejected > 0 ? "; requests go to the ejected ones all the same" : "")
        found.append(Finding(.noEligibleEndpoint, nil, text))
      }
    } else if eligibleCount == 1, primaryCount > 1 {
      found.append(
        Finding(
          .singleEndpointLeft, nil,
          "only \(pool.endpoints[first].address) of \(primaryCount) endpoints is eligible"))
    }
    if pool.leftOut > 0 {
      found.append(
        Finding(
          .endpointsLeftOut, nil,
          "\(pool.leftOut) endpoints are left out: `limits.endpoints` are in use"))
    }
    // Endpoints drained by an operator are no fault. Having none at all is worse, and already
    // reported.
    let all = pool.endpoints.count
    if all > 1, outCount < all, outCount * 2 >= all {
      let text = "\(outCount) of \(all) endpoints are out of service"
      found.append(
        Finding(
          .ejectedShareHigh, nil,
          text + (pool.ignoresEjections ? "; too few are left: ejections are ignored" : "")))
    }
  }

  private static func addTraffic(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let sums = history.totals
    let limits = pool.thresholds
    if let ratio = sums.errorRatio, sums.errors >= eventsMin {
      let text = "\(percent(ratio)) of the answers are errors"
      if ratio > limits.errorRatio.alarm {
        found.append(Finding(.errorRateHigh, nil, text))
      } else if ratio > limits.errorRatio.normal {
        found.append(Finding(.errorRateElevated, nil, text))
      }
    }
    if let ratio = history.failureRatio, history.requests.failures(sums) >= eventsMin {
      let success = 1 - ratio
      let good = "\(percent(success)) of the requests succeed"
      if success < limits.successRatio.alarm {
        found.append(Finding(.successRateVeryLow, nil, good))
      } else if success < limits.successRatio.normal {
        found.append(Finding(.successRateLow, nil, good))
      }
    }
    // Either no request that ended was answered well, or attempts begin and none ends although they
    // used to. Answers of 4xx are neither good nor bad.
    let isMute =
      sums.ended == 0 && sums.attempts >= 1
      && history.lastMean.map { $0 * 3 < CounterWindow.length.seconds } ?? false
    let isFailing =
      history.requests.failures(sums) >= 1 && sums.answered <= sums.errors + sums.clientErrors
    if isFailing || isMute {
      found.append(Finding(.serviceInterrupted, nil, "requests come, and none is answered well"))
    }
    if let expected = limits.requestRate?.perSecond, let rate = sums.rate, rate > 1.5 * expected {
      found.append(
        Finding(
          .requestRateHigh, nil,
          "\(NumberWords.significant(rate)) requests/s, \(NumberWords.significant(expected)) are expected"
        ))
    }
  }

  private static func addTimes(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let limits = ResponseLimits(pool.thresholds, history.baseline)
    // Ten seconds, or a minute if few requests end: a few long ones do not make a slow pool.
    let isBusy = history.totals.ended >= ResponseBaseline.meanCountMin
    let sums = isBusy ? history.totals : history.baseline.lastMinute
    guard sums.ended >= ResponseBaseline.meanCountMin, let mean = sums.meanDuration else { return }
    let text = "the mean response time is \(NumberWords.duration(mean))"
    if let levels = limits.mean {
      let usual = limits.usualMean.map { ": \(NumberWords.duration($0)) is usual" } ?? ""
      if mean > levels.alarm.seconds {
        let limit = "\(text), more than \(NumberWords.duration(levels.alarm.seconds))\(usual)"
        found.append(Finding(.responseTimeHigh, nil, limit))
      } else if mean > levels.normal.seconds {
        let limit = "\(text), more than \(NumberWords.duration(levels.normal.seconds))\(usual)"
        found.append(Finding(.responseTimeElevated, nil, limit))
      }
    }
    if let limit = limits.p99, let tail = sums.durations.quantile(0.99), tail > limit.seconds {
      let words = "p99 of the response time is \(NumberWords.duration(tail)), more than "
      found.append(Finding(.tailLatencyHigh, nil, words + NumberWords.duration(limit.seconds)))
    }
    if let usual = history.usualDuration, mean > 2 * usual {
      found.append(
        Finding(
          .processingTimeHigh, nil,
          "\(text), more than twice the usual \(NumberWords.duration(usual))"))
    }
  }

  private static func addLimits(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let limits = pool.thresholds
    if let queue = pool.queue {
      let text =
        "\(queue.length) requests wait, the oldest for \(NumberWords.duration(queue.oldestWait.seconds))"
      if queue.length > limits.queueLength.alarm {
        found.append(Finding(.queueVeryLong, nil, text))
      } else if queue.length > limits.queueLength.normal {
        found.append(Finding(.queueLong, nil, text))
      }
    }
    if history.breakerRefusals.increase > 0 {
      found.append(Finding(.breakerOpen, nil, "a circuit breaker refuses requests"))
    }
    if history.budgetRefusals.increase > 0 {
      found.append(
        Finding(.retryBudgetSpent, nil, "failed requests are not repeated: the budget is spent"))
    }
    if let cause = pool.freeze {
      let why = cause == .operator ? " by an operator" : ": \(cause.rawValue)"
      found.append(Finding(.weightsFrozen, nil, "weights are frozen\(why)"))
    }
    if let ratio = pool.demandRatio, pool.isCapacityKnown, ratio > 1 {
      found.append(
        Finding(
          .forecastOverCapacity, nil, "expected requests are \(percent(ratio)) of the capacity"))
    }
  }

  private static func addEndpoint(
    _ endpoint: EndpointReading, _ pool: PoolReading, _ found: inout [Finding]
  ) {
    let address = endpoint.address
    if endpoint.connections > UInt64(pool.thresholds.endpointConnections) {
      found.append(
        Finding(.endpointConnectionsHigh, address, "\(endpoint.connections) connections"))
    }
    if let failure = endpoint.scrapeFailure {
      found.append(Finding(.scrapeFailing, address, "scrapes fail: \(failure)"))
    }
    if endpoint.row.reason.kind == .stale {
      found.append(Finding(.signalsStale, address, "the weight rests on old numbers"))
    }
    if endpoint.row.reason.kind == .expired {
      found.append(
        Finding(.lawFallingBack, address, endpoint.row.reasonText))
    }
    addUtilisations(endpoint, pool, &found)
    addCache(endpoint, &found)
  }

  private static func addHistory(
    _ address: SocketAddress, _ history: EndpointHistory, _ now: Nanoseconds,
    _ found: inout [Finding]
  ) {
    if history.outages.isMost {
      found.append(Finding(.endpointDown, address, "out of service: \(history.outage)"))
    }
    let turns = history.turns.count(since: now - turnsSpan)
    if turns >= turnsMax {
      found.append(
        Finding(.endpointFlapping, address, "in and out \(turns) times within 5 minutes"))
    }
    let reversals = history.reversals.count(since: now - reversalsSpan)
    if reversals >= reversalsMax {
      let text = "halved or doubled \(reversals) times within 5 minutes"
      found.append(Finding(.weightsOscillating, address, text))
    }
    let restarts = history.restarts.count(since: now - restartsSpan)
    if restarts >= restartsMax {
      found.append(
        Finding(.endpointRestarting, address, "started anew \(restarts) times within 10 minutes"))
    }
  }

  /// A busy GPU is as it should be: it is too busy only if requests wait for it.
  private static func addUtilisations(
    _ endpoint: EndpointReading, _ pool: PoolReading, _ found: inout [Finding]
  ) {
    for use in endpoint.utilisations {
      guard let limit = use.thresholds, let alerts = UtilisationAlerts.of(signal: use.name) else {
        continue
      }
      var text = "\(use.name) at \(percent(use.ratio))"
      var (isNotable, isAlarming) = (true, true)
      if use.name == "gpu" {
        let waiting = pool.waiting
        isNotable = waiting > Double(pool.thresholds.queueLength.normal)
        isAlarming = waiting > Double(pool.thresholds.queueLength.alarm)
        text += ", and \(NumberWords.significant(waiting)) requests wait"
      }
      if use.ratio > limit.alarm, isAlarming {
        found.append(Finding(alerts.alarm, endpoint.address, text))
      } else if use.ratio > limit.normal, isNotable {
        found.append(Finding(alerts.normal, endpoint.address, text))
      }
    }
  }

  // MARK: Texts

  /// Three digits: of a success ratio those near 100 % matter.
  static func percent(_ ratio: Double) -> String {
    NumberWords.significant(ratio * 100) + " %"
  }
}

extension EndpointReading {
  /// An endpoint with weight 0 gets nothing, whatever its state; the alert rules say the same.
  fileprivate var mayServe: Bool { eligibility.takesNewExchanges && row.effective > 0 }
}

extension PoolReading {
  /// Waiting requests: in steelyard's queue, or in the endpoint with the most.
  fileprivate var waiting: Double {
    endpoints.reduce(Double(queue?.length ?? 0)) { max($0, $1.waiting ?? 0) }
  }
}

/// The alerts on signals of a machine. The signals' thresholds say what is too much.
private enum UtilisationAlerts {
  static func of(signal: String) -> (normal: Alert, alarm: Alert)? {
    switch signal {
    case "cpu": (.cpuHigh, .cpuVeryHigh)
    case "memory": (.memoryHigh, .memoryVeryHigh)
    case "gpu": (.gpuHigh, .gpuVeryHigh)
    case "disk_io": (.diskIOHigh, .diskIOVeryHigh)
    default: nil
    }
  }
}
