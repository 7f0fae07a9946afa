// Picks an endpoint of one pool: the one that the client's session is at, else by the pool's policy
// (Picker+Policies.swift, Picker+Hash.swift) among the primaries, else among the backups.
// Invariant: without a session only an eligible endpoint with a weight above 0 is picked; ejection
// alone never leaves a pool without one, and one that is tried again gets one request at a time.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// One pool as one worker sees it. A pure value: time and chance are arguments.
package struct Picker: Sendable {
  package struct Candidate: Sendable {
    /// The endpoint's index.
    package let endpointIndex: Int
    /// The effective weight, finite and ≥ 0.
    package var weight = 0.0
    /// Health and drain allow new exchanges.
    package var isEligible = false
    /// They allow those of clients whose session is here, whatever the weight.
    package internal(set) var takesSessions = false
    /// Used only while no primary may be.
    package let isBackup: Bool
    /// Of what hashes rank by: the operator's weight, and a number for the address.
    let baseWeight: Double
    let hashID: UInt64
    /// It has a slot free, where slots are counted.
    package internal(set) var hasRoom = true
    package internal(set) var health = PassiveHealth()
    /// Readmissions by other workers that were taken over.
    var adoptedReadmissions: UInt64?
    /// The latest ejection by another worker that was taken over. Once only: scrapes may have
    /// ended the rest here since.
    var adoptedUntil = Nanoseconds.zero
    /// When that began.
    var adoptedSince = Nanoseconds.zero
    var current = 0.0
    /// The index of its shape in `shapes`.
    var shape = 0
    /// The last trial that was taken or is over, and the last that was given.
    var trial: UInt64 = 0
    var newestTrial: UInt64 = 0

    init(_ endpoint: Endpoint) {
      endpointIndex = endpoint.endpointIndex
      isBackup = endpoint.isBackup
      baseWeight = endpoint.baseWeight
      hashID = KeyHash.hash("\(endpoint.address)")
    }
  }

  /// An endpoint in 16 bytes: a pool of hundreds is scanned for every request.
  struct Rank: Sendable {
    var endpointIndex: Int32
    /// Where its shape's costs begin in `costs`.
    var table: Int32
    /// 1 ÷ weight; infinite where it is not to be picked.
    var inverse: Double
  }

  /// Above this many endpoints `leastRequest` looks at some only, drawn by weight.
  package static let fullScanMax = 256

  let policy: BalancePolicy
  let loadFactor: Double
  let ejection: EjectionPolicy
  let slowStart: Nanoseconds
  private let shedRatio: Double?
  private let hasBackups: Bool
  private let hasCanary: Bool
  package internal(set) var candidates: [Candidate]
  /// Candidates that rest or are tried again: 0 on a good day, which saves a scan.
  var halfOpenCount = 0
  /// What a scan of a calm pool looks at, by position.
  private(set) var ranks: [Rank] = []
  /// From when on the pool is calm: nothing rests or is full, every slow start is over.
  var quickScanFrom = Nanoseconds.distantFuture
  /// From when on no endpoint is passed over for having refused a request.
  var fullUntil = Nanoseconds.zero
  /// A key or a session binds clients to endpoints.
  let bindsClients: Bool
  /// Running sums of the weights, for drawing; empty up to `fullScanMax` endpoints.
  private(set) var cumulative: [Double] = []
  /// How endpoints slow down, each shape once; the last ones may be no endpoint's any more.
  var shapes = [ServiceShape.plain]
  /// What the next request costs with 0, 1, … in flight, `tableCount` numbers a shape.
  var costs: [Double] = []
  var shapeRevision: UInt64 = 0
  /// How much the length of a request's content counts, and its mean in `EvidenceBoard.sizeUnits`.
  var sizeSlope = 0.0
  var sizeMean = 0.0
  var trialRevision: UInt64 = 0
  /// Endpoints that are to get the next request if they have none; 0 but for moments.
  var trialCount = 0
  private var noticeRevision: UInt64 = 0
  /// How much of each kind of notice was taken, by position and kind.
  private var noticesTaken: [UInt64]

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

  /// Whether an endpoint rests or is tried again.
  package var hasHalfOpen: Bool { halfOpenCount > 0 }

  // MARK: Tables and notice

  /// Takes a new weight and eligibility; `finishTable` after the last. Passive health and
  /// round-robin state stay. `takesSessions` nil: as `isEligible`.
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

  /// Allocates once, for a pool of more than `fullScanMax` endpoints.
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

  /// What was said of the endpoints up to now is no notice.
  package mutating func skipNotices(_ pickBoard: PickBoard) {
    for position in candidates.indices {
      for notice in PickBoard.Notice.allCases {
        noticesTaken[index(notice, position)] = pickBoard.count(
          notice, candidates[position].endpointIndex)
      }
    }
  }

  /// Takes the passive health of the same endpoints from before a reload.
  package mutating func inherit(from old: Picker) {
    for position in candidates.indices {
      let endpointIndex = candidates[position].endpointIndex
      guard let before = old.candidates.firstIndex(where: { $0.endpointIndex == endpointIndex })
      else { continue }
      candidates[position].health = old.candidates[before].health
      candidates[position].health.hasCanary = hasCanary
      candidates[position].current = old.candidates[before].current
      candidates[position].trial = old.candidates[before].trial
      candidates[position].adoptedUntil = old.candidates[before].adoptedUntil
      candidates[position].adoptedSince = old.candidates[before].adoptedSince
      candidates[position].adoptedReadmissions = old.candidates[before].adoptedReadmissions
      for notice in PickBoard.Notice.allCases {
        noticesTaken[index(notice, position)] = old.noticesTaken[index(notice, before)]
      }
    }
    noticeRevision = old.noticeRevision
    shapeRevision = 0
    trialRevision = old.trialRevision
    fullUntil = old.fullUntil
    recount()
  }

  /// Takes what scrapes said of endpoints' health. Once a turn, before the first pick. True where
  /// anything was said of any endpoint.
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

  /// Brings `ranks` up to date.
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

  private func index(_ notice: PickBoard.Notice, _ position: Int) -> Int {
    position * PickBoard.Notice.allCases.count + notice.rawValue
  }

  /// Says whether the endpoint may take one more; it does until told otherwise.
  package mutating func setRoom(_ position: Int, _ hasRoom: Bool) {
    guard candidates[position].hasRoom != hasRoom else { return }
    candidates[position].hasRoom = hasRoom
    rerank()
  }

  /// Whether an endpoint that may be used has room.
  package var hasRoom: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 && $0.hasRoom }
  }

  /// Whether an endpoint that may be used has none: then it is worth waiting.
  package var isFull: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 && !$0.hasRoom }
  }

  // MARK: Picking

  /// The position of the endpoint to use, nil when none may be used or none has room.
  /// `load` is the in-flight count by endpoint index; `tried` are the positions tried before,
  /// taken again only when there is no other; `key` is what the request goes by. `isRepeatable`:
  /// what an endpoint that is only tried fails will be asked of another. `contentBytes`: the length
  /// of the request's content, 0 where it is not known.
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
    // All were tried: then again.
    scan.tried = TriedSet()
    return pickEjected(&scan, &random)
  }

  /// Whether an endpoint that was not tried yet would take a repeat. `now` where those that have
  /// just refused a request are none.
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

  /// Whether health and weights allow any endpoint at all: then what is missing is room.
  package var hasEligible: Bool {
    candidates.contains { $0.isEligible && $0.weight > 0 }
  }

  /// Health beats the session, the session beats the weight.
  private func takesSession(_ position: Int, _ scan: Scan) -> Bool {
    guard candidates.indices.contains(position) else { return false }
    let candidate = candidates[position]
    return candidate.takesSessions && !scan.tried.contains(position)
      && isAwake(candidate, scan) && hasRoom(candidate, scan)
  }

  /// The primaries, then the backups, while one of them neither rests nor waits for a trial's end.
  private mutating func pickHealthy(_ scan: inout Scan, _ random: inout RandomSource) -> Int? {
    for isBackup in hasBackups ? 0...1 : 0...0 {
      scan.isBackup = isBackup == 1
      var (ignoresEjection, isPanic) = (true, false)
      if halfOpenCount > 0 {
        switch triage(scan) {
        case .probe(let position): return position
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
      if isPanic { turnDead() }
      defer { if isPanic { turnDead() } }
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

  /// Turns the weights of those where nobody listens: below 0 nothing is picked, the second time
  /// they are what they were. So a good day pays nothing for it.
  private mutating func turnDead() {
    for position in candidates.indices where candidates[position].health.isDead {
      candidates[position].weight.negate()
    }
  }

  /// Whether it is only for want of room that none of them may be used.
  private func areFull(_ scan: Scan, ignoresEjection: Bool) -> Bool {
    candidates.indices.contains {
      !hasRoom(candidates[$0], scan) && isCandidate($0, scan, ignoresEjection: ignoresEjection)
    }
  }

  /// Ejection alone leaves no pool without an endpoint.
  private mutating func pickEjected(_ scan: inout Scan, _ random: inout RandomSource) -> Int? {
    scan.isBackup = false
    if let position = choose(scan, ignoresEjection: true, &random) { return position }
    guard hasBackups else { return nil }
    scan.isBackup = true
    return choose(scan, ignoresEjection: true, &random)
  }

  /// What stays the same during one pick.
  struct Scan {
    let now: Nanoseconds
    let load: UnsafePointer<Int32>
    /// How many of `load` are tunnels: an endpoint that is tried again may have some.
    let tunnels: UnsafePointer<Int32>?
    /// nil: no other balancer's load anywhere.
    let pickBoard: PickBoard?
    let room: EndpointRoom
    let isRepeatable: Bool
    var tried: TriedSet
    let hash: UInt64?
    /// How much dearer than others this request is where it delays others; 0: as dear.
    var sizeTerm = 0.0
    /// Among the backups, not the primaries.
    var isBackup = false
    /// Passes over those that have just refused a request.
    var avoidsFull = false
    /// The healthy ones are full: better to wait for them than to take what rests, or a backup.
    var areHealthyFull = false

    /// Requests that an endpoint is answering.
    @inline(__always) func busy(_ endpointIndex: Int) -> Int32 {
      load[endpointIndex] - (tunnels?[endpointIndex] ?? 0)
    }
  }

  private enum Triage {
    /// This one waits for its next trial.
    case probe(Int)
    case healthyOnes
    /// Too few are left of those that take connections: the ejections are more likely to be wrong
    /// than the endpoints (Envoy's panic threshold).
    case living
    /// Nothing is left.
    case none
  }

  /// What to do while endpoints rest or are tried again.
  private func triage(_ scan: Scan) -> Triage {
    var (usable, untried) = (0, 0)
    // Those that take connections, and the ones of them that are usable.
    var (living, usableLiving) = (0, 0)
    var probe: Int?
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
      // That an endpoint is full says nothing against it: it counts here.
      if candidate.health.isHalfOpen, hasRoom(candidate, scan) { probe = position }
    }
    if usable == 0 { return .none }
    if living > 2, Double(usableLiving) < ejection.panicRatio * Double(living) { return .living }
    if untried == 0 { return .none }
    // A request that has failed once had better not be a trial, where it need not.
    if !scan.tried.isEmpty, untried > 1 { return .healthyOnes }
    return probe.map(Triage.probe) ?? .healthyOnes
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

  /// It refused a request a moment ago and has no fewer in flight since.
  @inline(__always)
  private func isRefusing(_ candidate: Candidate, now: Nanoseconds, load: Int32) -> Bool {
    now < fullUntil && candidate.health.refusals.isFull(now: now, load: load)
  }

  /// Slots and breakers allow one more.
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

  /// Whether a request had better be refused than sent to the endpoint that was picked, because it
  /// would wait too long there. `timeout` is the client's patience.
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
