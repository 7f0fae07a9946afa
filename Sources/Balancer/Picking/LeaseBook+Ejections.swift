// How a worker publishes its ejections, and how it adopts those of the other workers.
// Invariant: an ejection is published from its beginning to its end.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
package import Primitives

extension LeaseBook {
  /// Publishes the endpoint's ejection as this worker sees it.
  mutating func publish(_ endpointIndex: Int, _ health: PassiveHealth) {
    guard health.isHalfOpen, let reason = health.reason else { return }
    hasEjections = true
    func store(_ column: EvidenceBoard.Column, _ value: Int64) {
      cells.store(UInt64(max(0, value)), at: evidence.index(column, endpointIndex))
    }
    store(.ejectedUntil, health.ejectedUntil.rawValue)
    store(.trialFrom, health.trialFrom.rawValue)
    store(.ejectionEvidenceAt, health.lastEvidenceAt.rawValue)
    store(.ejectionReason, Int64(reason.rawValue))
    store(.ejectionFailures, Int64(max(health.failsInRow, health.refusals.count)))
    // Workers' clocks may differ by a turn: an ejection begins after the previous one is over.
    let since = max(
      health.ejectedSince.rawValue, evidence.lastReadmission(endpointIndex).rawValue + 1)
    if cells[evidence.index(.ejectedSince, endpointIndex)] == 0 { store(.ejectedSince, since) }
    noteChange()
  }

  /// Publishes that the endpoint was readmitted after an ejection, and why.
  mutating func publishReadmission(
    _ endpointIndex: Int, _ cause: ReadmissionCause, now: Nanoseconds
  ) {
    withdraw(endpointIndex)
    cells.store(UInt64(cause.rawValue), at: evidence.index(.readmissionCause, endpointIndex))
    cells.store(UInt64(max(1, now.rawValue)), at: evidence.index(.readmittedAt, endpointIndex))
    cells.add(1, at: evidence.index(.readmissions, endpointIndex))
    noteChange()
  }

  /// Counts an ejection that has been published.
  mutating func countEjection(_ endpointIndex: Int) {
    cells.add(1, at: evidence.index(.ejections, endpointIndex))
    noteChange()
  }

  /// Tells readers that a cell of an ejection has changed; after the change.
  private mutating func noteChange() { cells.add(1, at: evidence.ejectionRevisionIndex) }

  private mutating func withdraw(_ endpointIndex: Int) {
    cells.store(0, at: evidence.index(.ejectedSince, endpointIndex))
    cells.store(0, at: evidence.index(.ejectedUntil, endpointIndex))
    cells.store(0, at: evidence.index(.trialFrom, endpointIndex))
    noteChange()
  }

  /// Takes the notices of scrapes, checks and the watchdog for the pool's endpoints, and publishes
  /// the effects. Call once a turn, before the first pick.
  package mutating func takeNotices(
    _ picker: inout Picker, now: Nanoseconds, _ random: inout RandomSource
  ) {
    let hadHalfOpen = picker.hasHalfOpen
    guard picker.takeNotices(pickBoard, now: now, &random), hadHalfOpen || picker.hasHalfOpen else {
      return
    }
    for position in picker.candidates.indices where picker.candidates[position].health.isHalfOpen {
      let endpointIndex = picker.candidates[position].endpointIndex
      let isNew = cells[evidence.index(.ejectedSince, endpointIndex)] == 0
      publish(endpointIndex, picker.candidates[position].health)
      if isNew, picker.candidates[position].health.reason == .scrapes {
        countEjection(endpointIndex)
      }
    }
  }

  /// Notes that a test connection to an endpoint without recent evidence succeeded.
  mutating func forget(_ picker: inout Picker, _ position: Int, now: Nanoseconds) {
    let endpointIndex = picker.candidates[position].endpointIndex
    guard let cause = picker.forget(position, load: busy(endpointIndex), now: now) else { return }
    publishReadmission(endpointIndex, cause, now: now)
  }

  /// Notes that the test connection failed.
  mutating func noteUnconnected(_ picker: inout Picker, _ position: Int, now: Nanoseconds) {
    picker.connectionFailed(position, now: now)
    publish(picker.candidates[position].endpointIndex, picker.candidates[position].health)
  }

  /// The number of requests that the endpoint is answering, as of the last `refresh`.
  func busy(_ endpointIndex: Int) -> Int32 { load[endpointIndex] - tunnels[endpointIndex] }

  /// Adopts readmissions by other workers; `readmissions` is their number up to now.
  mutating func adopt(
    _ picker: inout Picker, _ position: Int, readmissions: UInt64, now: Nanoseconds
  ) {
    if picker.adopt(position, readmissions: readmissions, now: now) {
      withdraw(picker.candidates[position].endpointIndex)
    }
  }

  /// Adopts an ejection by another worker.
  mutating func adoptEjection(_ picker: inout Picker, _ position: Int, now: Nanoseconds) {
    let endpointIndex = picker.candidates[position].endpointIndex
    guard let ejection = evidence.ejection(endpointIndex, except: workerIndex) else { return }
    let candidate = picker.candidates[position]
    let isLonger =
      ejection.cooldownUntil > now && ejection.cooldownUntil > candidate.adoptedUntil
    if isLonger || !candidate.health.isHalfOpen && ejection.since > candidate.adoptedSince {
      picker.adopt(position, ejection)
      hasEjections = hasEjections || picker.hasHalfOpen
    } else if ejection.trialFrom > now {
      picker.postponeTrial(position, until: ejection.trialFrom)
    }
    picker.noteOthersNotice(position, at: ejection.lastEvidenceAt)
  }
}
