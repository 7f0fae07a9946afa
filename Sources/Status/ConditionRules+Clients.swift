// Conditions of clients and of steelyard itself that are no failure of an endpoint: clients leave,
// get client errors, or are told to come back later.
import Exposition
import Fleet
import Primitives

extension ConditionRules {
  /// Findings that concern no pool.
  static func findings(_ reading: StatusReading) -> [Finding] {
    var found: [Finding] = []
    if let reason = reading.reloadFailure {
      let text = "the last reload was refused, the configuration before it is in force: \(reason)"
      found.append(Finding(.reloadFailed, nil, text))
    }
    if let trouble = reading.sharedTrouble {
      let text =
        "the store of shared limits cannot be reached, this replica uses its share: \(trouble)"
      found.append(Finding(.sharedStoreUnreachable, nil, text))
    }
    addCertificates(reading, &found)
    return found
  }

  static func addClients(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let limits = pool.thresholds
    let sums = history.totals
    let requests = history.requests
    let overdue = requests.overdue.increase
    let asked = requests.asked(sums)
    if overdue >= eventsMin, overdue > limits.giveUpRatio * asked {
      let wait = NumberWords.duration(history.patience.seconds)
      found.append(
        Finding(
          .clientsGiveUp, nil,
          "\(percent(overdue / asked)) of the requests are given up, without any content after \(wait)"
        ))
    }
    let faults = max(0, sums.clientErrors - sums.tooMany)
    if faults >= eventsMin, faults > limits.clientErrorRatio * sums.answered {
      found.append(
        Finding(
          .clientErrorsHigh, nil,
          "\(percent(faults / sums.answered)) of the answers are 4xx, 429 apart"))
    }
    let (calls, failed) = (requests.calls.increase, requests.failedCalls.increase)
    if failed >= eventsMin, failed > limits.errorRatio.alarm * calls {
      found.append(
        Finding(.grpcErrorsHigh, nil, "\(percent(failed / calls)) of the gRPC calls fail"))
    }
    let limited = requests.limited.increase
    let tooMany = sums.tooMany + limited
    let all = asked + limited
    if tooMany >= eventsMin, tooMany > limits.clientErrorRatio * all {
      let who = limited * 2 > tooMany ? "by rate limits" : "by endpoints"
      found.append(
        Finding(
          .tooManyRequestsHigh, nil,
          "\(percent(tooMany / all)) of the requests get 429, most of them \(who)"))
    }
  }

  /// How long clients wait for the first byte of content: over ten seconds, or over a minute if few
  /// requests are answered.
  static func addFirstBytes(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let countMin = ResponseBaseline.meanCountMin
    let isBusy = history.totals.answered >= countMin
    let sums = isBusy ? history.totals : history.baseline.lastMinute
    guard sums.answered >= countMin, let tail = sums.firstBytes?.quantile(0.99),
      let limit = ResponseLimits(pool.thresholds, history.baseline).firstByte,
      tail > limit.seconds
    else { return }
    found.append(
      Finding(
        .timeToFirstByteHigh, nil,
        "p99 of the time to the first byte is \(NumberWords.duration(tail)), more than \(NumberWords.duration(limit.seconds))"
      ))
  }

  /// An engine whose cache is nearly full preempts requests to make room.
  static func addCache(_ endpoint: EndpointReading, _ found: inout [Finding]) {
    for use in endpoint.utilisations where use.name == "kv_cache" {
      guard let limit = use.thresholds, use.ratio > limit.alarm else { continue }
      found.append(
        Finding(.kvCacheHigh, endpoint.address, "its KV cache is \(percent(use.ratio)) full"))
    }
  }

  /// Endpoints that fail or refuse far more often than the others.
  static func addOutliers(
    _ pool: PoolReading, _ history: PoolHistory, _ found: inout [Finding]
  ) {
    let all = history.endpoints.notable.map {
      (pool.endpoints[$0].address, history.endpoints[$0])
    }
    let attempts = all.reduce(0) { $0 + $1.1.attempts.increase }
    let bad = all.reduce(0) { $0 + $1.1.badAttempts }
    for (address, own) in all {
      let others = attempts - own.attempts.increase
      guard own.badAttempts >= eventsMin, own.attempts.increase > 0, others > 0 else { continue }
      let share = min(1, own.badAttempts / own.attempts.increase)
      let usual = min(1, (bad - own.badAttempts) / others)
      guard share > 2 * usual + pool.thresholds.endpointErrorRatio else { continue }
      found.append(
        Finding(
          .endpointErrorsOutlier, address,
          "\(percent(share)) of its attempts fail or are answered 4xx, \(percent(usual)) of those "
            + "at the other endpoints"))
    }
  }
}
