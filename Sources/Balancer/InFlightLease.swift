// A lease is the right to be counted as in flight at one endpoint. It is taken with the pick and
// ended with the exchange, exactly once: the compiler sees to it that it is not copied.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// One exchange's place in an endpoint's in-flight count.
package struct InFlightLease: ~Copyable {
  package let slot: Int
  package let startedAt: Nanoseconds

  fileprivate init(slot: Int, startedAt: Nanoseconds) {
    self.slot = slot
    self.startedAt = startedAt
  }

  fileprivate consuming func end() { discard self }

  deinit { assertionFailure("an in-flight lease was dropped, not ended") }
}

/// How an attempt at an endpoint came out, as the endpoint's own success or failure.
package enum AttemptOutcome: Sendable, Equatable {
  /// A complete answer below 500, but for 429.
  case completed
  /// 429 (RFC 6585 §4): the endpoint has more than it wants. No failure of its, but no work done
  /// either; quick refusals must not look like speed.
  case overloaded
  case failed(AttemptFailure)
  /// The client went away, or the endpoint was never reached: says nothing of the endpoint.
  case abandoned
  /// The client went away before any byte of an answer, far later than answers usually come: its
  /// time-out is as good as ours.
  case givenUp
}

extension AttemptOutcome {
  /// Of a complete answer.
  init(status: Int) {
    switch status {
    case 429: self = .overloaded
    case 500...: self = .failed(.status)
    default: self = .completed
    }
  }
}

extension LocalReason {
  /// What it says of the endpoint that steelyard answered for.
  var outcome: AttemptOutcome {
    switch self {
    case .connectFailed: .failed(.unreachable)
    case .connectTimeout, .firstByteTimeout, .sendTimeout, .exchangeTimeout: .failed(.timeout)
    case .badResponse: .failed(.status)
    default: .abandoned
    }
  }
}

