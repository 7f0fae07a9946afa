// An endpoint's ejection, combined from what each worker published on the evidence board.
// Rule: an endpoint is ejected from the moment the first worker ejects it until any worker readmits
// it. A half-open endpoint (tried by single requests) is still ejected.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

/// Why an ejection ended.
public enum ReadmissionCause: Int, Sendable {
  /// Trial requests ended well.
  case answers = 1
  /// It had refused connections and accepts them again. No request tried it.
  case connection
  /// No request tried it for a long time, no other evidence spoke against it, and it accepts
  /// connections.
  case silence
}

/// An ejection of an endpoint. Times are of the monotonic clock.
public struct Ejection: Sendable, Equatable {
  public var since: Nanoseconds
  /// The last time that something was learnt about the endpoint: from a trial, a scrape, or another
  /// balancer.
  public var lastEvidenceAt: Nanoseconds
  public var reason: EjectionReason
  /// Consecutive attempts that failed with this reason, 1 or more.
  public var failures: Int
  /// The end of the cooldown. Until then the endpoint gets no requests of clients.
  public var cooldownUntil: Nanoseconds
  /// The earliest time at which a request that can be repeated elsewhere tries the endpoint.
  public var trialFrom: Nanoseconds
  /// The pool has a canary: it tries the endpoint before requests do and may end the cooldown
  /// early.
  public var hasCanary = false

  public init(
    since: Nanoseconds, lastEvidenceAt: Nanoseconds, reason: EjectionReason, failures: Int,
    cooldownUntil: Nanoseconds, trialFrom: Nanoseconds
  ) {
    self.since = since
    self.lastEvidenceAt = lastEvidenceAt
    self.reason = reason
    self.failures = failures
    self.cooldownUntil = cooldownUntil
    self.trialFrom = trialFrom
  }

  /// The earliest time at which any request may try the endpoint.
  public var nextTrial: Nanoseconds { hasCanary ? cooldownUntil : min(trialFrom, cooldownUntil) }

  /// A sentence for people: since when, why, and when the endpoint is tried next.
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

  /// A phrase for people: the reason, and how often in a row it occurred.
  package var reasonText: String {
    reason.words + (failures > 1 ? ", \(failures) in a row" : "")
  }
}

extension EvidenceBoard {
  /// Whether the endpoint is ejected. Any thread.
  public func isEjected(_ endpointIndex: Int) -> Bool {
    let over = lastReadmission(endpointIndex)
    for worker in 0...workerCount where time(.ejectedSince, endpointIndex, worker) > over {
      return true
    }
    return false
  }

  /// The endpoint's current ejection as all workers except `except` see it; nil: not ejected. Any
  /// thread.
  public func ejection(_ endpointIndex: Int, except: Int? = nil) -> Ejection? {
    let over = lastReadmission(endpointIndex)
    var found: Ejection?
    for worker in 0...workerCount where worker != except {
      let since = time(.ejectedSince, endpointIndex, worker)
      guard since > over else { continue }
      let own = word(endpointIndex, worker, since: since)
      guard var all = found else {
        found = own
        continue
      }
      if own.lastEvidenceAt > all.lastEvidenceAt {
        (all.reason, all.failures) = (own.reason, own.failures)
      }
      all.since = min(all.since, since)
      all.lastEvidenceAt = max(all.lastEvidenceAt, own.lastEvidenceAt)
      all.cooldownUntil = max(all.cooldownUntil, own.cooldownUntil)
      all.trialFrom = max(all.trialFrom, own.trialFrom)
      found = all
    }
    return found
  }

  /// The ejection with the newest evidence, even if it is over; nil: there was none. Any thread.
  public func lastEjection(_ endpointIndex: Int) -> Ejection? {
    var last: Ejection?
    for worker in 0...workerCount {
      let lastEvidenceAt = time(.ejectionEvidenceAt, endpointIndex, worker)
      guard lastEvidenceAt > last?.lastEvidenceAt ?? .zero else { continue }
      last = word(endpointIndex, worker, since: time(.ejectedSince, endpointIndex, worker))
    }
    return last
  }

  /// The last time that a worker readmitted the endpoint; zero: never. Any thread.
  public func lastReadmission(_ endpointIndex: Int) -> Nanoseconds {
    var last = Nanoseconds.zero
    for worker in 0..<workerCount { last = max(last, time(.readmittedAt, endpointIndex, worker)) }
    return last
  }

  /// Why the endpoint was last readmitted; nil: it never was. Any thread.
  public func readmissionCause(_ endpointIndex: Int) -> ReadmissionCause? {
    let last = lastReadmission(endpointIndex)
    for worker in 0..<workerCount where time(.readmittedAt, endpointIndex, worker) == last {
      let value = block(ofWorker: worker)[index(.readmissionCause, endpointIndex)]
      if let cause = ReadmissionCause(rawValue: Int(truncatingIfNeeded: value)) { return cause }
    }
    return nil
  }

  private func word(_ endpointIndex: Int, _ worker: Int, since: Nanoseconds) -> Ejection {
    let cells = cells(worker)
    let reason = Int(truncatingIfNeeded: cells[index(.ejectionReason, endpointIndex)])
    return Ejection(
      since: since, lastEvidenceAt: time(.ejectionEvidenceAt, endpointIndex, worker),
      reason: EjectionReason(rawValue: reason) ?? .status,
      failures: max(1, Int(truncatingIfNeeded: cells[index(.ejectionFailures, endpointIndex)])),
      cooldownUntil: time(.ejectedUntil, endpointIndex, worker),
      trialFrom: time(.trialFrom, endpointIndex, worker))
  }

  private func time(_ column: Column, _ endpointIndex: Int, _ worker: Int) -> Nanoseconds {
    Nanoseconds(Int64(truncatingIfNeeded: cells(worker)[index(column, endpointIndex)]))
  }

  /// The cells of a worker, or after the last one those of the process before this one.
  private func cells(_ worker: Int) -> CellBlock {
    worker < workerCount ? block(ofWorker: worker) : inheritedEjections
  }

  /// Whether the process before this one had ejected the endpoint. Any thread.
  package func hasInheritedEjection(_ endpointIndex: Int) -> Bool {
    inheritedEjections[index(.ejectedSince, endpointIndex)] != 0
  }

  /// Goes on with an ejection of the process before this one, until a worker readmits the endpoint.
  /// Control thread only. Requires: no worker has begun.
  package func inherit(_ ejection: Ejection, _ endpointIndex: Int) {
    func store(_ column: Column, _ value: Int64) {
      inheritedEjections.store(UInt64(max(0, value)), at: index(column, endpointIndex))
    }
    store(.ejectedSince, ejection.since.rawValue)
    store(.ejectedUntil, ejection.cooldownUntil.rawValue)
    store(.trialFrom, ejection.trialFrom.rawValue)
    store(.ejectionEvidenceAt, ejection.lastEvidenceAt.rawValue)
    store(.ejectionReason, Int64(ejection.reason.rawValue))
    store(.ejectionFailures, Int64(ejection.failures))
    inheritedEjections.add(1, at: ejectionRevisionIndex)
  }
}
