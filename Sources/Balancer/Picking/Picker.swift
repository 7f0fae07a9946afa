// Picks an endpoint of one pool: the endpoint with the client's session, otherwise one by the
// pool's policy (Picker+Policies.swift, Picker+Hash.swift) among the primaries, otherwise among the
// backups.
// Invariant: without a session only an eligible endpoint with a weight above 0 is picked; ejections
// alone never leave a pool without an endpoint; a half-open endpoint gets one request at a time.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// One pool as one worker sees it. A pure value: time and chance are arguments.
package struct Picker: Sendable {
  /// An endpoint of the pool, as the picker sees it.
  package struct Candidate: Sendable {
    /// The endpoint's index.
    package let endpointIndex: Int
    /// The effective weight, finite and ≥ 0.
    package var weight = 0.0
    /// Whether health and drain allow new exchanges.
    package var isEligible = false
    /// Whether health and drain allow exchanges of clients whose session is here, whatever the
    /// weight.
    package internal(set) var takesSessions = false
    /// A backup is used only while no primary may be.
    package let isBackup: Bool
    /// The ranking inputs of hashes: the operator's weight, and a number derived from the address.
    let baseWeight: Double
    let hashID: UInt64
    /// Whether the endpoint has a free slot, or slots are not counted.
    package internal(set) var hasRoom = true
    /// The passive health of the endpoint in this worker's view.
    package internal(set) var health = PassiveHealth()
    /// The number of readmissions by other workers that was last adopted.
    var adoptedReadmissions: UInt64?
    /// The end of the last cooldown adopted from another worker. Each cooldown is adopted once,
    /// because a scrape may have ended it here since.
    var adoptedUntil = Nanoseconds.zero
    /// The time when that ejection began.
    var adoptedSince = Nanoseconds.zero
    var current = 0.0
    /// The index of the endpoint's shape in `shapes`.
    var shape = 0
    /// The last trial that was taken or is over, and the last trial requested.
    var trial: UInt64 = 0
    var newestTrial: UInt64 = 0

    init(_ endpoint: Endpoint) {
      endpointIndex = endpoint.endpointIndex
      isBackup = endpoint.isBackup
      baseWeight = endpoint.baseWeight
      hashID = KeyHash.hash("\(endpoint.address)")
    }
  }

  /// An endpoint in 16 bytes, because large pools are scanned for every request.
  struct Rank: Sendable {
    var endpointIndex: Int32
    /// The start of the costs of its shape in `costs`.
    var table: Int32
    /// 1 ÷ weight; infinite: the endpoint is not picked.
    var inverse: Double
  }

  /// The most endpoints that `leastRequest` compares. In a larger pool it draws some by weight.
  package static let fullScanMax = 256

  let policy: BalancePolicy
  let loadFactor: Double
  let ejection: EjectionPolicy
  let slowStart: Nanoseconds
  private let shedRatio: Double?
  private(set) var hasBackups: Bool
  let hasCanary: Bool
  /// The endpoints of the pool, by position.
  package internal(set) var candidates: [Candidate]
  /// The number of half-open candidates; usually 0, which saves a scan.
  var halfOpenCount = 0
  /// The data of a quick scan, by position.
  var ranks: [Rank] = []
  /// The time from which a quick scan is enough: no endpoint is ejected or full, and every slow
  /// start is over.
  var quickScanFrom = Nanoseconds.distantFuture
  /// The time from which no endpoint is passed over for a refused request.
  var fullUntil = Nanoseconds.zero
  /// Whether a key or a session binds clients to endpoints.
  let bindsClients: Bool
  /// Running sums of the weights, for drawing; empty for up to `fullScanMax` endpoints.
  private(set) var cumulative: [Double] = []
  /// The different service shapes. The last ones may no longer be in use.
  var shapes = [ServiceShape.plain]
  /// The cost of the next request with 0, 1, … in flight: `tableCount` numbers for each shape.
  var costs: [Double] = []
  var shapeRevision: UInt64 = 0
  /// The weight of a request's content length, and the mean length in `EvidenceBoard.sizeUnits`.
  var sizeSlope = 0.0
  var sizeMean = 0.0
  var trialRevision: UInt64 = 0
  /// The number of endpoints that get the next request if they have none; rarely above 0.
  var trialCount = 0
  var noticeRevision: UInt64 = 0
  /// The number of notices taken, by position and kind.
  var noticesTaken: [UInt64]

  /// Makes a picker without weights: no endpoint is picked before `set`. Allocates.
  package init(pool: Pool) {
    policy = pool.balance
    loadFactor = pool.hash.loadFactor
    ejection = pool.ejection
    slowStart = pool.slowStart
    shedRatio = pool.shedRatio
    bindsClients = [.hash, .ipHash].contains(pool.balance) || pool.affinity != nil
    hasBackups = pool.endpoints.contains(where: \.isBackup)
    hasCanary = pool.canary != nil
    candidates = pool.endpoints.map { Candidate($0) }
    ranks = [Rank](
      repeating: Rank(endpointIndex: 0, table: 0, inverse: .infinity), count: candidates.count)
    costs = Self.table(.plain)
    noticesTaken = [UInt64](
      repeating: 0, count: pool.endpoints.count * PickBoard.Notice.allCases.count)
    for position in candidates.indices { candidates[position].health.hasCanary = hasCanary }
  }

  /// Updates whether there are backups, after a change of candidates.
  mutating func noteBackups() { hasBackups = candidates.contains(where: \.isBackup) }

  /// Whether any endpoint is half-open.
  package var hasHalfOpen: Bool { halfOpenCount > 0 }

  // MARK: Tables and notices

  /// Sets a new weight and eligibility. Passive health and the round-robin state are kept.
  /// `takesSessions` nil: the value of `isEligible`. Call `finishTable` after the last call.
  package mutating func set(
    _ position: Int, weight: Double, isEligible: Bool, takesSessions: Bool? = nil,
    now: Nanoseconds, isFirst: Bool = false
  ) {
    assert(weight.isFinite && weight >= 0)
    if isEligible, !candidates[position].isEligible, !isFirst {
      candidates[position].health.beginSlowStart(now: now)
    }
    quickScanFrom = .distantFuture
    candidates[position].weight = weight
    candidates[position].isEligible = isEligible
    candidates[position].takesSessions = takesSessions ?? isEligible
  }

  /// Updates the ranks and running sums. Allocates once, in pools of more than `fullScanMax`
  /// endpoints.
  package mutating func finishTable() {
    rerank()
    guard candidates.count > Self.fullScanMax else { return }
    if cumulative.count != candidates.count {
      cumulative = [Double](repeating: 0, count: candidates.count)
    }
    var sum = 0.0
    for position in candidates.indices {
      let candidate = candidates[position]
      if candidate.isEligible, !candidate.isBackup, !candidate.health.isHalfOpen {
        sum += candidate.weight
      }
      cumulative[position] = sum
    }
  }

  /// Skips the notices given so far.
  package mutating func skipNotices(_ pickBoard: PickBoard) {
    for position in candidates.indices { skipNotices(position, pickBoard) }
  }

  /// Takes the notices of the endpoints' health. Call once a turn, before the first pick. Returns
  /// true if there were any.
  @discardableResult
  package mutating func takeNotices(
    _ pickBoard: PickBoard, now: Nanoseconds, _ random: inout RandomSource
  ) -> Bool {
    takeShapes(pickBoard)
    takeTrials(pickBoard)
    let revision = pickBoard.noticeRevision
    guard revision != noticeRevision else { return false }
    noticeRevision = revision
    for position in candidates.indices {
      let endpointIndex = candidates[position].endpointIndex
      for notice in PickBoard.Notice.allCases where ejection.failsMax != 0 || notice.isOfWatchdog {
        let count = pickBoard.count(notice, endpointIndex)
        let taken = noticesTaken[index(notice, position)]
        guard count != taken else { continue }
        noticesTaken[index(notice, position)] = count
        let context = context(position, pickBoard, othersAreClean: false)
        candidates[position].health.take(
          notice, count: count &- taken, now: now, chance: random.unit(), context)
      }
    }
    recount()
    return true
  }

  /// Updates `ranks`.
  mutating func rerank() {
    var isQuick = true
    var from = Nanoseconds.zero
    for position in candidates.indices {
      let isUsed = candidates[position].isEligible && !candidates[position].isBackup
      ranks[position] = Rank(
        endpointIndex: Int32(truncatingIfNeeded: candidates[position].endpointIndex),
        table: Int32(truncatingIfNeeded: candidates[position].shape * Self.tableCount),
        inverse: isUsed ? 1 / candidates[position].weight : .infinity)
      if candidates[position].health.isHalfOpen || !candidates[position].hasRoom { isQuick = false }
      from = max(from, candidates[position].health.rampEnd(slowStart: slowStart))
    }
    quickScanFrom = isQuick ? max(from, fullUntil) : .distantFuture
  }

  func index(_ notice: PickBoard.Notice, _ position: Int) -> Int {
    position * PickBoard.Notice.allCases.count + notice.rawValue
  }

  /// Sets whether the endpoint has room for one more request. Every endpoint has room at first.
  package mutating func setRoom(_ position: Int, _ hasRoom: Bool) {
    guard candidates[position].hasRoom != hasRoom else { return }
    candidates[position].hasRoom = hasRoom
    rerank()
  }

  /// Whether a usable endpoint has room.
  package var hasRoom: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 && $0.hasRoom }
  }

  /// Whether a usable endpoint has no room, so that it makes sense to wait.
  package var isFull: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 && !$0.hasRoom }
  }

  // MARK: Picking

  /// The position of the endpoint to use; nil: none may be used or none has room. `load` is the
  /// in-flight count by endpoint index; `tried` are the positions tried before, which are used
  /// again only if there is no other; `key` binds the request to an endpoint. `isRepeatable`: a
  /// request that fails at a half-open endpoint is retried elsewhere. `contentBytes` is the length
  /// of the request's content, 0 if unknown.
  package mutating func pick(
    now: Nanoseconds, load: UnsafePointer<Int32>, tunnels: UnsafePointer<Int32>? = nil,
    pickBoard: PickBoard, tried: TriedSet, key: PickKey = PickKey(),
    room: EndpointRoom = EndpointRoom(), isRepeatable: Bool = false,
    contentBytes: Int = 0, random: inout RandomSource
  ) -> Int? {
    var scan = Scan(
      now: now, load: load, tunnels: tunnels, pickBoard: pickBoard.hasOthersLoad ? pickBoard : nil,
      room: room, isRepeatable: isRepeatable, tried: tried, hash: key.hash,
      sizeTerm: sizeTerm(contentBytes))
    if let position = key.session, takesSession(position, scan) { return position }
    if let position = pickHealthy(&scan, &random) { return position }
    if scan.areHealthyFull { return nil }
    if let position = pickEjected(&scan, &random) { return position }
    guard !tried.isEmpty else { return nil }
    // Every endpoint was tried: they may be tried again.
    scan.tried = TriedSet()
    return pickEjected(&scan, &random)
  }

  /// Whether an untried endpoint could take a retry. With `now`, endpoints that have just refused a
  /// request do not count.
  package func hasOther(
    load: UnsafePointer<Int32>, tried: TriedSet, room: EndpointRoom = EndpointRoom(),
    avoidingFull now: Nanoseconds? = nil
  ) -> Bool {
    candidates.indices.contains { position in
      let candidate = candidates[position]
      let load = load[candidate.endpointIndex]
      if let now, isRefusing(candidate, now: now, load: load) { return false }
      return candidate.isEligible && candidate.weight > 0 && !tried.contains(position)
        && room.has(candidate.endpointIndex, load: load)
    }
  }

  /// Whether health and weights allow any endpoint. If no pick succeeds then, only room is missing.
  package var hasEligible: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 }
  }

  /// Whether the endpoint takes a request of the session. Health takes precedence over the session,
  /// the session over the weight.
  private func takesSession(_ position: Int, _ scan: Scan) -> Bool {
    guard candidates.indices.contains(position) else { return false }
    let candidate = candidates[position]
    return candidate.takesSessions && !scan.tried.contains(position)
      && isAwake(candidate, scan) && hasRoom(candidate, scan)
  }

  /// Picks among the primaries, then among the backups, skipping endpoints in cooldown or with a
  /// trial in flight.
  private mutating func pickHealthy(_ scan: inout Scan, _ random: inout RandomSource) -> Int? {
    for isBackup in hasBackups ? 0...1 : 0...0 {
      scan.isBackup = isBackup == 1
      var (ignoresEjection, isPanic) = (true, false)
      if halfOpenCount > 0 {
        switch triage(scan) {
        case .trial(let position): return position
        case .healthyOnes: ignoresEjection = false
        case .living: isPanic = true
        case .none: continue
        }
      }
      if trialCount > 0, !scan.isBackup, scan.tried.isEmpty, policy == .leastRequest,
        let position = takeTrial(scan)
      {
        return position
      }
      if isPanic { negateDead() }
      defer { if isPanic { negateDead() } }
      if scan.now < fullUntil {
        scan.avoidsFull = true
        let position = choose(scan, ignoresEjection: ignoresEjection, &random)
        scan.avoidsFull = false
        if let position { return position }
      }
      if let position = choose(scan, ignoresEjection: ignoresEjection, &random) { return position }
      if areFull(scan, ignoresEjection: ignoresEjection) {
        scan.areHealthyFull = true
        return nil
      }
    }
    return nil
  }

  /// Negates the weights of endpoints where nothing listens. No endpoint with a negative weight is
  /// picked; the second call restores the weights. Pools without such endpoints pay nothing.
  private mutating func negateDead() {
    for position in candidates.indices where candidates[position].health.isDead {
      candidates[position].weight.negate()
    }
  }

  /// Whether lack of room is the only reason that no endpoint may be used.
  private func areFull(_ scan: Scan, ignoresEjection: Bool) -> Bool {
    candidates.indices.contains {
      !hasRoom(candidates[$0], scan) && isCandidate($0, scan, ignoresEjection: ignoresEjection)
    }
  }

  /// Picks and ignores ejections, which alone must not leave a pool without an endpoint.
  private mutating func pickEjected(_ scan: inout Scan, _ random: inout RandomSource) -> Int? {
    scan.isBackup = false
    if let position = choose(scan, ignoresEjection: true, &random) { return position }
    guard hasBackups else { return nil }
    scan.isBackup = true
    return choose(scan, ignoresEjection: true, &random)
  }

  /// The values that stay the same during one pick.
  struct Scan {
    let now: Nanoseconds
    let load: UnsafePointer<Int32>
    /// The tunnels in `load`, which a half-open endpoint may have.
    let tunnels: UnsafePointer<Int32>?
    /// nil: other balancers have no load.
    let pickBoard: PickBoard?
    let room: EndpointRoom
    let isRepeatable: Bool
    var tried: TriedSet
    let hash: UInt64?
    /// The additional cost of delaying other requests by this request's content; 0: none.
    var sizeTerm = 0.0
    /// Whether backups are scanned instead of primaries.
    var isBackup = false
    /// Whether endpoints that have just refused a request are skipped.
    var avoidsFull = false
    /// Whether the healthy endpoints are full. Waiting for them is better than using an ejected
    /// endpoint or a backup.
    var areHealthyFull = false

    /// The number of requests that an endpoint is answering.
    @inline(__always) func busy(_ endpointIndex: Int) -> Int32 {
      load[endpointIndex] - (tunnels?[endpointIndex] ?? 0)
    }
  }

  private enum Triage {
    /// This endpoint is due for its next trial.
    case trial(Int)
    case healthyOnes
    /// Too few of the endpoints that accept connections are left. The ejections are then more
    /// likely to be wrong than the endpoints (Envoy's panic threshold).
    case living
    /// No endpoint is left.
    case none
  }

  /// Decides which endpoints a pick considers while some are half-open.
  private func triage(_ scan: Scan) -> Triage {
    var (usable, untried) = (0, 0)
    // Endpoints that accept connections, and the usable ones among them.
    var (living, usableLiving) = (0, 0)
    var trial: Int?
    for position in candidates.indices {
      let candidate = candidates[position]
      guard candidate.isEligible, candidate.weight > 0, candidate.isBackup == scan.isBackup
      else { continue }
      if !candidate.health.isDead { living += 1 }
      guard isAwake(candidate, scan) else { continue }
      usable += 1
      if !candidate.health.isDead { usableLiving += 1 }
      guard !scan.tried.contains(position) else { continue }
      untried += 1
      // A full endpoint counts as usable here, since load is no fault.
      if candidate.health.isHalfOpen, hasRoom(candidate, scan) { trial = position }
    }
    if usable == 0 { return .none }
    if living > 2, Double(usableLiving) < ejection.panicRatio * Double(living) { return .living }
    if untried == 0 { return .none }
    // A request that has failed once is used for a trial only if no other endpoint is left.
    if !scan.tried.isEmpty, untried > 1 { return .healthyOnes }
    return trial.map(Triage.trial) ?? .healthyOnes
  }

  @inline(__always)
  private func isAwake(_ candidate: Candidate, _ scan: Scan) -> Bool {
    candidate.health.mayBePicked(
      now: scan.now, load: scan.busy(candidate.endpointIndex), isRepeatable: scan.isRepeatable)
  }

  @inline(__always)
  func isUsable(_ position: Int, _ scan: Scan, ignoresEjection: Bool) -> Bool {
    isCandidate(position, scan, ignoresEjection: ignoresEjection)
      && hasRoom(candidates[position], scan)
      && !(scan.avoidsFull
        && isRefusing(
          candidates[position], now: scan.now, load: scan.load[candidates[position].endpointIndex]))
  }

  /// Whether the endpoint refused a request a moment ago and has no fewer requests in flight since.
  @inline(__always)
  private func isRefusing(_ candidate: Candidate, now: Nanoseconds, load: Int32) -> Bool {
    now < fullUntil && candidate.health.refusals.isFull(now: now, load: load)
  }

  /// Whether slots and breakers allow one more request.
  @inline(__always)
  private func hasRoom(_ candidate: Candidate, _ scan: Scan) -> Bool {
    candidate.hasRoom
      && scan.room.has(candidate.endpointIndex, load: scan.load[candidate.endpointIndex])
  }

  @inline(__always)
  private func isCandidate(_ position: Int, _ scan: Scan, ignoresEjection: Bool) -> Bool {
    let candidate = candidates[position]
    return candidate.isEligible && candidate.weight > 0 && candidate.isBackup == scan.isBackup
      && !scan.tried.contains(position)
      && (ignoresEjection || isAwake(candidate, scan))
  }

  /// Whether a request should be refused instead of sent to the picked endpoint, because it would
  /// wait there too long. `timeout` is the time that the client waits.
  package func sheds(
    _ position: Int, load: UnsafePointer<Int32>, tunnels: UnsafePointer<Int32>? = nil,
    pickBoard: PickBoard, timeout: Nanoseconds
  ) -> Bool {
    guard let shedRatio, !candidates[position].health.isHalfOpen else { return false }
    let endpointIndex = candidates[position].endpointIndex
    let load = load[endpointIndex] - (tunnels?[endpointIndex] ?? 0)
    guard load >= 3, let wait = pickBoard.expectedWait(endpointIndex, load: load) else {
      return false
    }
    return wait > shedRatio * timeout.seconds
  }
}