/// A worker's in-flight counts and its cells on the evidence board.
package struct LeaseBook: ~Copyable {
  private let evidence: EvidenceBoard
  private let hints: HintBoard
  private let cells: CellBlock
  private let workerIndex: Int
  private let own: UnsafeMutablePointer<Int32>
  /// In flight at each slot: our own, live, and what the other workers had at the last `refresh`.
  package let load: UnsafeMutablePointer<Int32>
  package private(set) var count = 0

  package init(evidence: EvidenceBoard, hints: HintBoard, workerIndex: Int) {
    self.evidence = evidence
    self.hints = hints
    self.workerIndex = workerIndex
    cells = evidence.block(ofWorker: workerIndex)
    own = .allocate(capacity: evidence.slotCount)
    own.initialize(repeating: 0, count: evidence.slotCount)
    load = .allocate(capacity: evidence.slotCount)
    load.initialize(repeating: 0, count: evidence.slotCount)
  }

  deinit {
    own.deallocate()
    load.deallocate()
  }

  package mutating func take(_ slot: Int, now: Nanoseconds) -> InFlightLease {
    own[slot] += 1
    load[slot] += 1
    count += 1
    cells.add(1, at: evidence.index(.inFlight, slot))
    cells.add(1, at: evidence.index(.started, slot))
    cells.add(UInt64(bitPattern: now.rawValue), at: evidence.index(.outstandingStarts, slot))
    return InFlightLease(slot: slot, startedAt: now)
  }

  /// Ends an attempt at the endpoint at `position` of the picker: counts it, and tells passive
  /// health how it came out.
  package mutating func end(
    _ lease: consuming InFlightLease, _ outcome: AttemptOutcome, _ picker: inout Picker,
    _ position: Int, now: Nanoseconds
  ) {
    let slot = lease.slot
    end(lease, outcome, now: now)
    switch outcome {
    case .abandoned: break
    case .completed, .overloaded:
      if picker.succeeded(position, now: now) { publishReadmission(slot) }
    case .failed(let failure): noteFailure(failure, &picker, position, slot, now)
    case .givenUp: noteFailure(.timeout, &picker, position, slot, now)
    }
  }

  private mutating func noteFailure(
    _ failure: AttemptFailure, _ picker: inout Picker, _ position: Int, _ slot: Int,
    _ now: Nanoseconds
  ) {
    let until = picker.failed(position, failure, hints: hints, now: now)
    if let until { publishEjection(slot, until: until) }
  }

  /// The same where the pool is gone: there is nobody to tell.
  package mutating func end(
    _ lease: consuming InFlightLease, _ outcome: AttemptOutcome, now: Nanoseconds
  ) {
    let slot = lease.slot
    let started = UInt64(bitPattern: lease.startedAt.rawValue)
    let duration = UInt64(max(0, (now - lease.startedAt).rawValue))
    lease.end()
    own[slot] -= 1
    load[slot] -= 1
    count -= 1
    cells.subtract(1, at: evidence.index(.inFlight, slot))
    cells.add(0 &- started, at: evidence.index(.outstandingStarts, slot))
    switch outcome {
    case .completed:
      cells.add(1, at: evidence.index(.completed, slot))
      cells.add(duration, at: evidence.index(.completedNanoseconds, slot))
      if hints.hasForeignLoad {
        let foreign = hints.foreignLoad(slot, now: now)
        cells.add(UInt64(min(foreign, 1e6) * 1e6), at: evidence.index(.foreignMicros, slot))
      }
    case .failed(let failure):
      cells.add(1, at: evidence.index(.failed, slot))
      if failure == .timeout {
        cells.add(duration, at: evidence.index(.timedOutNanoseconds, slot))
      }
    case .overloaded:
      // Counts as three mean response times spent for nothing.
      let penalty = UInt64(min(hints.fleetResponse(slot), 1e6) * 3e9)
      cells.add(max(duration, penalty), at: evidence.index(.timedOutNanoseconds, slot))
    case .givenUp: cells.add(duration, at: evidence.index(.timedOutNanoseconds, slot))
    case .abandoned: break
    }
  }

  /// Content of a response came from the endpoint.
  package mutating func notePiece(_ slot: Int) {
    cells.add(1, at: evidence.index(.pieces, slot))
  }

  /// Takes the other workers' counts of the pool's endpoints, and their ejections. Once a turn,
  /// before the first pick.
  package mutating func refresh(_ picker: inout Picker, now: Nanoseconds) {
    guard evidence.workerCount > 1 else { return }
    let nowBits = UInt64(max(0, now.rawValue))
    for position in picker.candidates.indices {
      let slot = picker.candidates[position].slot
      var others: UInt64 = 0
      var ejectedUntil: UInt64 = 0
      for worker in 0..<evidence.workerCount where worker != workerIndex {
        let block = evidence.block(ofWorker: worker)
        others &+= block[evidence.index(.inFlight, slot)]
        ejectedUntil = max(ejectedUntil, block[evidence.index(.ejectedUntil, slot)])
      }
      load[slot] = own[slot] + Int32(truncatingIfNeeded: others)
      let until = Nanoseconds(Int64(truncatingIfNeeded: ejectedUntil))
      if ejectedUntil > nowBits, until > picker.candidates[position].adoptedUntil {
        picker.adopt(position, ejectedUntil: until)
      }
    }
  }

  /// Publishes until when this worker leaves the endpoint alone.
  package mutating func publishEjection(_ slot: Int, until: Nanoseconds) {
    cells.store(UInt64(max(0, until.rawValue)), at: evidence.index(.ejectedUntil, slot))
  }

  /// Publishes that the endpoint came back from an ejection.
  package mutating func publishReadmission(_ slot: Int) {
    cells.store(0, at: evidence.index(.ejectedUntil, slot))
    cells.add(1, at: evidence.index(.readmissions, slot))
  }
}
