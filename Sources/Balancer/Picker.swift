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
    /// The endpoint's slot.
    package let slot: Int
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
    package internal(set) var health = PassiveHealth()
    /// The latest ejection by another worker that was taken over. Once only: scrapes may have
    /// ended the rest here since.
    var adoptedUntil = Nanoseconds.zero
    var current = 0.0

    init(_ endpoint: Endpoint) {
      slot = endpoint.slot
      isBackup = endpoint.isBackup
      baseWeight = endpoint.baseWeight
      hashID = KeyHash.hash("\(endpoint.address)")
    }
  }

  /// Above this many endpoints `leastRequest` looks at some only, drawn by weight.
  package static let fullScanMax = 256

  let policy: BalancePolicy
  let loadFactor: Double
  private let ejection: EjectionPolicy
  let slowStart: Nanoseconds
  private let shedRatio: Double?
  private let hasBackups: Bool
  package internal(set) var candidates: [Candidate]
  /// Candidates that rest or are tried again: 0 on a good day, which saves a scan.
  private var troubledCount = 0
  /// Running sums of the weights, for drawing; empty up to `fullScanMax` endpoints.
  private(set) var cumulative: [Double] = []
  private var newsRevision: UInt64 = 0
  /// How much of each kind of news was taken, by position and kind.
  private var newsTaken: [UInt64]

  package init(pool: Pool) {
    policy = pool.balance
    loadFactor = pool.hash.loadFactor
    ejection = pool.ejection
    slowStart = pool.slowStart
    shedRatio = pool.shedRatio
    hasBackups = pool.endpoints.contains(where: \.isBackup)
    candidates = pool.endpoints.map { Candidate($0) }
    newsTaken = [UInt64](
      repeating: 0, count: pool.endpoints.count * HintBoard.News.allCases.count)
  }

  // MARK: Tables and news

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
    candidates[position].weight = weight
    candidates[position].isEligible = isEligible
    candidates[position].takesSessions = takesSessions ?? isEligible
  }

  /// Allocates once, for a pool of more than `fullScanMax` endpoints.
  package mutating func finishTable() {
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

  /// What was said of the endpoints up to now is no news.
  package mutating func skipNews(_ hints: HintBoard) {
    for position in candidates.indices {
      for news in HintBoard.News.allCases {
        newsTaken[index(news, position)] = hints.count(news, candidates[position].slot)
      }
    }
  }

  /// Takes the passive health of the same endpoints from before a reload.
  package mutating func inherit(from old: Picker) {
    for position in candidates.indices {
      let slot = candidates[position].slot
      guard let before = old.candidates.firstIndex(where: { $0.slot == slot }) else { continue }
      candidates[position].health = old.candidates[before].health
      candidates[position].current = old.candidates[before].current
      candidates[position].adoptedUntil = old.candidates[before].adoptedUntil
      for news in HintBoard.News.allCases {
        newsTaken[index(news, position)] = old.newsTaken[index(news, before)]
      }
    }
    newsRevision = old.newsRevision
    recount()
  }

  /// Takes what scrapes said of endpoints' health. Once a turn, before the first pick.
  package mutating func takeNews(
    _ hints: HintBoard, now: Nanoseconds, _ random: inout RandomSource
  ) {
    let revision = hints.newsRevision
    guard revision != newsRevision else { return }
    newsRevision = revision
    guard ejection.failsMax > 0 else { return }
    for position in candidates.indices {
      let slot = candidates[position].slot
      for news in HintBoard.News.allCases {
        let count = hints.count(news, slot)
        let taken = newsTaken[index(news, position)]
        guard count != taken else { continue }
        newsTaken[index(news, position)] = count
        let context = context(position, hints, othersAreClean: false)
        candidates[position].health.take(
          news, count: count &- taken, now: now, chance: random.unit(), context)
      }
    }
    recount()
  }

  /// Another worker of this process left the endpoint alone until then.
  package mutating func adopt(_ position: Int, ejectedUntil: Nanoseconds) {
    guard ejection.failsMax > 0 else { return }
    candidates[position].adoptedUntil = ejectedUntil
    candidates[position].health.adopt(ejectedUntil: ejectedUntil)
    recount()
  }

  private func index(_ news: HintBoard.News, _ position: Int) -> Int {
    position * HintBoard.News.allCases.count + news.rawValue
  }

  private mutating func recount() {
    troubledCount = candidates.reduce(0) { $0 + ($1.health.isHalfOpen ? 1 : 0) }
  }

  private func context(
    _ position: Int, _ hints: HintBoard, othersAreClean: Bool
  ) -> PassiveContext {
    let slot = candidates[position].slot
    return PassiveContext(
      policy: ejection, fleetResponse: hints.fleetResponse(slot), interval: hints.interval(slot),
      balancers: hints.balancers(slot), othersAreClean: othersAreClean)
  }

  // MARK: Picking

  /// The position of the endpoint to use, nil when none may be used.
  /// `load` is the in-flight count by slot; `tried` are positions already tried for this exchange,
  /// taken again only when there is no other; `key` is what the request goes by.
  package mutating func pick(
    now: Nanoseconds, load: UnsafePointer<Int32>, hints: HintBoard, tried: TriedSet,
    key: PickKey = PickKey(), random: inout RandomSource
  ) -> Int? {
    var scan = Scan(
      now: now, load: load, hints: hints.hasForeignLoad ? hints : nil, tried: tried,
      hash: key.hash)
    if let position = key.session, takesSession(position, scan) { return position }
    if let position = pickHealthy(&scan, &random) { return position }
    if let position = pickEjected(&scan, &random) { return position }
    guard !tried.isEmpty else { return nil }
    // All were tried: then again.
    scan.tried = TriedSet()
    return pickEjected(&scan, &random)
  }

  /// Health beats the session, the session beats the weight.
  private func takesSession(_ position: Int, _ scan: Scan) -> Bool {
    guard candidates.indices.contains(position) else { return false }
    let candidate = candidates[position]
    return candidate.takesSessions && !scan.tried.contains(position)
      && candidate.health.mayBePicked(now: scan.now, load: scan.load[candidate.slot])
  }

  /// The primaries, then the backups, while one of them neither rests nor waits for a trial's end.
  private mutating func pickHealthy(_ scan: inout Scan, _ random: inout RandomSource) -> Int? {
    for isBackup in hasBackups ? 0...1 : 0...0 {
      scan.isBackup = isBackup == 1
      var ignoresEjection = true
      if troubledCount > 0 {
        switch triage(scan) {
        case .probe(let position): return position
        case .healthyOnes: ignoresEjection = false
        case .all: break
        case .none: continue
        }
      }
      if let position = choose(scan, ignoresEjection: ignoresEjection, &random) { return position }
    }
    return nil
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
    /// nil: no other balancer's load anywhere.
    let hints: HintBoard?
    var tried: TriedSet
    let hash: UInt64?
    /// Among the backups, not the primaries.
    var isBackup = false
  }

  private enum Triage {
    /// This one waits for its next trial.
    case probe(Int)
    case healthyOnes
    /// Under half of the pool is left: the ejections are more likely to be wrong than the
    /// endpoints (Envoy's panic threshold).
    case all
    /// Nothing is left.
    case none
  }

  /// What to do while endpoints rest or are tried again.
  private func triage(_ scan: Scan) -> Triage {
    var (usable, eligible) = (0, 0)
    var probe: Int?
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: true) {
      eligible += 1
      guard isUsable(position, scan, ignoresEjection: false) else { continue }
      usable += 1
      if candidates[position].health.isHalfOpen { probe = position }
    }
    if usable == 0 { return .none }
    if eligible > 2, usable * 2 < eligible { return .all }
    return probe.map(Triage.probe) ?? .healthyOnes
  }

  @inline(__always)
  func isUsable(_ position: Int, _ scan: Scan, ignoresEjection: Bool) -> Bool {
    let candidate = candidates[position]
    return candidate.isEligible && candidate.weight > 0 && candidate.isBackup == scan.isBackup
      && !scan.tried.contains(position)
      && (ignoresEjection
        || candidate.health.mayBePicked(now: scan.now, load: scan.load[candidate.slot]))
  }

  /// Whether a request had better be refused than sent to the endpoint that was picked, because it
  /// would wait too long there. `timeout` is the client's patience.
  package func sheds(
    _ position: Int, load: UnsafePointer<Int32>, hints: HintBoard, timeout: Nanoseconds
  ) -> Bool {
    guard let shedRatio, !candidates[position].health.isHalfOpen else { return false }
    let slot = candidates[position].slot
    guard load[slot] >= 3, let wait = hints.expectedWait(slot, load: load[slot]) else {
      return false
    }
    return wait > shedRatio * timeout.seconds
  }

  // MARK: Outcomes

  /// An attempt ended well. True where the endpoint came back from an ejection by it.
  package mutating func succeeded(_ position: Int, now: Nanoseconds) -> Bool {
    guard candidates[position].health.succeeded(now: now) else { return false }
    recount()
    return true
  }

  /// An attempt failed. Returns until when the endpoint is left alone from now on, if by this.
  package mutating func failed(
    _ position: Int, _ failure: AttemptFailure, hints: HintBoard, now: Nanoseconds
  ) -> Nanoseconds? {
    guard ejection.failsMax > 0 else { return nil }
    let context = context(position, hints, othersAreClean: othersAreClean(position))
    guard candidates[position].health.failed(failure, now: now, context) else { return nil }
    recount()
    return candidates[position].health.ejectedUntil
  }

  private func othersAreClean(_ position: Int) -> Bool {
    var (sum, count) = (0.0, 0)
    for other in candidates.indices
    where other != position && !candidates[other].health.isHalfOpen {
      sum += candidates[other].health.slowFailureRatio
      count += 1
    }
    return sum < 0.003 * Double(count) || count == 0
  }
}

/// What a request goes by besides chance and load.
package struct PickKey: Sendable, Equatable {
  /// Of the pool's key; nil where the request has none.
  package var hash: UInt64?
  /// The position of the endpoint that the client's session is at.
  package var session: Int?

  package init(hash: UInt64? = nil, session: Int? = nil) {
    self.hash = hash
    self.session = session
  }
}

/// The positions tried for one exchange, at most four.
package struct TriedSet: Sendable, Equatable {
  private var positions: (Int16, Int16, Int16, Int16) = (-1, -1, -1, -1)

  package init() {}

  package var isEmpty: Bool { positions.0 < 0 }

  package func contains(_ position: Int) -> Bool {
    let wanted = Int16(truncatingIfNeeded: position)
    return positions.0 == wanted || positions.1 == wanted || positions.2 == wanted
      || positions.3 == wanted
  }

  /// Forgets the oldest when four are known.
  package mutating func insert(_ position: Int) {
    positions = (
      Int16(truncatingIfNeeded: position), positions.0, positions.1, positions.2
    )
  }

  package static func == (a: TriedSet, b: TriedSet) -> Bool { a.positions == b.positions }
}
