// An endpoint's ejection as everybody sees it: made of what each worker published on the board.
// Rule: an endpoint is ejected from the first worker's ejection until any worker has it back; half
// open (tried by single requests) is still ejected.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// Why an ejection ended.
public enum ReadmissionCause: Int, Sendable {
  /// Trial requests ended well.
  case answers = 1
  /// It refused connections, and takes them again. No request tried it.
  case connection
  /// No request tried it for long, nothing else spoke against it, and it takes connections.
  case silence
}

/// The ejection that an endpoint is in. Times are of the monotonic clock.
public struct Ejection: Sendable, Equatable {
  public var since: Nanoseconds
  /// When something was last heard of it: a trial, a scrape, another balancer.
  public var heardAt: Nanoseconds
  public var reason: EjectionReason
  /// Attempts in a row that ended that way, 1 or more.
  public var failures: Int
  /// Until then requests of clients leave it alone.
  public var cooldownUntil: Nanoseconds
  /// From then on a request that can be repeated elsewhere tries it.
  public var trialFrom: Nanoseconds
  /// The pool has a canary: it tries the endpoint before requests do, and may end the cooldown.
  public var hasCanary = false

  public init(
    since: Nanoseconds, heardAt: Nanoseconds, reason: EjectionReason, failures: Int,
    cooldownUntil: Nanoseconds, trialFrom: Nanoseconds
  ) {
    self.since = since
    self.heardAt = heardAt
    self.reason = reason
    self.failures = failures
    self.cooldownUntil = cooldownUntil
    self.trialFrom = trialFrom
  }

  /// From when on some request may try it.
  public var nextTrial: Nanoseconds { hasCanary ? cooldownUntil : min(trialFrom, cooldownUntil) }

  /// For people: since when, why, and when it is tried next.
  package func text(now: Nanoseconds) -> String {
    let cooldown = (nextTrial - now).seconds
    let time = NumberWords.duration(cooldown)
    let next =
      cooldown <= 0
      ? "tried by single requests"
      : hasCanary
        ? "tried by the canary, by a request in \(time) at the latest" : "next trial in \(time)"
    return "ejected for \(NumberWords.duration(max(0, (now - since).seconds))): "
      + "\(reasonText); \(next)"
  }

  /// For people: what was wrong, and how often in a row.
  package var reasonText: String {
    reason.words + (failures > 1 ? ", \(failures) in a row" : "")
  }
}

extension EvidenceBoard {
  /// Whether the endpoint is ejected. Any thread.
  public func isEjected(_ endpointIndex: Int) -> Bool {
    let over = lastReadmission(endpointIndex)
    for worker in 0..<workerCount where time(.ejectedSince, endpointIndex, worker) > over {
      return true
    }
    return false
  }

  /// The ejection that the endpoint is in, as the workers but `except` have it: nil where it is in
  /// none. Any thread.
  public func ejection(_ endpointIndex: Int, except: Int? = nil) -> Ejection? {
    let over = lastReadmission(endpointIndex)
    var found: Ejection?
    for worker in 0..<workerCount where worker != except {
      let since = time(.ejectedSince, endpointIndex, worker)
      guard since > over else { continue }
      let own = word(endpointIndex, worker, since: since)
      guard var all = found else {
        found = own
        continue
      }
      if own.heardAt > all.heardAt { (all.reason, all.failures) = (own.reason, own.failures) }
      all.since = min(all.since, since)
      all.heardAt = max(all.heardAt, own.heardAt)
      all.cooldownUntil = max(all.cooldownUntil, own.cooldownUntil)
      all.trialFrom = max(all.trialFrom, own.trialFrom)
      found = all
    }
    return found
  }

  /// The ejection of which something was last heard, though it may be over; nil: there was none.
  /// Any thread.
  public func lastEjection(_ endpointIndex: Int) -> Ejection? {
    var last: Ejection?
    for worker in 0..<workerCount {
      let heardAt = time(.ejectionHeardAt, endpointIndex, worker)
      guard heardAt > last?.heardAt ?? .zero else { continue }
      last = word(endpointIndex, worker, since: time(.ejectedSince, endpointIndex, worker))
    }
    return last
  }

  /// When a worker last had the endpoint back; zero: never. Any thread.
  public func lastReadmission(_ endpointIndex: Int) -> Nanoseconds {
    var last = Nanoseconds.zero
    for worker in 0..<workerCount { last = max(last, time(.readmittedAt, endpointIndex, worker)) }
    return last
  }

  /// Why it was the last time; nil: never. Any thread.
  public func readmissionCause(_ endpointIndex: Int) -> ReadmissionCause? {
    let last = lastReadmission(endpointIndex)
    for worker in 0..<workerCount where time(.readmittedAt, endpointIndex, worker) == last {
      let value = block(ofWorker: worker)[index(.readmissionCause, endpointIndex)]
      if let cause = ReadmissionCause(rawValue: Int(truncatingIfNeeded: value)) { return cause }
    }
    return nil
  }

  private func word(_ endpointIndex: Int, _ worker: Int, since: Nanoseconds) -> Ejection {
    let cells = block(ofWorker: worker)
    let reason = Int(truncatingIfNeeded: cells[index(.ejectionReason, endpointIndex)])
    return Ejection(
      since: since, heardAt: time(.ejectionHeardAt, endpointIndex, worker),
      reason: EjectionReason(rawValue: reason) ?? .status,
      failures: max(1, Int(truncatingIfNeeded: cells[index(.ejectionFailures, endpointIndex)])),
      cooldownUntil: time(.ejectedUntil, endpointIndex, worker),
      trialFrom: time(.trialFrom, endpointIndex, worker))
  }

  private func time(_ column: Column, _ endpointIndex: Int, _ worker: Int) -> Nanoseconds {
    Nanoseconds(Int64(truncatingIfNeeded: block(ofWorker: worker)[index(column, endpointIndex)]))
  }
}
