// A lease is the right to be counted as in flight at one endpoint. It is taken with the pick and
// ended with the exchange, exactly once: the compiler sees to it that it is not copied.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import Primitives

/// One exchange's place in an endpoint's in-flight count.
struct InFlightLease: ~Copyable {
  let slot: Int

  fileprivate init(slot: Int) { self.slot = slot }

  fileprivate consuming func end() -> Int {
    let slot = slot
    discard self
    return slot
  }

  deinit { assertionFailure("an in-flight lease was dropped, not ended") }
}

/// How an attempt at an endpoint came out, as the endpoint's own success or failure.
enum AttemptOutcome: Sendable, Equatable {
  /// A complete answer below 500.
  case completed(Nanoseconds)
  /// Refused, cut, timed out, malformed or 5xx.
  case failed
  /// The client went away, or the endpoint was never reached: says nothing of the endpoint.
  case abandoned
}

/// A worker's in-flight counts and its cells on the evidence board.
struct LeaseBook: ~Copyable {
  private let evidence: EvidenceBoard
  private let cells: CellBlock
  private let workerIndex: Int
  private let own: UnsafeMutablePointer<Int32>
  /// In flight at each slot: our own, live, and what the other workers had at the last `refresh`.
  let load: UnsafeMutablePointer<Int32>
  private(set) var count = 0

  init(evidence: EvidenceBoard, workerIndex: Int) {
    self.evidence = evidence
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

  mutating func take(_ slot: Int) -> InFlightLease {
    own[slot] += 1
    load[slot] += 1
    count += 1
    cells.add(1, at: evidence.index(.inFlight, slot))
    cells.add(1, at: evidence.index(.started, slot))
    return InFlightLease(slot: slot)
  }

  mutating func end(_ lease: consuming InFlightLease, _ outcome: AttemptOutcome) {
    let slot = lease.end()
    own[slot] -= 1
    load[slot] -= 1
    count -= 1
    cells.subtract(1, at: evidence.index(.inFlight, slot))
    switch outcome {
    case .completed(let duration):
      cells.add(1, at: evidence.index(.completed, slot))
      cells.add(UInt64(max(0, duration.rawValue)), at: evidence.index(.completedNanoseconds, slot))
    case .failed: cells.add(1, at: evidence.index(.failed, slot))
    case .abandoned: break
    }
  }

  /// Takes the other workers' counts of the slots given. Once a turn, before the first pick.
  mutating func refresh(_ slots: [Int]) {
    guard evidence.workerCount > 1 else { return }
    for slot in slots {
      var others: UInt64 = 0
      for worker in 0..<evidence.workerCount where worker != workerIndex {
        others &+= evidence.block(ofWorker: worker)[evidence.index(.inFlight, slot)]
      }
      load[slot] = own[slot] + Int32(truncatingIfNeeded: others)
    }
  }

  /// Publishes until when this worker leaves the endpoint alone.
  mutating func publishEjection(_ slot: Int, until: Nanoseconds) {
    cells.store(UInt64(max(0, until.rawValue)), at: evidence.index(.ejectedUntil, slot))
  }
}
