// Counts attempts in flight by leases. Invariant: a lease is taken with the pick and ended with the
// attempt, exactly once; the compiler ensures that it is not copied.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// One attempt in the in-flight count of an endpoint.
package struct InFlightLease: ~Copyable {
  /// The index of the attempt's endpoint.
  package let endpointIndex: Int
  /// The start of the attempt, later by every time that does not count as the endpoint's.
  package fileprivate(set) var startedAt: Nanoseconds
  /// The length of the request's content; without a declared length, the bytes received so far.
  package fileprivate(set) var contentBytes: UInt32
  /// Content of the answer was received.
  fileprivate var isAnswered = false
  /// The attempt became a tunnel.
  fileprivate var isTunnel = false
  /// The entry in the list of the endpoint's leases; none while held, and none for a tunnel.
  fileprivate var entry: Int32
  /// The time since when the endpoint has been waiting for the client; zero: it is not waiting.
  fileprivate var heldAt = Nanoseconds.zero
  /// The number of requests in flight at the endpoint when the lease was taken, including this one
  /// and those of other balancers.
  fileprivate let occupancy: UInt16

  fileprivate init(
    endpointIndex: Int, startedAt: Nanoseconds, contentBytes: UInt32, entry: Int32,
    occupancy: UInt16
  ) {
    self.endpointIndex = endpointIndex
    self.startedAt = startedAt
    self.contentBytes = contentBytes
    self.entry = entry
    self.occupancy = occupancy
  }

  fileprivate consuming func end() { discard self }

  deinit { assertionFailure("an in-flight lease was dropped, not ended") }
}

/// The in-flight counts of a worker, and its cells on the evidence board.
package struct LeaseBook: ~Copyable {
  let evidence: EvidenceBoard
  let pickBoard: PickBoard
  let cells: CellBlock
  let workerIndex: Int
  private let occupancies: CellBlock
  private let own: UnsafeMutablePointer<Int32>
  private let ownTunnels: UnsafeMutablePointer<Int32>
  /// Requests in flight by endpoint index: this worker's own, always current, and those of the
  /// other workers as of the last `refresh`.
  package let load: UnsafeMutablePointer<Int32>
  /// The tunnels in `load`. They are no evidence of how busy an endpoint is.
  package let tunnels: UnsafeMutablePointer<Int32>
  /// The number of this worker's leases, over all endpoints.
  package private(set) var count = 0
  private var outstanding: OutstandingList
  /// Whether endpoints are or may be ejected, so that the worker has to check them now and then.
  /// The worker resets this when none is.
  package var hasEjections = false

  /// `capacity`: the largest number of leases at a time.
  package init(
    evidence: EvidenceBoard, pickBoard: PickBoard, workerIndex: Int, capacity: Int = 1 << 20
  ) {
    outstanding = OutstandingList(endpointLimit: evidence.endpointLimit, capacity: capacity)
    self.evidence = evidence
    self.pickBoard = pickBoard
    self.workerIndex = workerIndex
    cells = evidence.block(ofWorker: workerIndex)
    occupancies = evidence.occupancyBlock(ofWorker: workerIndex)
    own = .allocate(capacity: evidence.endpointLimit)
    own.initialize(repeating: 0, count: evidence.endpointLimit)
    load = .allocate(capacity: evidence.endpointLimit)
    load.initialize(repeating: 0, count: evidence.endpointLimit)
    ownTunnels = .allocate(capacity: evidence.endpointLimit)
    ownTunnels.initialize(repeating: 0, count: evidence.endpointLimit)
    tunnels = .allocate(capacity: evidence.endpointLimit)
    tunnels.initialize(repeating: 0, count: evidence.endpointLimit)
  }

  deinit {
    own.deallocate()
    load.deallocate()
    ownTunnels.deallocate()
    tunnels.deallocate()
  }

  /// Takes a lease for an attempt that begins now. `contentBytes` is the length of the request's
  /// content, or the bytes received so far.
  package mutating func take(
    _ endpointIndex: Int, now: Nanoseconds, contentBytes: Int = 0
  ) -> InFlightLease {
    let contentBytes = UInt32(clamping: contentBytes)
    own[endpointIndex] += 1
    load[endpointIndex] += 1
    count += 1
    cells.add(1, at: evidence.index(.inFlight, endpointIndex))
    cells.add(1, at: evidence.index(.started, endpointIndex))
    cells.add(
      UInt64(bitPattern: now.rawValue), at: evidence.index(.outstandingStarts, endpointIndex))
    let entry = outstanding.append(endpointIndex, startedAt: now)
    if outstanding.isOldest(entry, endpointIndex) { publishOldest(endpointIndex) }
    if contentBytes > 0 {
      cells.add(UInt64(contentBytes), at: evidence.index(.startedBytes, endpointIndex))
      cells.add(UInt64(contentBytes), at: evidence.index(.outstandingBytes, endpointIndex))
    }
    return InFlightLease(
      endpointIndex: endpointIndex, startedAt: now, contentBytes: contentBytes, entry: entry,
      occupancy: occupancy(endpointIndex, now: now))
  }

  /// Notes that more content of the request was received than the lease has counted.
  package mutating func grow(_ lease: inout InFlightLease, to contentBytes: Int) {
    let contentBytes = UInt32(clamping: contentBytes)
    guard contentBytes > lease.contentBytes else { return }
    let more = UInt64(contentBytes - lease.contentBytes)
    lease.contentBytes = contentBytes
    cells.add(more, at: evidence.index(.startedBytes, lease.endpointIndex))
    if !lease.isAnswered {
      cells.add(more, at: evidence.index(.outstandingBytes, lease.endpointIndex))
    }
  }

  /// Notes that the request is no longer outstanding: content of the answer was received, or the
  /// attempt became a tunnel. `isWork`: the answer is no error. May be called more than once.
  package mutating func noteAnswer(_ lease: inout InFlightLease, isWork: Bool) {
    if lease.isAnswered { return }
    lease.isAnswered = true
    let count = UInt64(lease.contentBytes)
    cells.subtract(count, at: evidence.index(.outstandingBytes, lease.endpointIndex))
    if isWork { cells.add(count, at: evidence.index(.answeredBytes, lease.endpointIndex)) }
  }

  /// The number of requests in flight at the endpoint now, by all balancers.
  @inline(__always)
  private func occupancy(_ endpointIndex: Int, now: Nanoseconds) -> UInt16 {
    var count = load[endpointIndex] - tunnels[endpointIndex]
    if pickBoard.hasOthersLoad {
      count += Int32(min(pickBoard.othersLoad(endpointIndex, now: now), 1e6).rounded())
    }
    return UInt16(truncatingIfNeeded: min(max(count, 1), Int32(UInt16.max)))
  }

  @inline(__always)
  private mutating func remove(_ entry: Int32, _ endpointIndex: Int) {
    let before = outstanding.oldest(endpointIndex)
    outstanding.remove(entry, endpointIndex)
    if outstanding.oldest(endpointIndex) != before { publishOldest(endpointIndex) }
  }

  @inline(__always)
  private mutating func publishOldest(_ endpointIndex: Int) {
    let start = outstanding.oldest(endpointIndex)?.rawValue ?? 0
    cells.store(UInt64(max(0, start)), at: evidence.index(.oldestStart, endpointIndex))
  }

  /// Accounts for a time in which the process was stopped.
  package mutating func postpone(_ lease: inout InFlightLease, by pause: Nanoseconds) {
    // No time counts while the lease is held.
    if lease.heldAt != .zero { return }
    lease.startedAt = lease.startedAt + pause
    if lease.isTunnel { return }
    cells.add(
      UInt64(bitPattern: pause.rawValue),
      at: evidence.index(.outstandingStarts, lease.endpointIndex))
  }

  /// Stops the endpoint's time, because the client does not read the answer and nothing is read
  /// from the endpoint. The time until `resume` does not count as the endpoint's; the attempt stays
  /// in flight. No effect on a tunnel or on a lease that is already held.
  package mutating func hold(_ lease: inout InFlightLease, now: Nanoseconds) {
    if lease.isTunnel || lease.heldAt != .zero { return }
    lease.heldAt = now
    cells.add(1, at: evidence.index(.held, lease.endpointIndex))
    let started = UInt64(bitPattern: lease.startedAt.rawValue)
    cells.add(0 &- started, at: evidence.index(.outstandingStarts, lease.endpointIndex))
    remove(lease.entry, lease.endpointIndex)
  }

  /// Continues the endpoint's time, because it is read from again. No effect on a lease that is not
  /// held.
  package mutating func resume(_ lease: inout InFlightLease, now: Nanoseconds) {
    if lease.heldAt == .zero { return }
    lease.startedAt = lease.startedAt + (now - lease.heldAt)
    lease.heldAt = .zero
    cells.subtract(1, at: evidence.index(.held, lease.endpointIndex))
    let started = UInt64(bitPattern: lease.startedAt.rawValue)
    cells.add(started, at: evidence.index(.outstandingStarts, lease.endpointIndex))
    lease.entry = outstanding.appendLate(lease.endpointIndex, startedAt: lease.startedAt)
    if outstanding.isOldest(lease.entry, lease.endpointIndex) { publishOldest(lease.endpointIndex) }
  }

  /// Turns an attempt that was answered with 101 into a tunnel. It stays in flight, but neither its
  /// age nor its end is evidence of the endpoint's speed. Requires: called once per lease.
  package mutating func becomeTunnel(_ lease: inout InFlightLease) {
    noteAnswer(&lease, isWork: false)
    let heldAt = lease.heldAt
    resume(&lease, now: heldAt)
    lease.isTunnel = true
    ownTunnels[lease.endpointIndex] += 1
    tunnels[lease.endpointIndex] += 1
    cells.add(1, at: evidence.index(.tunnels, lease.endpointIndex))
    let started = UInt64(bitPattern: lease.startedAt.rawValue)
    cells.add(0 &- started, at: evidence.index(.outstandingStarts, lease.endpointIndex))
    remove(lease.entry, lease.endpointIndex)
  }

  /// Tells passive health that an attempt goes well before it has ended.
  package mutating func noteSuccess(
    _ endpointIndex: Int, _ picker: inout Picker, _ position: Int, now: Nanoseconds
  ) {
    let wasHalfOpen = picker.candidates[position].health.isHalfOpen
    if picker.succeeded(position, now: now) {
      publishReadmission(endpointIndex, .answers, now: now)
    } else if wasHalfOpen {
      publish(endpointIndex, picker.candidates[position].health)
    }
  }

  /// Ends an attempt at the endpoint at `position` of the picker: counts it, and passes its outcome
  /// to passive health.
  package mutating func end(
    _ lease: consuming InFlightLease, _ outcome: AttemptOutcome, _ picker: inout Picker,
    _ position: Int, now: Nanoseconds
  ) {
    let endpointIndex = lease.endpointIndex
    if lease.heldAt != .zero { resume(&lease, now: now) }
    let took = now - lease.startedAt
    let stretch =
      outcome == .completed ? picker.shape(position).stretch(Double(lease.occupancy)) : 0
    end(lease, outcome, stretch: stretch, now: now)
    let wasHalfOpen = picker.candidates[position].health.isHalfOpen
    switch outcome {
    case .abandoned: return
    case .completed:
      if picker.succeeded(position, now: now, sentAt: now - took) {
        publishReadmission(endpointIndex, .answers, now: now)
      }
      picker.answered(position, in: took, pickBoard: pickBoard, now: now)
    case .overloaded(let retryAfter):
      picker.refused(
        position, .overloaded, load: load[endpointIndex], retryAfter: retryAfter,
        pickBoard: pickBoard,
        now: now)
    case .rejected:
      if picker.blamesClientError(position) {
        picker.refused(
          position, .clientErrors, load: load[endpointIndex], pickBoard: pickBoard, now: now)
      } else if picker.succeeded(position, now: now, isClientError: true) {
        publishReadmission(endpointIndex, .answers, now: now)
      }
    case .failed(let failure):
      picker.failed(position, failure, took: took, pickBoard: pickBoard, now: now)
    case .givenUp:
      picker.failed(position, .timeout, took: took, pickBoard: pickBoard, now: now)
    }
    let isHalfOpen = picker.candidates[position].health.isHalfOpen
    guard isHalfOpen else { return }
    publish(endpointIndex, picker.candidates[position].health)
    // A cooldown after a failed trial belongs to the same ejection.
    if !wasHalfOpen { countEjection(endpointIndex) }
  }

  /// Ends an attempt whose pool was removed. Passive health gets no outcome.
  package mutating func end(
    _ lease: consuming InFlightLease, _ outcome: AttemptOutcome, now: Nanoseconds
  ) {
    end(lease, outcome, stretch: 0, now: now)
  }

  /// Ends the lease and counts it. `stretch` is the expected slowdown of the attempt.
  private mutating func end(
    _ lease: consuming InFlightLease, _ outcome: AttemptOutcome, stretch: Double, now: Nanoseconds
  ) {
    let endpointIndex = lease.endpointIndex
    if lease.heldAt != .zero { resume(&lease, now: now) }
    let started = UInt64(bitPattern: lease.startedAt.rawValue)
    let duration = UInt64(max(0, (now - lease.startedAt).rawValue))
    let wasTunnel = lease.isTunnel
    let unanswered = lease.isAnswered ? 0 : UInt64(lease.contentBytes)
    let entry = lease.entry
    let occupancy = Int(lease.occupancy)
    let contentBytes = lease.contentBytes
    lease.end()
    own[endpointIndex] -= 1
    load[endpointIndex] -= 1
    count -= 1
    cells.subtract(1, at: evidence.index(.inFlight, endpointIndex))
    if unanswered > 0 {
      cells.subtract(unanswered, at: evidence.index(.outstandingBytes, endpointIndex))
    }
    if wasTunnel {
      ownTunnels[endpointIndex] -= 1
      tunnels[endpointIndex] -= 1
      cells.subtract(1, at: evidence.index(.tunnels, endpointIndex))
    } else {
      cells.add(0 &- started, at: evidence.index(.outstandingStarts, endpointIndex))
      remove(entry, endpointIndex)
      cells.add(duration, at: evidence.index(.busyNanoseconds, endpointIndex))
    }
    switch outcome {
    case .completed:
      cells.add(1, at: evidence.index(.completed, endpointIndex))
      cells.add(duration, at: evidence.index(.completedNanoseconds, endpointIndex))
      cells.add(UInt64(stretch * 1e6), at: evidence.index(.workMicros, endpointIndex))
      let micros = duration / 1_000
      cells.add(micros &* micros, at: evidence.index(.completedSquares, endpointIndex))
      let bucket = OccupancyBucket.index(endpointIndex, OccupancyBucket.of(occupancy))
      occupancies.add(1, at: bucket)
      occupancies.add(micros, at: bucket + 1)
      if contentBytes > 0 { noteSize(contentBytes, micros, endpointIndex) }
    case .failed(let failure):
      cells.add(1, at: evidence.index(.failed, endpointIndex))
      if failure == .timeout {
        cells.add(duration, at: evidence.index(.timedOutNanoseconds, endpointIndex))
      }
    case .overloaded, .rejected: cells.add(1, at: evidence.index(.refused, endpointIndex))
    case .givenUp: cells.add(duration, at: evidence.index(.timedOutNanoseconds, endpointIndex))
    case .abandoned: break
    }
  }

  /// Adds the duration of a request with this much content.
  private mutating func noteSize(_ contentBytes: UInt32, _ micros: UInt64, _ endpointIndex: Int) {
    let size = EvidenceBoard.sizeUnits(contentBytes)
    cells.add(1, at: evidence.index(.sizedCount, endpointIndex))
    cells.add(size, at: evidence.index(.sizes, endpointIndex))
    cells.add(size * size, at: evidence.index(.sizeSquares, endpointIndex))
    cells.add(micros, at: evidence.index(.sizedMicros, endpointIndex))
    cells.add(size &* micros, at: evidence.index(.sizeMicros, endpointIndex))
  }

  /// Counts content of a response that was received. `isStream`: its length is unknown.
  package mutating func notePiece(_ endpointIndex: Int, isStream: Bool = false) {
    cells.add(1, at: evidence.index(.pieces, endpointIndex))
    if isStream { cells.add(1, at: evidence.index(.streamPieces, endpointIndex)) }
  }

  /// Reads the other workers' counts and ejections for the pool's endpoints, and returns their
  /// requests in flight there. Call once a turn, before the first pick.
  @discardableResult
  package mutating func refresh(_ picker: inout Picker, now: Nanoseconds) -> Int {
    guard evidence.workerCount > 1 else { return 0 }
    var sum = 0
    for position in picker.candidates.indices {
      let endpointIndex = picker.candidates[position].endpointIndex
      var others: UInt64 = 0
      var othersTunnels: UInt64 = 0
      var readmissions: UInt64 = 0
      var isEjected = false
      for worker in 0..<evidence.workerCount where worker != workerIndex {
        let block = evidence.block(ofWorker: worker)
        others &+= block[evidence.index(.inFlight, endpointIndex)]
        othersTunnels &+= block[evidence.index(.tunnels, endpointIndex)]
        readmissions &+= block[evidence.index(.readmissions, endpointIndex)]
        if block[evidence.index(.ejectedSince, endpointIndex)] != 0 { isEjected = true }
      }
      load[endpointIndex] = own[endpointIndex] + Int32(truncatingIfNeeded: others)
      sum += Int(truncatingIfNeeded: others)
      tunnels[endpointIndex] = ownTunnels[endpointIndex] + Int32(truncatingIfNeeded: othersTunnels)
      adopt(&picker, position, readmissions: readmissions, now: now)
      if isEjected { adoptEjection(&picker, position, now: now) }
    }
    return sum
  }

  /// Counts a retry at another endpoint after a failed attempt at this one.
  package mutating func countRetry(_ endpointIndex: Int, isCharged: Bool) {
    cells.add(1, at: evidence.index(.retries, endpointIndex))
    if isCharged { cells.add(1, at: evidence.index(.chargedRetries, endpointIndex)) }
  }

  /// Counts a retry in flight at the endpoint, at its beginning or its end.
  package mutating func countRepeat(_ endpointIndex: Int, isBeginning: Bool) {
    let index = evidence.index(.retriesInFlight, endpointIndex)
    if isBeginning { cells.add(1, at: index) } else { cells.subtract(1, at: index) }
  }

  /// The sum of the column over these endpoints and all workers.
  package func sum(_ column: EvidenceBoard.Column, _ endpointIndexes: [Int]) -> UInt64 {
    var sum: UInt64 = 0
    for endpointIndex in endpointIndexes { sum &+= evidence.sum(column, endpointIndex) }
    return sum
  }

  /// The number of requests in flight at these endpoints, according to `load`.
  package func inFlight(_ endpointIndexes: [Int]) -> Int {
    var sum = 0
    for endpointIndex in endpointIndexes { sum += Int(load[endpointIndex]) }
    return sum
  }
}
